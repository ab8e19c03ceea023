"""Synthetic people: a kinematic human that performs the actions of `ACTIONS` in front of a simulated depth sensor."""

from skelact.datasets.synthetic.actions import ACTION_NAMES, ACTIONS
from skelact.datasets.synthetic.generate import make_clip, make_set, make_subject, write_ntu_folder
from skelact.datasets.synthetic.sensor import CAMERAS, SensorNoise

__all__ = [
    "ACTIONS",
    "ACTION_NAMES",
    "CAMERAS",
    "SensorNoise",
    "make_clip",
    "make_set",
    "make_subject",
    "write_ntu_folder",
]
