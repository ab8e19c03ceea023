"""``skelact monitor SOURCE``."""

from __future__ import annotations

import time as clock
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from skelact.commands.options import named, need_at_least, parse
from skelact.commands.ui import UI, percent
from skelact.errors import ConfigError

HELP = """Watch a camera, a stream or a video: who is there, what they do, and whether somebody falls.

  skelact monitor 0                                  the first camera, until it is stopped (Ctrl-C)
  skelact monitor rtsp://camera/stream --log home.db
  skelact monitor video.mp4 --overlay out.mp4

Actions are named by the network that ships with skelact. A fall is suspected when somebody is on the floor soon after a
plunge, and is an alarm when they do not get up within --verify seconds. Nothing leaves this machine; no picture is kept
(but --overlay). Where the floor is, is learned from people who walk or stand. This is no medical device."""


@dataclass
class Options:
    """Options of monitor.

    Args:
        source: a camera number, a stream address or a video file.
        log: the file (SQLite) that events are written to; they are only shown if not given.
        checkpoint: of the network that names actions, everyday if not given.
        actions: name actions, too.
        falls: watch for falls.
        estimator: who looks for people: auto or mediapipe (joints in metres are needed).
        people: look for everybody (many), or the most prominent person (one).
        quality: lite, full or heavy: which networks look for people and read them, from fast to exact.
        min_score: leave out people found less surely than this (0 to 1); the estimator's own limit if not given.
        fov: the camera's horizontal field of view in degrees; 60 is assumed if not given.
        tilt: degrees that the camera looks down, until it is known from who walks about.
        fps: frames a second that are looked at; all if 0.
        verify: seconds on the floor after a fall until the alarm.
        long_on_floor: seconds on the floor without a fall that was seen until an alarm; 0: never.
        overlay: write what is seen as a video, with skeletons, actions and alarms drawn on it.
        seconds: stop after this time.
        device: auto (a GPU if there is one), cpu, cuda or cuda:1, for the network that names actions.
    """

    source: Annotated[str, tyro.conf.Positional, named("SOURCE")] = ""
    log: Annotated[str, named("FILE.db")] = ""
    checkpoint: Annotated[str, named("CHECKPOINT")] = ""
    actions: bool = True
    falls: bool = True
    estimator: Literal["auto", "mediapipe"] = "auto"
    people: Literal["one", "many"] = "many"
    quality: Literal["lite", "full", "heavy"] = "full"
    min_score: Annotated[float | None, named("0..1")] = None
    fov: Annotated[float | None, named("DEGREES")] = None
    tilt: Annotated[float, named("DEGREES")] = 0.0
    fps: float = 0.0
    verify: Annotated[float, named("SECONDS")] = 1.0
    long_on_floor: Annotated[float, named("SECONDS")] = 30.0
    overlay: Annotated[str, named("FILE.mp4")] = ""
    seconds: Annotated[float | None, named("SECONDS")] = None
    device: str = "auto"


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    from skelact.io.outputs import holding
    from skelact.io.video import VIDEO_SUFFIXES
    from skelact.pose.extract import check_options

    options = parse(Options, arguments, "monitor", HELP)
    if not options.source:
        raise ConfigError(
            "name a source: skelact monitor 0, skelact monitor rtsp://..., skelact monitor video.mp4"
        )
    need_at_least(0, seconds=options.seconds)
    for flag in ("fps", "verify", "long_on_floor"):
        value = getattr(options, flag)
        if value < 0:
            raise ConfigError(f"--{flag.replace('_', '-')} must not be below 0, got {value}; 0 turns it off")
    check_options(
        options.people, fov=options.fov, estimator=options.estimator, quality=options.quality,
        min_score=options.min_score, coordinates="camera",
    )  # fmt: skip
    if options.overlay and Path(options.overlay).suffix.lower() not in VIDEO_SUFFIXES:
        raise ConfigError(f"--overlay {options.overlay} names no kind of video; use a name such as out.mp4")
    with ExitStack() as held:
        if options.overlay:
            held.enter_context(holding(options.overlay, [options.source]))
        ui.result(run(options, ui))
    return 0


