"""``skelact evaluate-events``: every kind of file, and the numbers of a small case."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from skelact.cli import run
from skelact.errors import DataError
from skelact.monitor.event_files import read_events
from skelact.monitor.log import Event, EventLog


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A log, and the truth as a table."""
    with EventLog(tmp_path / "log.db") as log:
        log.add(Event("a", "action", "walk", 0, 0.0, 8.0, score=0.9))
        log.add(Event("a", "action", "fall", 0, 9.0, 11.0))  # what the network says is no alarm
        log.add(Event("a", "suspected_fall", "suspected_fall", 0, 11.0, 11.0))
        log.add(Event("a", "fall", "fall", 0, 11.5, 11.5))
        log.add(Event("b", "fall", "fall", 0, 50.0, 50.0))
    truth = tmp_path / "truth.csv"
    truth.write_text(
        "path,label,start,end\nvideos/a.mp4,walk,0,10\nvideos/a.mp4,fall,10,11\nb.avi,walk,40,60\n"
    )
    return tmp_path / "log.db", truth


def test_a_log_against_a_table(files: tuple[Path, Path], capsys: pytest.CaptureFixture) -> None:
    log, truth = files
    assert run(["evaluate-events", str(log), str(truth), "--alarm", "fall", "--hours", "2", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["per_class"]["walk"] == pytest.approx([0.5] * 7)  # one of two, 0.8 covered
    alarms = result["alarms"]
    assert (alarms["found"], alarms["events"], alarms["false"]) == (1, 1, 1) and alarms["delays"] == [0.5]
    assert alarms["false_per_hour"] == 0.5 and alarms["false_by_activity"] == {"walk": 1}
    assert alarms["interval"] == pytest.approx([0.0253 / 2, 5.5716 / 2], abs=1e-3)


def test_activitynets_files(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    predicted, truth = tmp_path / "p.json", tmp_path / "t.json"
    entry = {"duration": 3600.0, "annotations": [{"label": "fall", "segment": [10, 12]}]}
    truth.write_text(json.dumps({"database": {"v": entry}}))
    predicted.write_text(
        json.dumps({"results": {"v": [{"label": "fall", "score": 0.5, "segment": [10, 12]}]}})
    )
    assert run(["evaluate-events", str(predicted), str(truth), "--alarm", "fall", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["average_map_0.5_0.95"] == 1.0 and result["alarms"]["hours"] == pytest.approx(3586 / 3600)


def test_bad_files(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name, text, words in (
        ("a.json", "{", "JSON"), ("b.json", "{}", "results"), ("c.json", '{"results": {"v": 3}}', "no list"),
        ("d.json", '{"results": {"v": [{"label": "x"}]}}', "segment"), ("e.csv", "path,label\nv,x\n", "columns"),
        ("f.csv", "path,label,start,end\nv,x,3,1\n", "before"),
    ):  # fmt: skip
        (tmp_path / name).write_text(text)
        with pytest.raises(DataError, match=words):
            read_events(tmp_path / name)
    assert run(["evaluate-events", str(tmp_path / "a.json")]) == 2
    good = tmp_path / "g.csv"
    good.write_text("video,label,start,end,score\nv,x,0,1,0.5\n")
    assert read_events(good)[0]["v"][0].score == 0.5
    assert run(["evaluate-events", str(good), str(good), "--alarm", "fall"]) == 2
    assert "allowed" in capsys.readouterr().err
    assert run(["evaluate-events", str(good), str(good), "--hours", "0"]) == 2
