"""Typed settings from plain values: nested, chosen by name, and with every problem named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

import pytest

from skelact.errors import ConfigError
from skelact.settings import Chosen, from_plain, to_plain

STRICT = {"extra": "forbid", "arbitrary_types_allowed": True}


class Shape:
    __pydantic_config__ = STRICT


@dataclass
class Ball(Shape):
    name: str = "ball"
    radius: float = 1.0


@dataclass
class Box(Shape):
    name: str = "box"
    sides: tuple[int, ...] = (1, 2)


def find(values: Mapping) -> type[Shape]:
    try:
        return {"ball": Ball, "box": Box}[values.get("name", "ball")]
    except KeyError as error:
        raise ConfigError(f"no shape {error}") from None


AnyShape = Annotated[Shape, Chosen(find)]


@dataclass
class Inner:
    __pydantic_config__ = STRICT

    depth: int = 1

    def __post_init__(self) -> None:
        if self.depth < 0:
            raise ConfigError("depth must not be negative")


@dataclass
class Outer:
    __pydantic_config__ = STRICT

    shape: AnyShape = field(default_factory=Ball)
    inner: Inner = field(default_factory=Inner)


def test_there_and_back() -> None:
    made = from_plain(Outer, {"shape": {"name": "box", "sides": [3]}, "inner": {"depth": 2}}, "here")
    assert made == Outer(Box(sides=(3,)), Inner(2))
    assert to_plain(made) == {"shape": {"name": "box", "sides": [3]}, "inner": {"depth": 2}}
    assert from_plain(Outer, to_plain(made), "here") == made
    assert from_plain(AnyShape, {"radius": 2}, "here") == Ball(radius=2.0)
    assert from_plain(Outer, {"shape": Box()}, "here") == Outer(Box())


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        ({"shape": {"name": "box", "radius": 1}}, ["unknown key 'shape.radius'; allowed here: name, sides"]),
        ({"shape": {"radus": 1}}, ["unknown key 'shape.radus'; allowed here: name, radius. Did you mean 'radius'?"]),
        ({"shape": {"name": "cone"}, "b": 1}, ["shape.name: no shape 'cone'", "unknown key 'b'"]),
        ({"shape": 3, "inner": {"depth": "x"}}, ["shape:", "inner.depth:", "(got 'x')"]),
        ({"inner": {"depth": -1}}, ["here: depth must not be negative"]),
        (["a"], ["expected settings as 'key: value' lines, got list"]),
    ],
)  # fmt: skip
def test_every_problem_is_named(values: object, lines: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        from_plain(Outer, values, "here")
    assert str(caught.value).startswith("here") and all(line in str(caught.value) for line in lines)
