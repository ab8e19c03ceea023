"""Spatial modules, mixing over joints: ``[V, P, T, C]`` to ``[V, P, T, D]``."""
