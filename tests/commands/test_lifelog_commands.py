"""``skelact lifelog``, ``learn-activities`` and ``learn-normal`` from the command line."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from cli_helpers import refused, skelact

from skelact.commands.learn_normal import upward
from skelact.datasets.synthetic import CAMERAS, make_set
from skelact.datasets.synthetic.everyday.days import make_day
from skelact.io.store import write_store
from skelact.monitor.log import Event, EventLog
from skelact.monitor.usual_rest import UsualRest
from skelact.recognition.normal_motion import NormalMotion

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five days of somebody who walks, sits and drinks."""
    path = tmp_path_factory.mktemp("log") / "home.db"
    with EventLog(path) as log:
        for day in range(2, 7):
            midnight = datetime(2026, 3, day, tzinfo=BERLIN).timestamp()
            for hour in range(7, 22):
                for label, minute, length in (
                    ("walk", 0, 60),
                    ("sitting", 1, 1200 + 60 * day),
                    ("drink", 30, 9),
                ):
                    wall = midnight + 3600 * hour + 60 * minute
                    log.add(Event("hall", "action", label, day, 0.0, float(length), wall, 0.9))
        log.add(Event("hall", "fall", "fall", 6, 5.0, 5.0, midnight + 43200, 1.0, "fall in the hall"))
    return path


@pytest.fixture(scope="module")
def actions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("set") / "set.h5"
    clips = list(
        make_set(
            actions=("wave", "kick", "walk"), subjects=(1, 2, 3, 4, 5, 6), repetitions=(1,), cameras=(2,)
        )
    )
    parts = {"xsub/train": [c.id for c in clips[:12]], "xsub/test": [c.id for c in clips[12:]]}
    write_store(path, clips, parts)
    return path


def test_a_day_of_a_log(home: Path, tmp_path: Path) -> None:
    table, picture = tmp_path / "day.csv", tmp_path / "day.png"
    words = ("--zone", "Europe/Berlin", "--csv", table, "--picture", picture)
    done = skelact("lifelog", "2026-03-06", "--log", home, *words, "--json")
    assert done.code == 0, done.err
    found = done.json
    assert found["day"] == "2026-03-06" and found["days_before"] == 4
    assert found["people"]["hall 6"]["seconds"] == {"sitting": 15 * 1560.0, "walk": 900.0, "drink": 135.0}
    sitting = next(t for t in found["trends"] if t["label"] == "sitting")
    assert (sitting["usual"], sitting["lowest"], sitting["highest"]) == (21150.0, 19800.0, 22500.0)
    assert [e["kind"] for e in found["alarms"]] == ["fall"] and "fall in the hall" in done.err
    assert picture.read_bytes()[:4] == b"\x89PNG"
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    assert len(rows) == len(found["spans"]) and rows[0]["start"].startswith("2026-03-06T07:00:00")
    again = skelact("lifelog", home, "--alone", "--zone", "Europe/Berlin", "--json").json
    assert again["day"] == "2026-03-06" and list(again["people"]) == ["home"]


def test_words_that_name_no_day(home: Path, tmp_path: Path) -> None:
    assert "is no date" in refused(2, "lifelog", "someday", "--log", home)
    assert "no time zone" in refused(2, "lifelog", "today", "--log", home, "--zone", "Mars/Base")
    assert "where is the log" in refused(2, "lifelog", "today")
    assert "name a day" in refused(2, "lifelog")
    assert "knows nothing of 2020-01-01" in refused(3, "lifelog", "2020-01-01", "--log", home)
    assert "no log of events" in refused(3, "lifelog", "today", "--log", tmp_path / "none.db")
    assert "0 or more" in refused(2, "lifelog", home, "--least", -1)
    assert "holds no activity by 'attic'" in refused(3, "lifelog", home, "--source", "attic")
    assert not (tmp_path / "none.db").exists()
    before = home.read_bytes()
    assert refused(2, "lifelog", home, "--csv", home) and home.read_bytes() == before


def test_a_log_of_a_file_has_its_own_time(tmp_path: Path) -> None:
    with EventLog(tmp_path / "video.db") as log:
        log.add(Event("clip", "action", "walk", 1, 1.0, 9.0))
        log.add(Event("clip", "action", "sitting", 1, 30.0, 60.0))
    done = skelact("lifelog", tmp_path / "video.db", "--picture", tmp_path / "day.png", "--json")
    assert done.json["own_time"] and done.json["people"]["clip 1"]["not_seen"] == 21.0
    assert "00:00:30" in done.err and (tmp_path / "day.png").stat().st_size > 1000


def test_activities_are_learned_and_named(actions: Path, tmp_path: Path) -> None:
    model = tmp_path / "activities.safetensors"
    done = skelact("learn-activities", actions, "--out", model, "--codes", 32, "--json")
    assert done.code == 0, done.err
    assert done.json["activities"] == ["kick", "walk", "wave"] and done.json["tested"] == 6
    assert done.json["top1"] >= 0.5
    day = skelact("lifelog", actions, "--activities", model, "--json")
    assert day.code == 0 and day.json["own_time"]
    assert set(day.json["people"]["S001C002P001R001A001 0"]["seconds"]) == {"walk"}
    assert "name the model" in refused(2, "lifelog", actions)
    assert "damaged" in refused(3, "lifelog", actions, "--activities", actions)
    assert "unknown part" in refused(2, "learn-activities", actions, "--part", "xsub/trian")
    assert "test on others" in refused(2, "learn-activities", actions, "--test", "xsub/train")


def test_up_is_learned_from_who_stands_as_in_live_use() -> None:
    day = make_day(1, 1, minutes=0.5, camera=4)  # looks down from under the ceiling
    camera = CAMERAS[4]
    true = camera.rotation() @ np.array([0.0, 1.0, 0.0])
    assert np.degrees(np.arccos(upward(day, 0.0) @ true)) < 6
    assert np.degrees(np.arccos(true[1])) > 15


@pytest.mark.slow
def test_normal_days_are_learned(home: Path, tmp_path: Path) -> None:
    days = tmp_path / "days.h5"
    write_store(days, [make_day(1, d, minutes=1.0) for d in range(1, 5)])
    out, rest = tmp_path / "normal.safetensors", tmp_path / "rest.json"
    done = skelact(
        "learn-normal", days, home, "--out", out, "--rest", rest, "--zone", "Europe/Berlin", "--json"
    )
    assert done.code == 0, done.err
    assert done.json["motion"]["tracks"] == 4 and done.json["rest"]["days"] == 5
    model, usual = NormalMotion.load(out), UsualRest.load(rest)
    assert done.json["motion"]["thresholds"]["density"] == model.threshold(1.0, "density")
    assert usual.limit(14) == pytest.approx(1.25 * (3600 - 1800 - 9)) and np.isfinite(usual.limit(2))
    assert "extrapolated" in done.err
    assert "name recordings" in refused(2, "learn-normal")
    assert "above 0" in refused(2, "learn-normal", days, "--per-hour", 0)
