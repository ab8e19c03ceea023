"""Skeleton layouts: which joints there are, how bones join them, and how one layout becomes another."""

from skelact.layouts.convert import Conversion, conversion
from skelact.layouts.layout import SkeletonLayout, load_layout
from skelact.layouts.named import LAYOUTS, get_layout
from skelact.layouts.partition import PARTITIONS, hop_scales, partition

__all__ = [
    "LAYOUTS",
    "PARTITIONS",
    "Conversion",
    "SkeletonLayout",
    "conversion",
    "get_layout",
    "hop_scales",
    "load_layout",
    "partition",
]
