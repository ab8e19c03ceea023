"""Published checkpoints: from the authors' key names and shapes to skelact's networks, exactly."""

from skelact.models.published.release import Blueprint, Release
from skelact.models.published.table import PUBLISHED, find_release, from_published, read_published

__all__ = ["PUBLISHED", "Blueprint", "Release", "find_release", "from_published", "read_published"]
