"""Published checkpoints: from the authors' key names and shapes to skelact's networks, exactly."""

from skelact.models.published.release import Blueprint, Release
from skelact.models.published.table import PUBLISHED, from_published, read_published

__all__ = ["PUBLISHED", "Blueprint", "Release", "from_published", "read_published"]
