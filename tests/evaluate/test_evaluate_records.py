"""What evaluation hands out is not changed afterwards."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil

import pytest

import skelact.evaluate

RECORDS = [
    value
    for module in pkgutil.iter_modules(skelact.evaluate.__path__, "skelact.evaluate.")
    for value in vars(importlib.import_module(module.name)).values()
    if dataclasses.is_dataclass(value) and getattr(value, "__module__", "") == module.name
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.__name__)
def test_results_are_frozen(record: type) -> None:
    instance = object.__new__(record)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(instance, dataclasses.fields(record)[0].name, None)
