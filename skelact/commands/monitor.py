"""``skelact monitor SOURCE``."""

from __future__ import annotations

import re
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from skelact.commands.monitor_run import run
from skelact.commands.options import named, need_at_least, parse
from skelact.commands.ui import UI
from skelact.errors import ConfigError

HELP = """Watch a camera, a stream or a video: who is there, what they do, and whether somebody falls.

  skelact monitor 0                                  the first camera, until it is stopped (Ctrl-C)
  skelact monitor rtsp://camera/stream --log home.db
  skelact monitor video.mp4 --overlay out.mp4
  skelact monitor --config home.yaml                 several cameras, beds and sofas
  skelact monitor 0 --log home.db --page             and on a page at http://127.0.0.1:8765

Actions are named by the network that ships with skelact. A fall is suspected when somebody is on the floor soon after a
plunge, and is an alarm when they do not get up within --verify seconds. Nothing leaves this machine; no picture is kept
(but --overlay). Where the floor is, is learned from people who walk or stand. This is no medical device."""


@dataclass
class Options:
    """Options of monitor.

    Args:
        source: a camera number, a stream address or a video file.
        config: instead of a source, a file with several cameras and their zones (where lying is no fall).
        log: the file (SQLite) that events are written to; they are only shown if not given.
        checkpoint: of the network that names actions, everyday if not given.
        actions: name actions, too.
        thresholds: of skelact learn-thresholds; actions are told that pass them, instead of the surest.
        falls: watch for falls.
        estimator: who looks for people: auto, mediapipe, or movenet, which is faster but has no depth: metres then come
            from the sizes of bodies.
        people: look for everybody (many), or the most prominent person (one).
        quality: lite, full or heavy: which networks look for people and read them, from fast to exact.
        min_score: leave out people found less surely than this (0 to 1); the estimator's own limit if not given.
        fov: the camera's horizontal field of view in degrees; 60 is assumed if not given.
        tilt: degrees that the camera looks down, until it is known from who walks about.
        fps: frames a second that are looked at; all if 0.
        verify: seconds on the floor after a fall until the alarm.
        long_on_floor: seconds on the floor without a fall that was seen until an alarm; 0: never.
        normal: of skelact learn-normal; motion unlike what it was learned from is told of.
        rest: of skelact learn-normal --rest; rests longer than usual at that hour are told of (live sources).
        gestures: vocabulary of skelact teach, made if it is not there; its gestures are named, the page teaches more.
        overlay: write what is seen as a video, with skeletons, actions and alarms drawn on it.
        page: show it all on a page for browsers at this place; 127.0.0.1:8765 if --page stands alone. Any place that
            other machines reach needs a token.
        page_token: what the page asks for, 16 characters at least, or env:NAME; the environment's SKELACT_PAGE_TOKEN
            does the same and is seen by nobody.
        page_pictures: show the cameras' pictures on the page; else no picture leaves memory.
        page_certificate: of the page (PEM), for TLS.
        page_key: of that certificate (PEM).
        seconds: stop after this time.
        device: auto (a GPU if there is one), cpu, cuda or cuda:1, for the network that names actions.
    """

    source: Annotated[str, tyro.conf.Positional, named("SOURCE")] = ""
    config: Annotated[str, named("HOME.yaml")] = ""
    log: Annotated[str, named("FILE.db")] = ""
    checkpoint: Annotated[str, named("CHECKPOINT")] = ""
    actions: bool = True
    thresholds: Annotated[str, named("FILE.json")] = ""
    falls: bool = True
    estimator: Literal["auto", "mediapipe", "movenet"] = "auto"
    people: Literal["one", "many"] = "many"
    quality: Literal["lite", "full", "heavy"] = "full"
    min_score: Annotated[float | None, named("0..1")] = None
    fov: Annotated[float | None, named("DEGREES")] = None
    tilt: Annotated[float, named("DEGREES")] = 0.0
    fps: float = 0.0
    verify: Annotated[float, named("SECONDS")] = 1.0
    long_on_floor: Annotated[float, named("SECONDS")] = 30.0
    normal: Annotated[str, named("FILE.safetensors")] = ""
    rest: Annotated[str, named("FILE.json")] = ""
    gestures: Annotated[str, named("FILE")] = ""
    overlay: Annotated[str, named("FILE.mp4")] = ""
    page: Annotated[str, named("HOST:PORT")] = ""
    page_token: Annotated[str, named("TOKEN|env:NAME")] = ""
    page_pictures: bool = False
    page_certificate: Annotated[str, named("FILE.pem")] = ""
    page_key: Annotated[str, named("FILE.pem")] = ""
    seconds: Annotated[float | None, named("SECONDS")] = None
    device: str = "auto"


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    from skelact.io.outputs import check_output, holding
    from skelact.io.video import VIDEO_SUFFIXES
    from skelact.pose.extract import check_options

    options = parse(Options, with_place(arguments), "monitor", HELP)
    home = read_home(options)
    home.page = read_page(home.page, options)
    need_at_least(0, seconds=options.seconds)
    check_options(
        home.people,
        estimator=home.estimator,
        quality=home.quality,
        min_score=options.min_score,
        coordinates="image" if home.estimator == "movenet" else "camera",
    )
    sources = [camera.source for camera in home.cameras.values()]
    if home.log:
        check_output(home.log, [*sources, options.config])
    if options.overlay and len(sources) > 1:
        raise ConfigError(
            f"--overlay draws one camera, and {options.config} has {len(sources)}; name a source instead"
        )
    if options.overlay and Path(options.overlay).suffix.lower() not in VIDEO_SUFFIXES:
        raise ConfigError(f"--overlay {options.overlay} names no kind of video; use a name such as out.mp4")
    with ExitStack() as held:
        for path in (options.overlay, home.log):  # a second monitor would tell of every alarm twice
            if path:
                held.enter_context(holding(path, sources))
        ui.result(run(home, options, ui))
    return 0


