"""Actions by fitted thresholds: their file, what they tell, and the command that fits them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from skelact.cli import run
from skelact.datasets.synthetic.everyday.days import make_day
from skelact.errors import ConfigError, DataError
from skelact.evaluate.score_events import EventRule, FittedRule
from skelact.io.store import StoreWriter
from skelact.monitor.action_rules import ActionRules, RuledActions, SharedRules
from skelact.monitor.actions import LeadingAction, LiveActions, _Asked
from skelact.monitor.household import action_maker
from skelact.recognition import Recogniser

NAMES = ("walk", "fall", "other")


def rules(**thresholds: float) -> ActionRules:
    fitted = {k: FittedRule(EventRule(v, 0.8 * v, gap=0.5), 0.5, 0.9) for k, v in thresholds.items()}
    return ActionRules(NAMES, fitted, 1.0, 2.5)


def test_what_passes_its_own_threshold_is_told() -> None:
    one = RuledActions(NAMES, rules(walk=0.8, fall=0.3))
    told = []
    for t in range(10):
        answer = {0: [0.9, 0.1, 0.0], 1: [0.6, 0.35, 0.05], 2: [0.1, 0.1, 0.8]}[
            0 if t < 3 else 1 if t < 5 else 2
        ]
        told += one.take(np.array(answer), 0.4 * t)
        if t == 2:
            assert one.current() == ("walk", 0.9)
        if t == 4:  # walking is surer, and is below its threshold; it ends 0.5 s after that
            assert one.current() == ("fall", 0.35)
        if t == 9:
            assert one.current() is None  # "other" has no rule, however sure it is
    assert [(e.label, round(e.start, 1), round(e.end, 1)) for e in told] == [
        ("walk", 0, 0.8),
        ("fall", 1.2, 1.6),
    ]
    one.take(np.array([0.9, 0.0, 0.1]), 4.0)
    (walk,) = one.end(9.0)
    assert (walk.label, walk.start) == ("walk", 4.0) and one.end(9.0) == []


def test_a_file_holds_what_was_fitted_and_refuses_other_networks(tmp_path: Path) -> None:
    file = tmp_path / "thresholds.json"
    made = rules(walk=0.8)
    made.save(file)
    read = ActionRules.load(file, NAMES)
    assert read == made
    with pytest.raises(ConfigError, match="of a network with the classes walk, fall, other"):
        ActionRules.load(file, ["walk", "other", "fall"])
    for text in ("", "{}", "[1]", json.dumps({**json.loads(file.read_text()), "rules": {"walk": {"on": 2}}})):
        file.write_text(text)
        with pytest.raises(DataError, match="no file of skelact learn-thresholds"):
            ActionRules.load(file, NAMES)
    with pytest.raises(DataError, match="cannot be read"):
        ActionRules.load(tmp_path / "none.json", NAMES)


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("days") / "days.h5"
    found = [make_day(resident, 0, minutes=0.7) for resident in range(3)]
    with StoreWriter(file, layout="ntu25", unit="m", dims=3) as writer:
        for one in found:
            writer.append(one)
        writer.set_splits({"home/train": [found[0].id, found[1].id], "home/test": [found[2].id]})
    return file


@pytest.mark.slow
def test_thresholds_are_fitted_told_apart_and_used(
    days: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    fitted = {}
    for rate in ("0.1", "1000"):
        out = tmp_path / f"{rate}.json"
        words = [
            "learn-thresholds",
            str(days),
            "--out",
            str(out),
            "--part",
            "home/train",
            "--test",
            "home/test",
        ]
        assert run([*words, "--false-per-hour", rate, "--json"]) == 0
        fitted[rate] = json.loads(capsys.readouterr().out)
        assert set(fitted[rate]["held_out"]) == set(fitted[rate]["thresholds"]) >= {"walk", "standing"}
    strict, loose = fitted["0.1"]["thresholds"], fitted["1000"]["thresholds"]
    assert all(strict[name] >= loose[name] for name in loose) and strict != loose
    recogniser = Recogniser("everyday")
    shared = SharedRules(str(tmp_path / "0.1.json"), recogniser.card.label_names)
    actions = action_maker(recogniser, shared)()
    assert actions is not None and actions.rules is not None
    assert actions.rules.rules["walk"].rule.on == pytest.approx(strict["walk"])
    assert isinstance(actions._begin(), RuledActions)
    assert not isinstance(LiveActions(recogniser)._begin(), RuledActions)
    shared = SharedRules("", recogniser.card.label_names)
    assert action_maker(recogniser, shared)().rules is None  # type: ignore[union-attr]


def test_smoothing_least_and_gap_reach_the_rules(days: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.json"
    words = ["learn-thresholds", str(days), "--out", str(out), "--part", "home/test", "--quiet"]
    assert run([*words, "--smoothing", "2", "--least", "0.5", "--gap", "3"]) == 0
    rule = json.loads(out.read_text())["rules"]["walk"]
    assert (rule["smoothing"], rule["least"], rule["gap"]) == (2, 0.5, 3)


def test_wrong_words(days: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["learn-thresholds"]) == 2
    assert run(["learn-thresholds", str(days), "--part", "home/train", "--test", "home/train"]) == 2
    assert "are in" in capsys.readouterr().err
    assert run(["learn-thresholds", str(days), "--part", "nowhere"]) == 2
    other = make_day(0, 0, minutes=0.1)
    odd = tmp_path / "odd.h5"
    with StoreWriter(odd, layout="ntu25", unit="m", dims=3) as writer:
        writer.append(other.with_(frame_labels=["juggling"] * other.n_frames))
    out = tmp_path / "none.json"
    assert run(["learn-thresholds", str(odd), "--out", str(out)]) == 3
    assert "no label" in capsys.readouterr().err and not out.exists()


def test_rules_are_read_again_when_their_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    rules(walk=0.8).save(path)
    shared = SharedRules(str(path), NAMES)
    first = shared.rules
    assert not shared.check(str(path)) and shared.rules is first
    rules(walk=0.3, fall=0.2).save(path)
    assert (
        shared.check(str(path)) and shared.rules is not None and set(shared.rules.rules) == {"walk", "fall"}
    )
    kept = shared.rules
    path.write_text("{}")
    with pytest.raises(DataError, match="learn-thresholds"):
        shared.check(str(path))
    assert shared.rules is kept and not shared.check(str(path))  # said once
    assert shared.check("") and shared.rules is None
    with pytest.raises(DataError):
        SharedRules(str(tmp_path / "none.json"), NAMES)


def test_who_is_watched_goes_on_by_other_rules() -> None:
    recogniser = type("R", (), {"card": type("C", (), {"label_names": list(NAMES), "clip_seconds": 2.0})()})()
    one = LiveActions(recogniser, rules=rules(walk=0.5))  # type: ignore[arg-type]
    one._asked[3] = asked = _Asked(one._begin())
    for t in range(5):
        asked.says.take(np.array([0.9, 0.05, 0.05]), 0.4 * t)
    assert one.current(3) == ("walk", 0.9)
    (ended,) = one.change_rules(rules(fall=0.1), 2.0)
    assert (ended.person, ended.label) == (3, "walk") and one.current(3) is None
    one._asked[3].says.take(np.array([0.6, 0.3, 0.1]), 2.4)
    assert one.current(3) == ("fall", 0.3)


def test_what_the_network_does_not_know_is_unknown() -> None:
    answers = [[0.9, 0.05, 0.05]] * 5 + [[0.4, 0.3, 0.3]] * 6 + [[0.05, 0.05, 0.9]] * 5
    said: dict[float, list[str | None]] = {}
    ended: dict[float, list[str]] = {}
    for unknown in (0.0, 0.6):
        one = LeadingAction(NAMES, 2.0, 0.5, 0.35, 2, 0.8, unknown)
        said[unknown], ended[unknown] = [], []
        for t, answer in enumerate(answers):
            ended[unknown] += [event.label for event in one.take(np.array(answer), 0.4 * t)]
            said[unknown].append((one.current() or (None, 0.0))[0])
    assert "unknown" not in said[0.0] and said[0.0][9] == "walk"
    assert said[0.6][9] == "unknown" and said[0.6][-1] == "other"
    assert ended[0.6] == ["walk"] == ended[0.0]  # the unknown is no event
