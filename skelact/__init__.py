"""skelact: recognise what people do from how they move.

The top level holds only the records; everything heavy (torch, mediapipe) is imported by the modules
that need it, so that ``import skelact`` is quick.
"""

from skelact.errors import SkelactError
from skelact.layouts import SkeletonLayout, get_layout
from skelact.skeleton import Skeleton

__version__ = "0.1.0"
__all__ = ["Skeleton", "SkeletonLayout", "SkelactError", "get_layout", "__version__"]
