"""``skelact monitor SOURCE``."""

from __future__ import annotations

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
  skelact monitor --config home.yaml                 several cameras, beds and sofas

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
    config: Annotated[str, named("HOME.yaml")] = ""
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
    from skelact.io.outputs import check_output, holding
    from skelact.io.video import VIDEO_SUFFIXES
    from skelact.pose.extract import check_options

    options = parse(Options, arguments, "monitor", HELP)
    home = read_home(options)
    need_at_least(0, seconds=options.seconds)
    check_options(
        home.people,
        estimator=home.estimator,
        quality=home.quality,
        min_score=options.min_score,
        coordinates="camera",
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
        if options.overlay:
            held.enter_context(holding(options.overlay, sources))
        ui.result(run(home, options, ui))
    return 0


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
        options.people, options.quality,
    )  # fmt: skip


def run(home: Any, options: Options, ui: UI) -> dict[str, Any]:
    """Watch until the sources end; returns what ``--json`` prints."""
    from skelact.layouts import get_layout
    from skelact.monitor.film import Film
    from skelact.monitor.household import watch_home
    from skelact.monitor.log import Event, EventLog
    from skelact.monitor.outbox import TOLD, Outbox
    from skelact.pose.estimators import available_estimator, find_estimator
    from skelact.recognition import Recogniser
    from skelact.recognition.everyday import EVERYDAY

    kind = find_estimator(available_estimator(home.estimator))
    asked = {} if options.min_score is None else {"min_score": options.min_score}
    recogniser = Recogniser(home.checkpoint or EVERYDAY, options.device) if home.actions else None
    layout = get_layout(kind.layouts["pose"])
    events: list[Event] = []
    counts = {"frames": 0, "dropped": 0, "looked": 0.0, "decided": 0.0, "seconds": 0.0}

    def make() -> Any:
        return kind.make(home.people, coordinates="world", quality=home.quality, **asked)

    with ExitStack() as open_:
        log = open_.enter_context(EventLog(home.log)) if home.log else None
        channels = home.alarms.channels(home.cameras)
        outbox = open_.enter_context(Outbox(log, channels)) if log is not None and channels else None
        film = None
        try:
            for name, moment in watch_home(home, make, recogniser, options.seconds):
                for event in moment.events:
                    event = event if log is None else log.add(event)
                    events.append(event)
                    if outbox is not None and event.kind in TOLD:
                        outbox.tell()
                    tell(event, name if len(home.cameras) > 1 else "", ui)
                counts["seconds"] = max(counts["seconds"], moment.time)
                if moment.image is None:
                    continue
                for key, value in (("frames", 1), ("dropped", moment.dropped)):
                    counts[key] += value
                counts["looked"] += moment.looked
                counts["decided"] += moment.decided
                if options.overlay:
                    film = film or open_.enter_context(Film(options.overlay))
                    film.draw(moment, layout)
        except KeyboardInterrupt:
            ui.say("stopped")
        if outbox is not None and not outbox.wait(10.0):
            owed = ", ".join(
                f"{name}: {s['owed']} ({s['error']})" for name, s in outbox.status().items() if s["owed"]
            )
            ui.warn(f"alarms that have not arrived yet stay in {home.log} and are sent next time: {owed}")
    return report(home, options, events, counts, ui)


def tell(event: Any, camera: str, ui: UI) -> None:
    """Say what happened."""
    who = "" if event.person is None else f"person {event.person}: "
    who = f"{camera}, {who}" if camera else who
    text = f"{event.start:7.1f} s  {who}{event.text or event.kind}"
    if event.is_alarm:
        ui.warn(f"ALARM {text}")
    elif event.kind == "action":
        ui.say(f"{text} ({percent(event.score)})")
    else:
        ui.say(text)


def report(home: Any, options: Options, events: list, counts: dict[str, Any], ui: UI) -> dict[str, Any]:
    """The end: how much was watched, what was found."""
    n = max(1, counts["frames"])
    alarms = [event for event in events if event.is_alarm]
    kept = f", written to {home.log}" if home.log else ""
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
    if home.log:
        ui.say(f"Next:\n  skelact events {home.log}")
    return {
        **counts,
        "events": [asdict(event) for event in events],
        "alarms": len(alarms),
        "log": options.log,
    }
