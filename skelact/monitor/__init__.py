"""Live use: who is where, what they do, and when somebody should be told."""
