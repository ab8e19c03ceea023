"""The training loop, losses, schedules and checkpoints."""
