"""Synthetic daily life, for the network that ships with the package: 23 classes by people of all ages."""

from skelact.datasets.synthetic.everyday.generate import (
    BODY15,
    EVERYDAY_CLASSES,
    make_everyday,
    make_everyday_clip,
)

__all__ = ["BODY15", "EVERYDAY_CLASSES", "make_everyday", "make_everyday_clip"]
