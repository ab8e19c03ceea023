"""Synthetic gestures without end: random classes of arm paths and hand shapes, for encoders that compare gestures."""

from skelact.datasets.synthetic.gestures.classes import PROFILES, GestureClasses, make_classes
from skelact.datasets.synthetic.gestures.generate import make_gestures

__all__ = ["PROFILES", "GestureClasses", "make_classes", "make_gestures"]
