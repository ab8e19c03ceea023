"""Falls and the like are said, though the captions network has no words for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skelact.datasets.synthetic.everyday.days import make_day
from skelact.recognition import Recogniser
from skelact.recognition.captions_beyond import BEYOND, SURE, say_what_is_beyond
from skelact.recognition.language_captions import Caption
from skelact.skeleton import Skeleton


@pytest.fixture(scope="module")
def everyday() -> Recogniser:
    return Recogniser("everyday")


def a_fall() -> tuple[Skeleton, float, float]:
    day = make_day(1, 0, minutes=0.3, oddities=("fall",), seed=0)
    labels = np.array(day.frame_labels)
    where = np.flatnonzero(labels == "fall")
    return day, max(where[0] / day.fps - 1, 0), where[-1] / day.fps + 0.2


def test_a_fall_is_said_and_walking_is_left_to_the_captions(everyday: Recogniser) -> None:
    day, start, end = a_fall()
    walking = np.flatnonzero(np.array(day.frame_labels) == "walk")
    runs = np.split(walking, np.flatnonzero(np.diff(walking) > 1) + 1)
    long = max(runs, key=len)
    captions = [
        Caption(day.track_ids[0], start, end, "an adult bows.", -0.3),
        Caption(day.track_ids[0], long[0] / day.fps, long[-1] / day.fps, "an adult walks.", -0.2),
    ]
    fall, walk = say_what_is_beyond(day, captions, everyday)
    assert fall.text == "a person falls." and np.log(SURE) <= fall.score <= 0
    assert (fall.start, fall.end, fall.person) == (start, end, captions[0].person)
    assert walk == captions[1]


def test_what_the_network_is_not_sure_of_is_left(
    everyday: Recogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    day, start, end = a_fall()
    caption = Caption(day.track_ids[0], start, end, "an adult bows.", -0.3)
    names = everyday.card.label_names
    assert set(BEYOND) <= set(names)

    def answer(**sure: float) -> Caption:
        rows = np.zeros((2, len(names)))
        for name, p in sure.items():
            rows[:, names.index(name)] = p
        found = type("Found", (), {"probabilities": [rows]})()
        monkeypatch.setattr(everyday, "recognise", lambda *_, **__: found)
        return say_what_is_beyond(day, [caption], everyday)[0]

    assert answer(kneeling=SURE + 0.01).text == "a person kneels."
    assert answer(kneeling=SURE - 0.01) == caption and answer(walk=0.99) == caption
    assert answer(fall=SURE + 0.01, kneeling=0.3).text == "a person falls."
    empty = day.with_(score=np.zeros_like(day.score))
    assert say_what_is_beyond(empty, [replace(caption)], everyday) == [caption]
