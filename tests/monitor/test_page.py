"""The page's server: what it says, and what the command gives it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
import numpy as np  # noqa: E402
from page_home import SIZE, PlayedHome, alarm, moment, person, played  # noqa: E402

from skelact.cli import run  # noqa: E402
from skelact.datasets.synthetic.body import LAYOUT  # noqa: E402
from skelact.monitor.home import load_home  # noqa: E402
from skelact.monitor.log import Event, read_log  # noqa: E402
from skelact.monitor.page.settings import PageSettings  # noqa: E402

SQUARE = [[0.1, 0.5], [0.4, 0.5], [0.4, 0.9], [0.1, 0.9]]
JOINTS = np.tile([[0.0, 0.0, 3.0]], (len(LAYOUT), 1))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[PlayedHome]:
    with played(tmp_path) as one:
        yield one


@pytest.fixture
def ask(home: PlayedHome) -> Iterator[Any]:
    with httpx.Client(base_url=home.address) as client:
        yield client


def until(said: Any, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if said():
            return True
        time.sleep(0.02)
    return False


def test_state_names_people_actions_and_health(home: PlayedHome, ask: Any) -> None:
    for t in range(20):
        home.live.feed("hall", moment(t / 10, [person(7, JOINTS)], "falling", "walk"))
        time.sleep(0.01)
    state = ask.get("/api/state").json()
    (hall,) = [one for one in state["people"] if one["name"] == "hall"]
    (seen,) = hall["people"]
    assert (seen["track"], seen["action"], seen["confidence"], seen["state"]) == (7, "walk", 0.87, "falling")
    assert len(seen["xy"]) == 2 * len(LAYOUT) and seen["xy"][:2] == [0.5, 0.5]
    health = {one["name"]: one for one in ask.get("/api/health").json()["cameras"]}
    assert health["hall"]["state"] == "online" and health["hall"]["size"] == list(SIZE)
    assert health["hall"]["frames"] == health["hall"]["dropped"] == 20
    assert 30 < health["hall"]["fps"] < 110 and health["hall"]["delay"] == pytest.approx(0.024)
    assert health["living room"]["state"] == "waiting" and health["living room"]["people"] == 0
    home.live.feed("hall", moment(3.0, []), [Event("hall", "source_lost", "source_lost", None, 3.0, 3.0)])
    lost = moment(3.0, [])
    home.live.feed(
        "hall", type(lost)(3.0, [], {}, {}, [], 0, 0), [Event("hall", "source_lost", "x", None, 3.0, 3.0)]
    )
    state = ask.get("/api/state").json()
    assert [c["state"] for c in state["cameras"]] == ["waiting", "lost"] and not state["people"][1]["people"]
    about = ask.get("/api/home").json()
    assert about["cameras"] == ["living room", "hall"] and about["keeps_zones"] and not about["login"]
    assert len(about["bones"]) >= 24 and not about["pictures"]


def test_a_silent_camera_is_said_to_be_silent(home: PlayedHome, monkeypatch: pytest.MonkeyPatch) -> None:
    from skelact.monitor.page import live

    home.live.feed("hall", moment(0.0, []))
    assert home.live.health()["cameras"][1]["state"] == "online"
    monkeypatch.setattr(live, "_SILENT", -1.0)
    assert home.live.health()["cameras"][1]["state"] == "silent"
    home.live._seen["hall"].live = False  # a file has come to its end
    assert home.live.health()["cameras"][1]["state"] == "ended"


def test_events_are_filtered(home: PlayedHome, ask: Any) -> None:
    for kind, camera in (
        ("action", "hall"),
        ("suspected_fall", "hall"),
        ("fall", "hall"),
        ("fall", "living room"),
    ):
        home.tell(alarm(camera, 3, kind))

    def numbers(**query: Any) -> list[int]:
        return [one["id"] for one in ask.get("/api/events", params=query).json()["events"]]

    assert numbers() == [4, 3, 2, 1]
    assert numbers(kinds=["fall", "action"]) == [4, 3, 1] and numbers(camera="hall") == [3, 2, 1]
    assert numbers(limit=2) == [4, 3] and numbers(after=2) == [4, 3] and numbers(before=3) == [2, 1]
    now = time.time()
    assert (
        numbers(since=now + 60) == [] and numbers(until=now - 60) == [] and len(numbers(since=now - 60)) == 4
    )
    for name, value in (
        ("limit", 0),
        ("limit", 10**6),
        ("after", 10**30),
        ("before", 10**30),
        ("since", "x"),
    ):
        assert ask.get("/api/events", params={name: value}).status_code == 422
    assert (
        ask.post("/api/suspend", json={"camera": "hall", "minutes": 1, "person": 10**30}).status_code == 422
    )
    assert ask.post("/api/acknowledge", json={"event": 10**30}).status_code == 404


def test_pictures_are_off_until_they_are_switched_on(home: PlayedHome, ask: Any, tmp_path: Path) -> None:
    home.live.feed("hall", moment(0.0, []))
    assert ask.get("/api/picture", params={"camera": "hall"}).status_code == 404
    kept = home.live._seen["hall"].moment
    assert kept is not None and kept.image is not None and kept.image.size == 0  # not even in memory
    folder = tmp_path / "other"
    folder.mkdir()
    with played(folder, PageSettings(port=0, pictures=True)) as shown:
        shown.live.feed("hall", moment(0.0, []))
        with httpx.Client(base_url=shown.address) as client:
            assert client.get("/api/home").json()["pictures"]
            answer = client.get("/api/picture", params={"camera": "hall"})
            assert answer.content[:2] == b"\xff\xd8" and answer.headers["content-type"] == "image/jpeg"
            assert client.get("/api/picture", params={"camera": "x"}).status_code == 404


def test_metrics(home: PlayedHome, ask: Any) -> None:
    home.live.feed("hall", moment(0.0, [person(1, JOINTS)]))
    home.tell(alarm("hall"))
    text = ask.get("/api/metrics").text
    for line in (
        'skelact_camera_up{camera="hall"} 1', 'skelact_camera_up{camera="living room"} 0', "skelact_alarms_open 1",
        'skelact_events_total{camera="hall",kind="fall"} 1', "# TYPE skelact_frames_total counter",
        'skelact_dropped_frames_total{camera="hall"} 1', "skelact_page_streams 0",
    ):  # fmt: skip
        assert line in text.splitlines(), line
    for line in text.splitlines():
        assert line.startswith("# ") or float(line.rpartition(" ")[2]) >= 0


def test_passwords_of_cameras_reach_nobody(home: PlayedHome, ask: Any) -> None:
    home.tell(
        Event(
            "living room", "source_lost", "x", None, 0.0, 0.0, None, 1.0, "rtsp://ann:s3cret@192.0.2.7/stream"
        )
    )
    paths = (
        "/",
        "/api/home",
        "/api/state",
        "/api/events",
        "/api/zones",
        "/api/health",
        "/api/metrics",
        "/api/openapi.json",
    )
    for path in paths:
        answer = ask.get(path)
        assert answer.status_code == 200 and "s3cret" not in answer.text and "ann:" not in answer.text
    assert "s3cret" not in repr(list(home.log.read() if home.log else []))


def test_the_stream_gives_the_newest_and_holds_nobody_up(home: PlayedHome) -> None:
    """Ten browsers follow; another one never reads, and the loop does not wait for it."""
    host, port = home.address.removeprefix("http://").split(":")
    slow = socket.create_connection((host, int(port)))
    slow.sendall(f"GET /api/stream HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    got: list[dict[str, Any]] = [{} for _ in range(10)]
    stop = threading.Event()

    def follow(mine: dict[str, Any]) -> None:
        with (
            httpx.Client(base_url=home.address, timeout=20) as client,
            client.stream("GET", "/api/stream") as answer,
        ):
            kind = ""
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    mine[kind] = json.loads(line.removeprefix("data: "))
                if stop.is_set():
                    return

    threads = [threading.Thread(target=follow, args=(mine,), daemon=True) for mine in got]
    for thread in threads:
        thread.start()
    crowd = [person(n, JOINTS) for n in range(30)]  # large messages
    longest, begin = 0.0, time.monotonic()
    frame = 0
    while time.monotonic() - begin < 3:
        frame += 1
        before = time.perf_counter()
        home.live.feed("hall", moment(float(frame), crowd))
        longest = max(longest, time.perf_counter() - before)
        time.sleep(0.02)
    last = float(frame)
    assert until(lambda: all(m.get("people", [{}, {"time": 0}])[1]["time"] == last for m in got))
    assert all(len(m["desk"]["cameras"]) == 2 for m in got) and longest < 0.5
    with httpx.Client(base_url=home.address) as client:
        assert "skelact_page_streams 11" in client.get("/api/metrics").text
        home.live.feed("hall", moment(last + 1, []))
        stop.set()
        slow.close()
        for thread in threads:
            thread.join(10)
        assert until(lambda: "skelact_page_streams 0" in client.get("/api/metrics").text)


def test_the_command_serves_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """From the command line to an answer: what the loop gives is what the page says."""
    from skelact.monitor import household

    def watch(home: Any, *_: Any) -> Iterator[tuple[str, Any]]:
        fallen = alarm("hall")
        yield "hall", type(moment(0, []))(1.0, [], {}, {}, [fallen], 0.0, 0.0, 0, None)
        yield "hall", moment(1.1, [person(3, JOINTS[:17].repeat(2, 0)[:33])])
        address = f"http://{home.page.host}:{home.page.port}"
        asked.update(httpx.get(f"{address}/api/state").json())
        asked["home"] = httpx.get(f"{address}/api/home").json()
        httpx.put(f"{address}/api/zones", json={"camera": "hall", "zones": {"b": {"polygon": SQUARE}}})

    asked: dict[str, Any] = {}
    monkeypatch.setattr(household, "watch_home", watch)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "home.yaml"
    config.write_text(
        f"log: {tmp_path / 'log.db'}\nactions: false\npage: {{port: {port}}}\ncameras: {{hall: {{source: 0}}}}\n"
    )
    assert run(["monitor", "--config", str(config), "--page-pictures"]) == 0
    assert f"page http://127.0.0.1:{port}" in capsys.readouterr().out
    assert [a["source"] for a in asked["alarms"]] == ["hall"] and len(asked["people"][0]["people"]) == 1
    assert asked["home"]["pictures"] and load_home(config).cameras["hall"].zones["b"].kind == "bed"
    assert [e.kind for e in read_log(tmp_path / "log.db")] == ["fall"]
