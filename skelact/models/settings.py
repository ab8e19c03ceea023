"""`NetworkSettings`: what every family's settings have in common."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, ClassVar

from skelact.layouts import SkeletonLayout
from skelact.models.base import SkeletonModel


class NetworkSettings:
    """Settings of a network: every field but ``name`` is an argument of its class, by the same name.

    A family's settings are a dataclass with its ``network`` and, where one class makes several families, with
    what is ``fixed`` of its arguments.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    name: Any
    network: ClassVar[type[SkeletonModel]]
    fixed: ClassVar[dict[str, Any]] = {}

    def build(self, layout: SkeletonLayout | str, n_classes: int, channels_in: int) -> SkeletonModel:
        """Make the network for a layout, a number of classes and of input channels."""
        chosen = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "name"}  # type: ignore[arg-type]
        return self.network(layout, n_classes, channels_in, **chosen, **self.fixed)
