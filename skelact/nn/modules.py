"""`Modules`: a list of modules whose kind type checkers know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar, overload

from torch import nn

M = TypeVar("M", bound=nn.Module)


class Modules(nn.ModuleList, Generic[M]):
    """`torch.nn.ModuleList` of one kind of module."""

    if TYPE_CHECKING:

        def __init__(self, modules: Iterable[M] = ()) -> None: ...

        def __iter__(self) -> Iterator[M]: ...

        @overload
        def __getitem__(self, idx: int) -> M: ...

        @overload
        def __getitem__(self, idx: slice) -> Modules[M]: ...

        def __getitem__(self, idx: int | slice) -> M | Modules[M]: ...
