"""What a recogniser hands out is not changed afterwards."""

from __future__ import annotations

import dataclasses

import pytest

from skelact.recognition.recogniser import Recognition, Segment


@pytest.mark.parametrize("record", [Recognition, Segment], ids=lambda r: r.__name__)
def test_results_are_frozen(record: type) -> None:
    instance = object.__new__(record)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(instance, dataclasses.fields(record)[0].name, None)
