"""Normal motion: oddities cost more, thresholds keep their rate, files are kept and refused."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from skelact.datasets.synthetic.everyday.days import ODDITIES, RECOVERING, USUAL, make_day
from skelact.errors import CheckpointError, ConfigError, DataError
from skelact.evaluate.ranking import roc_auc
from skelact.models.classical.body_motion import BodyMotion, body_motion
from skelact.recognition.array_file import read_arrays, write_arrays
from skelact.recognition.normal_motion import METHODS, Method, NormalMotion, NormalSettings, Tail

SETTINGS = NormalSettings(candidates=150, components=3)


def moving(day: int, oddities: tuple[str, ...] = ()) -> tuple[BodyMotion, np.ndarray]:
    recording = make_day(1, day, minutes=1.5, oddities=oddities)
    assert recording.frame_labels is not None
    return body_motion(recording, rate=SETTINGS.rate), np.array(recording.frame_labels)


@pytest.fixture(scope="module")
def model() -> NormalMotion:
    return NormalMotion.fit([moving(day)[0] for day in range(1, 5)], SETTINGS)


def test_a_day_is_the_same_again_and_holds_its_oddities() -> None:
    one, labels = moving(5, ("hop", "fall"))
    two, _ = moving(5, ("hop", "fall"))
    assert np.array_equal(one.position, two.position) and len(labels) >= 1800
    assert set(labels) - set(USUAL) == {"hop", "fall", RECOVERING}
    first = [np.flatnonzero(labels == name)[0] for name in ("hop", "fall")]
    assert first[0] < first[1]
    step = np.abs(np.diff(make_day(1, 5, minutes=0.5).xyz[0, :, 0], axis=0)).max()
    assert step < 0.3  # metres a frame: nobody jumps from one activity to the next
    for wrong in ({"oddities": ("fly",)}, {"camera": 9}, {"minutes": 0}):
        with pytest.raises(ConfigError):
            make_day(1, 1, **wrong)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("method", METHODS)
def test_oddities_cost_more(model: NormalMotion, method: Method) -> None:
    motion, labels = moving(6, ("hop", "kick", "fall", "hop", "kick", "fall"))
    windows, begins = model.windows(motion)
    shares = np.array(
        [np.isin(labels[int(b * 20) : int(b * 20) + 40], list(ODDITIES)).mean() for b in begins]
    )
    sure = (shares == 0) | (shares > 0.4)
    assert roc_auc(model.cost(windows, method)[sure], shares[sure] > 0) > 0.85


@pytest.mark.parametrize("method", METHODS)
def test_thresholds_follow_the_rate(model: NormalMotion, method: Method) -> None:
    rates = (0.1, 1.0, 10.0, 100.0)
    limits = [model.threshold(rate, method) for rate in rates]
    assert all(a > b for a, b in itertools.pairwise(limits))
    costs = np.concatenate([model.cost(model.windows(moving(d)[0])[0], method) for d in range(20, 23)])
    hours = len(costs) * SETTINGS.step / 3600
    assert (costs > model.threshold(600.0, method)).sum() <= 3 * 600 * hours
    with pytest.raises(ConfigError, match="above 0"):
        model.threshold(0.0, method)


def test_the_tail_of_an_exponential_is_found() -> None:
    costs = np.random.default_rng(0).exponential(2.0, 50_000) + 1
    tail = Tail.of(costs, 1.0)
    for share in (0.05, 1e-2, 1e-4):
        assert tail.threshold(share) == pytest.approx(1 - 2 * np.log(share), rel=0.05)
    assert tail.threshold(0.5) == tail.level
    assert Tail.of(np.ones(10), 1.0).threshold(0.01) == 1.0


def test_a_file_keeps_it(model: NormalMotion, tmp_path: Path) -> None:
    again = NormalMotion.load(model.save(tmp_path / "normal.safetensors"))
    windows = model.windows(moving(7)[0])[0]
    for method in METHODS:
        assert np.array_equal(again.cost(windows, method), model.cost(windows, method))
        assert again.threshold(1.0, method) == model.threshold(1.0, method)
    assert again.settings == model.settings


def test_damaged_files_are_refused(model: NormalMotion, tmp_path: Path) -> None:
    path = model.save(tmp_path / "n")
    card, arrays = read_arrays(path, "normal motion", "x")
    rest = {k: v for k, v in card.items() if k not in ("version", "kind")}
    for says, holds in (
        ({"scale": -1}, {}), ({"tails": {}}, {}), ({"settings": {"n_parts": 3}}, {}), ({"tails": None}, {}),
        ({}, {"weight": arrays["weight"][1:]}), ({}, {"factor": arrays["factor"][:1]}),
    ):  # fmt: skip
        write_arrays(path, "normal motion", rest | says, arrays | holds)
        with pytest.raises(CheckpointError, match=r"damaged .*learn-normal"):
            NormalMotion.load(path)
    path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="damaged"):
        NormalMotion.load(path)


def test_too_little_motion_is_refused() -> None:
    motion, _ = moving(1)
    short = BodyMotion(
        20.0, *(getattr(motion, n)[:60] for n in ("position", "velocity", "path", "lean", "seen"))
    )
    with pytest.raises(DataError, match="at least 20 windows"):
        NormalMotion.fit([short], SETTINGS)
    with pytest.raises(DataError, match="at least 20 windows"):
        NormalMotion.fit([], SETTINGS)
    still = BodyMotion(20.0, motion.position, 0 * motion.velocity, 0 * motion.path, motion.lean, motion.seen)
    with pytest.raises(DataError, match="nobody moves"):
        NormalMotion.fit([still], SETTINGS)
    with pytest.raises(DataError, match="take 20 frames a second, got 15"):
        NormalMotion.fit([body_motion(make_day(1, 1, minutes=0.2))], SETTINGS)
