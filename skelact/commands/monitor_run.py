"""What ``skelact monitor`` does while it watches: the loop, its page, its words."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from skelact.commands.ui import UI, percent
from skelact.errors import ConfigError, counted

if TYPE_CHECKING:
    from skelact.commands.monitor import Options

MOST_REPORTED = 5000  # events in what --json prints, the last ones


def run(home: Any, options: Options, ui: UI) -> dict[str, Any]:
    """Watch until the sources end; returns what ``--json`` prints."""
    from skelact.layouts import get_layout
    from skelact.monitor.action_rules import SharedRules
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
    rules = None if recogniser is None else SharedRules(home.thresholds, recogniser.card.label_names)
    unknown = 0.0 if home.thresholds or not home.checkpoint else fitted_unknown(home.checkpoint, ui)
    gestures, parts = open_gestures(home)
    layout = get_layout(kind.layouts[parts])
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
        return kind.make(
            home.people, parts=parts, coordinates="image" if flat else "world", quality=home.quality, **asked
        )

    with ExitStack() as open_:
        log = open_.enter_context(EventLog(home.log)) if home.log else None
        attention, retention = open_.enter_context(closing(Attention(log))), Retention(log, home.keep_days)
        channels = home.alarms.channels(
            home.cameras,
            attention.acknowledge_camera,
            lambda camera, minutes: attention.suspend(camera, None, minutes),
        )
        attention.on_suspensions = partial(tell_suspensions, channels)
        attention.on_suspensions(attention.suspensions())
        outbox = (
            open_.enter_context(Outbox(log, channels, quiet=home.alarms.quiet()))
            if log is not None and channels
            else None
        )
        live = None
        if home.page is not None:
            live = open_.enter_context(serve(home, options, layout, attention, outbox, ui))
            live.gestures = gestures
        film = None
        try:
            reread = following(home, options, outbox, retention, live, ui, rules) if options.config else None
            watched = watch_home(home, make, recogniser, options.seconds, reread, gestures, rules, unknown)
            for name, moment in watched:
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


def open_gestures(home: Any) -> tuple[Any, str]:
    """What names taught gestures (None: nothing), and the parts of people that are looked for.

    Raises:
        ConfigError: if the estimator sees no hands or no depth, or the vocabulary was taught without.
        SkelactError: if the vocabulary is damaged.
    """
    if not home.gestures:
        return None, "pose"
    from skelact.monitor.gestures import Gestures, SharedVocabulary

    if home.estimator == "movenet":
        raise ConfigError(
            "gestures need hands and depth, and movenet sees neither; leave --estimator out, or use mediapipe"
        )
    shared = SharedVocabulary(home.gestures)
    if len(shared.vocabulary) and shared.vocabulary.flat:
        raise ConfigError(
            f"{home.gestures} was taught without depth, and a camera's people have it; teach a vocabulary from videos "
            "or the camera (skelact teach NAME --camera 0)"
        )
    return Gestures(shared), "pose+hands"


def fitted_unknown(checkpoint: str, ui: UI) -> float:
    """The probability below which what somebody does is ``unknown``, as it was fitted for a checkpoint; 0: never.

    Raises:
        CheckpointError: if it is damaged, or was fitted for other weights.
    """
    from skelact.recognition.checkpoint import find_checkpoint
    from skelact.recognition.unknown import load_threshold

    found = load_threshold(find_checkpoint(checkpoint))
    if found is None:
        return 0.0
    ui.say(
        f"'unknown' below {found.threshold:.3f}, fitted to refuse {percent(found.rate)} of clips of known classes"
    )
    return found.threshold


def tell_suspensions(channels: dict[str, Any], suspensions: list[Any]) -> None:
    """Tell channels that show it until when alarms are suspended."""
    for channel in channels.values():
        if hasattr(channel, "change_suspensions"):
            channel.change_suspensions(suspensions)


def following(
    home: Any, options: Options, outbox: Any, retention: Any, live: Any, ui: UI, rules: Any = None
) -> Callable[[], None]:
    """What looks whether the configuration was changed, and has it taken over."""
    from skelact.monitor.reload import HomeFile

    file = HomeFile(options.config, home, rules)

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
        if change.refused:
            ui.warn(f"the thresholds stay as they were: {change.refused}")
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
    elif event.kind in ("action", "gesture"):
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
        f"{counted(counts['frames'], 'frame')}, {counts['seconds']:.1f} s, {counted(counts['events'], 'event')}, "
        f"{counted(counts['alarms'], 'alarm')}{kept}; "
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
