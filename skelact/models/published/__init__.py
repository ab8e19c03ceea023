"""Published checkpoints: translation of the authors' key names, shapes and input to skelact's."""

from skelact.models.published.inputs.table import INPUTS, find_input, published_input
from skelact.models.published.release import Blueprint, Release
from skelact.models.published.table import PUBLISHED, find_release, from_published, read_published

__all__ = [
    "INPUTS",
    "PUBLISHED",
    "Blueprint",
    "Release",
    "find_input",
    "find_release",
    "from_published",
    "published_input",
    "read_published",
]
