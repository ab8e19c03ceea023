"""Streams that stop, stall and lie: a real RTSP server, damaged files, clocks that jump, slow and fast cameras."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bodies import FPS, scene

from skelact.datasets.synthetic.everyday import falls, moves
from skelact.io.video import write_video
from skelact.layouts import get_layout
from skelact.monitor.falls import FallWatch
from skelact.monitor.ground import Ground
from skelact.monitor.sources import Notice, Picture, read_source
from skelact.monitor.watch import Watch, watch_source
from skelact.pose.estimator import Detection

PYTHON = "/usr/bin/python3"  # the system's, which has GStreamer's bindings
LAYOUT = get_layout("pose33")


class Server:
    """The server's process, started and stopped."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[str] | None = None

    @property
    def address(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/camera"

    def start(self) -> None:
        script = Path(__file__).with_name("rtsp_server.py")
        self.process = subprocess.Popen(
            [PYTHON, str(script), str(self.port)], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None and self.process.stdout.readline() == "ready\n"

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def server() -> Iterator[Server]:
    words = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst; Gst.init(None); "
    words += "assert Gst.ElementFactory.find('x264enc')"
    if not Path(PYTHON).exists() or subprocess.run([PYTHON, "-c", words], capture_output=True).returncode:
        pytest.skip("GStreamer's RTSP server is not installed (gir1.2-gst-rtsp-server-1.0, x264enc)")
    one = Server()
    one.start()
    yield one
    one.stop()


def wait_for(items: Iterator[Picture | Notice], kind: type, what: str = "", most: float = 60.0) -> Any:
    """The next item of a kind."""
    end = time.monotonic() + most
    for item in items:
        if isinstance(item, kind) and (not what or item.kind == what):  # type: ignore[attr-defined]
            return item
        assert time.monotonic() < end, f"no {kind.__name__} {what} came"
    raise AssertionError("the source has ended")


def test_a_real_server_is_stopped_and_started(server: Server) -> None:
    with closing(read_source(server.address, timeout=3.0, pauses=(0.5,))) as items:  # type: ignore[type-var]
        picture = wait_for(items, Picture)
        assert picture.image.shape == (120, 160, 3) and picture.image.max() > 200
        server.stop()
        lost = wait_for(items, Notice, "source_lost")
        server.start()
        back = wait_for(items, Notice, "source_back")
        assert lost.time < back.time <= wait_for(items, Picture).time


@pytest.mark.slow
def test_a_real_stream_stalls(server: Server) -> None:
    with closing(read_source(server.address, timeout=2.0, pauses=(0.5,))) as items:  # type: ignore[type-var]
        wait_for(items, Picture)
        assert server.process is not None
        server.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        lost = wait_for(items, Notice, "source_lost")
        assert time.monotonic() - began < 15 and "127.0.0.1" not in lost.text
        server.process.send_signal(signal.SIGCONT)
        wait_for(items, Notice, "source_back")


def test_a_camera_that_never_answers_is_an_error_in_time() -> None:
    from skelact.errors import DataError

    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        began = time.monotonic()
        with pytest.raises(DataError):
            next(read_source(f"rtsp://127.0.0.1:{deaf.getsockname()[1]}/x", timeout=2.0))
        assert time.monotonic() - began < 20


class Told:
    """An estimator that is told what to find, frame by frame."""

    layout, unit, follows = LAYOUT, "m", True

    def __init__(self, found: Any = lambda time: []) -> None:
        self.found = found

    def estimate(self, image: np.ndarray, time: float) -> list[Detection]:
        return self.found(time)

    def close(self) -> None: ...


def crowd(n: int) -> Any:
    """So many people who stand beside each other."""
    rng = np.random.default_rng(0)
    body = rng.normal(0, 0.3, (33, 3)).astype(np.float32)
    body[:, 1] = np.linspace(0.8, -0.9, 33)

    def found(_: float) -> list[Detection]:
        return [
            Detection(
                body, np.ones(33, np.float32), np.clip(0.5 - body[:, :2] / 8 + [k / 12 - 0.4, 0], 0, 1), k
            )
            for k in range(n)
        ]

    return found


def test_damaged_frames_are_passed_over(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "v.mp4"
    write_video(path, rng.integers(0, 255, (60, 48, 64, 3), np.uint8), 30.0)
    data = bytearray(path.read_bytes())
    begin = data.index(b"mdat") + 4
    for place in rng.integers(begin + 4000, begin + (len(data) - begin) // 2, 200):
        data[place] ^= 0xFF
    path.write_bytes(data)
    moments = list(watch_source(lambda size: Watch("v", Told(), size), path.as_posix()))
    assert len(moments) > 20 and all(a.time <= b.time for a, b in pairwise(moments))


def test_a_clock_that_jumps_and_goes_backwards_is_survived() -> None:
    watch = Watch("x", Told(crowd(2)), (640, 480))
    image = np.zeros((480, 640, 3), np.uint8)
    times = [0.0, 0.1, 0.2, 0.2, 0.1, -5.0, 0.3, 3600.0, 3600.1, 0.0, 3600.2]
    moments = [watch.see(image, time) for time in times]
    seen = [moment.time for moment in moments if moment is not None]
    assert seen == sorted(set(seen)) and len(seen) == len(times)
    assert seen[:3] == times[:3] and seen[7] - seen[6] == pytest.approx(3599.7)  # a real pause stays one
    assert moments[-1] is not None and len(moments[-1].people) == 2


def test_ten_people_are_watched() -> None:
    watch = Watch("x", Told(crowd(10)), (640, 480))
    image = np.zeros((480, 640, 3), np.uint8)
    for frame in range(20):
        moment = watch.see(image, frame / 30)
    assert (
        moment is not None and {p.track for p in moment.people} == set(range(10)) and len(moment.states) == 10
    )
    assert moment.decided < 0.1


def test_nobody_for_hours_and_then_somebody() -> None:
    watch = Watch("x", Told(lambda time: crowd(1)(time) if time < 1 or time > 7200 else []), (640, 480))
    image = np.zeros((480, 640, 3), np.uint8)
    for time_ in [*np.arange(0, 1, 0.1), *np.arange(60, 7200, 30.0), *np.arange(7201, 7202, 0.1)]:
        moment = watch.see(image, float(time_))
    assert moment is not None and len(moment.people) == 1 and moment.events == []
    assert len(watch.people.people) == 1 and len(watch._falls) == 1


@pytest.mark.parametrize("fps", [1, 2, 5, 10, 15, pytest.param(60, marks=pytest.mark.slow)])
def test_falls_are_found_at_any_rate(fps: int) -> None:
    found = quiet = 0
    for number in range(6):
        for way, fell in ((falls.fall_over, True), (moves.sit_down, False)):
            xyz = scene(way, number, rest=6.0)[0]
            times = np.arange(0, len(xyz) / FPS, 1 / fps)
            frames = np.minimum(np.round(times * FPS).astype(int), len(xyz) - 1)
            watch = FallWatch(get_layout("ntu25"), Ground(get_layout("ntu25")))
            kinds = [
                e.kind for t, k in zip(times, frames, strict=True) for e in watch.see(xyz[k], np.ones(25), t)
            ]
            found += fell and "fall" in kinds
            quiet += not fell and "fall" not in kinds
    assert found >= (5 if fps > 1 else 3) and quiet == 6