def with_place(arguments: list[str]) -> list[str]:
    """The arguments, with the usual place after a ``--page`` that stands alone, or before a port: numbers from 1024 on,
    which no camera has."""
    from skelact.monitor.page.settings import HOST, PORT

    whole, place = [], re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)?:\d+|\d+(\.\d+){3}|localhost")
    port = re.compile(r"\d{4,5}")
    for before, word, after in zip(["", *arguments], arguments, [*arguments[1:], ""], strict=False):
        is_port = before == "--page" and port.fullmatch(word) is not None and int(word) >= 1024
        whole.append(f"{HOST}:{word}" if is_port else word)
        if (
            word == "--page"
            and not place.fullmatch(after)
            and not (port.fullmatch(after) and int(after) >= 1024)
        ):
            whole.append(f"{HOST}:{PORT}")
    return whole


def read_page(settings: Any, options: Options) -> Any:
    """The page's settings, those of the configuration and the options on top of them; None: there is no page.

    Raises:
        ConfigError: for options of a page where there is none, or what `PageSettings` refuses.
    """
    from skelact.monitor.page.settings import PageSettings, read_address
    from skelact.monitor.page.tokens import hash_token

    given = {
        name: value
        for name in ("token", "pictures", "certificate", "key")
        if (value := getattr(options, f"page_{name}"))
    }
    if options.page:
        settings = read_address(options.page, settings)
    if settings is None:
        if given:
            raise ConfigError(f"--page-{next(iter(given))} is of a page; add --page")
        return None
    token = given.get("token", "")
    if token and not token.startswith("env:"):
        given["token"] = hash_token(token)
        sys.argv[:] = [
            word.replace(token, "***") for word in sys.argv
        ]  # the lock of the log says how it was started
    made: PageSettings = replace(settings, **given)
    return made.resolved()


def read_home(options: Options) -> Any:
    """What is watched: the cameras of a file, or the source that was named.

    Raises:
        ConfigError: if there is neither, or both.
    """
    from skelact.io.addresses import short_name
    from skelact.monitor.home import CameraSettings, Home, load_home

    if bool(options.source) == bool(options.config):
        raise ConfigError(
            "name a source or a configuration: skelact monitor 0, skelact monitor rtsp://..., skelact monitor "
            "--config home.yaml"
        )
    if options.config:
        home = load_home(options.config)
        home.log = options.log or home.log
        home.normal, home.rest = options.normal or home.normal, options.rest or home.rest
        home.thresholds = options.thresholds or home.thresholds
        home.gestures = options.gestures or home.gestures
        return home
    camera = CameraSettings(
        options.source,
        options.fov,
        options.tilt,
        options.fps,
        options.falls,
        options.verify,
        options.long_on_floor,
    )
    return Home(
        {short_name(options.source): camera}, options.log, options.checkpoint, options.actions, options.estimator,
        options.people, options.quality, options.normal, options.rest, options.thresholds,
        options.gestures,
    )  # fmt: skip
