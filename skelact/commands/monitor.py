"""``skelact monitor SOURCE``."""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from skelact.commands.options import named, need_at_least, parse
from skelact.commands.ui import UI, percent
from skelact.errors import ConfigError

MOST_REPORTED = 5000  # events in what --json prints, the last ones
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
        options.people, options.quality, options.normal, options.rest,
    )  # fmt: skip


def run(home: Any, options: Options, ui: UI) -> dict[str, Any]:
    """Watch until the sources end; returns what ``--json`` prints."""
    from skelact.layouts import get_layout
    from skelact.monitor.attention import Attention
    from skelact.monitor.film import Film
    from skelact.monitor.household import watch_home
    from skelact.monitor.log import Event, EventLog, Retention
    from skelact.monitor.outbox import TOLD, Outbox
    from skelact.pose.estimators import available_estimator, find_estimator
    from skelact.recognition import Recogniser
    from skelact.recognition.everyday import everyday_for

    kind = find_estimator(available_estimator(home.estimator))
    flat = home.estimator == "movenet"  # joints in the picture alone
    asked = {} if options.min_score is None else {"min_score": options.min_score}
    recogniser = (
        Recogniser(home.checkpoint or everyday_for(2 if flat else 3), options.device)
        if home.actions
        else None
    )
    layout = get_layout(kind.layouts["pose"])
    events: deque[Event] = deque(maxlen=MOST_REPORTED)  # a camera may run for months
    counts = {
        "alarms": 0,
        "events": 0,
        "frames": 0,
        "dropped": 0,
        "looked": 0.0,
        "decided": 0.0,
        "seconds": 0.0,
    }

    def make() -> Any:
        return kind.make(home.people, coordinates="image" if flat else "world", quality=home.quality, **asked)

    with ExitStack() as open_:
        log = open_.enter_context(EventLog(home.log)) if home.log else None
        attention, retention = Attention(log), Retention(log, home.keep_days)
        channels = home.alarms.channels(home.cameras, attention.acknowledge_camera)
        outbox = (
            open_.enter_context(Outbox(log, channels, quiet=home.alarms.quiet()))
            if log is not None and channels
            else None
        )
        live = None
        if home.page is not None:
            live = open_.enter_context(serve(home, options, layout, attention, outbox, ui))
        film = None
        try:
            reread = following(home, options, outbox, retention, live, ui) if options.config else None
            for name, moment in watch_home(home, make, recogniser, options.seconds, reread):
                attention.check()
                retention.check()
                found = [attention.take(event) for event in moment.events]
                for event in found:
                    events.append(event)
                    counts["events"] += 1
                    counts["alarms"] += event.is_alarm
                    if outbox is not None and event.kind in TOLD:
                        outbox.tell()
                    tell(event, name if options.config else "", ui)
                if live is not None:
                    live.feed(name, moment, found)
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


def following(
    home: Any, options: Options, outbox: Any, retention: Any, live: Any, ui: UI
) -> Callable[[], None]:
    """What looks whether the configuration was changed, and has it taken over."""
    from skelact.monitor.reload import HomeFile

    file = HomeFile(options.config, home)

    def reread() -> None:
        change = file.check()
        if change is None:
            return
        if change.error:
            ui.warn(f"{options.config} was changed and cannot be used, all stays as it was: {change.error}")
            return
        retention.days = home.keep_days
        if outbox is not None:
            outbox.quiet = home.alarms.quiet()
            for channel in outbox.channels.values():
                if hasattr(channel, "change_cameras"):
                    channel.change_cameras(home.cameras)
        if live is not None:
            live.change_cameras(home.cameras)
        if change.done:
            ui.say(f"{options.config} was changed: {', '.join(change.done)}")
        if change.waiting:
            ui.warn(f"changed in {options.config}, from the next start on: {', '.join(change.waiting)}")

    return reread


@contextmanager
def serve(home: Any, options: Options, layout: Any, attention: Any, outbox: Any, ui: UI) -> Iterator[Any]:
    """The page while it is served; yields what the loop feeds."""
    from skelact.monitor.page.keep_zones import keep_zones
    from skelact.monitor.page.live import Live
    from skelact.monitor.page.server import PageServer

    keep = partial(keep_zones, options.config) if options.config else None
    live = Live(home.cameras, layout, attention, outbox, home.page.pictures, keep)
    with PageServer(live, home.page) as server:
        ui.say(f"page {server.address}" + (" (asks for the token)" if home.page.token else ""))
        yield live


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


def report(
    home: Any, options: Options, events: Iterable[Any], counts: dict[str, Any], ui: UI
) -> dict[str, Any]:
    """The end: how much was watched, what was found."""
    n = max(1, counts["frames"])
    kept = f", written to {home.log}" if home.log else ""
    ui.done(
        f"{counts['frames']} frames, {counts['seconds']:.1f} s, {counts['events']} events, "
        f"{counts['alarms']} alarms{kept}; "
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
        "log": options.log,
    }
