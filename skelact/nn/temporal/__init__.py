"""Temporal modules, mixing over frames: ``[V, P, T, C]`` to ``[V, P, T', D]``."""