def run(options: Options, ui: UI) -> dict[str, Any]:
    """Watch until the source ends; returns what ``--json`` prints."""
    from skelact.io.addresses import short_name
    from skelact.io.video import is_live
    from skelact.monitor.actions import LiveActions
    from skelact.monitor.falls import FallSettings
    from skelact.monitor.film import Film
    from skelact.monitor.log import Event, EventLog
    from skelact.monitor.watch import Watch, WatchSettings, watch_source
    from skelact.pose.estimators import available_estimator, find_estimator
    from skelact.recognition import Recogniser
    from skelact.recognition.everyday import EVERYDAY

    name = available_estimator(options.estimator)
    asked = {} if options.min_score is None else {"min_score": options.min_score}
    actions = (
        LiveActions(Recogniser(options.checkpoint or EVERYDAY, options.device)) if options.actions else None
    )
    thresholds = FallSettings(verify=options.verify, long_on_floor=options.long_on_floor)
    settings = WatchSettings(options.fov, options.tilt, options.fps, thresholds if options.falls else None)
    wall = clock.time() if is_live(options.source) else None
    events: list[Event] = []
    counts = {"frames": 0, "dropped": 0, "looked": 0.0, "decided": 0.0, "seconds": 0.0}
    with ExitStack() as open_:
        log = open_.enter_context(EventLog(options.log)) if options.log else None
        finder = find_estimator(name).make(
            options.people, coordinates="world", quality=options.quality, **asked
        )
        open_.callback(finder.close)
        source = short_name(options.source)
        film = None
        try:
            for moment in watch_source(
                lambda size: Watch(source, finder, size, actions, settings, wall),
                options.source,
                options.seconds,
            ):
                for event in moment.events:
                    event = event if log is None else log.add(event)
                    events.append(event)
                    tell(event, ui)
                counts["seconds"] = moment.time
                if moment.image is None:
                    continue
                counts["frames"] += 1
                counts["dropped"] += moment.dropped
                counts["looked"] += moment.looked
                counts["decided"] += moment.decided
                if options.overlay:
                    film = film or open_.enter_context(Film(options.overlay))
                    film.draw(moment, finder.layout)
        except KeyboardInterrupt:
            ui.say("stopped")
    return report(options, events, counts, ui)


def tell(event: Any, ui: UI) -> None:
    """Say what happened."""
    who = "" if event.person is None else f"person {event.person}: "
    text = f"{event.start:7.1f} s  {who}{event.text or event.kind}"
    if event.is_alarm:
        ui.warn(f"ALARM {text}")
    elif event.kind == "action":
        ui.say(f"{text} ({percent(event.score)})")
    else:
        ui.say(text)


def report(options: Options, events: list, counts: dict[str, Any], ui: UI) -> dict[str, Any]:
    """The end: how much was watched, what was found."""
    n = max(1, counts["frames"])
    alarms = [event for event in events if event.is_alarm]
    kept = f", written to {options.log}" if options.log else ""
    ui.done(
        f"{counts['frames']} frames, {counts['seconds']:.1f} s, {len(events)} events, {len(alarms)} alarms{kept}; "
        f"{1000 * counts['looked'] / n:.0f} ms a frame to find people, {1000 * counts['decided'] / n:.1f} for the rest"
    )
    if counts["dropped"]:
        ui.say(
            f"{counts['dropped']} frames of the source were passed over, as others were looked at meanwhile"
        )
    if options.overlay:
        ui.done(f"overlay {options.overlay}")
    if options.log:
        ui.say(f"Next:\n  skelact events {options.log}")
    return {
        **counts,
        "events": [asdict(event) for event in events],
        "alarms": len(alarms),
        "log": options.log,
    }
