"""`FamilySettings`, `LayoutSettings` and `NetworkSettings`: base classes of the families' settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from pydantic import model_validator
from torch import nn

from skelact.layouts import SkeletonLayout
from skelact.models.base import SkeletonModel

OLDER_NAMES = {"strided": "stride_blocks"}  # as configurations and checkpoints of earlier versions have them


@dataclass
class FamilySettings:
    """Settings of a family of networks: every field but ``name`` is an argument of its class, by the same name.

    A family's settings are a dataclass with its ``network`` and, where one class makes several families, with
    what is ``fixed`` of its arguments.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    name: Any = ""
    fixed: ClassVar[dict[str, Any]] = {}

    def arguments(self) -> dict[str, Any]:
        """The network's arguments that the settings give."""
        chosen = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "name"}
        return {**chosen, **self.fixed}


@dataclass
class LayoutSettings(FamilySettings):
    """Settings of whatever is trained as a whole: networks over skeletons, and those of several streams."""

    def build(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int,
        pictures: Mapping[str, int] | None = None,
    ) -> nn.Module:
        """Make the network for a layout, a number of classes and of input channels.

        Args:
            layout, n_classes, channels_in: see `SkeletonModel`.
            pictures: channels of a moment of each stream of pictures, where they are not the usual ones.
        """
        raise NotImplementedError


@dataclass
class NetworkSettings(LayoutSettings):
    """Settings of a network over skeletons; see `FamilySettings`."""

    network: ClassVar[type[SkeletonModel]]

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, values: Any) -> Any:
        """Take settings under older names, where a family does not use such a name itself."""
        if not isinstance(values, dict):
            return values
        known = {field.name for field in fields(cls)}
        new = {
            old: name for old, name in OLDER_NAMES.items() if name in known - {*values} and old not in known
        }
        return {new.get(key, key): value for key, value in values.items()}

    def build(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int,
        pictures: Mapping[str, int] | None = None,
    ) -> SkeletonModel:
        return self.network(layout, n_classes, channels_in, **self.arguments())
