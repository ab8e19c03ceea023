"""``skelact events LOG``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import tyro

from skelact.commands.options import named, parse
from skelact.commands.ui import UI, percent
from skelact.errors import ConfigError, counted

HELP = """List, filter, draw and export the events that skelact monitor has written.

  skelact events home.db
  skelact events home.db --kinds fall long_on_floor
  skelact events home.db --format csv --out events.csv
  skelact events home.db --timeline day.png"""


@dataclass
class Options:
    """Options of events.

    Args:
        log: the file that skelact monitor has written (--log).
        kinds: only events of these kinds or actions (fall, walk, ...); all if not given.
        source: only of this camera or video.
        since: only events that are not over before; seconds of the source, or a date and time as 2026-03-01T08:00.
        until: only events that begin before; likewise.
        format: of the export: csv, json, activitynet (predictions) or omnifall (rows).
        out: file of the export.
        timeline: picture of who did what when.
    """

    log: Annotated[str, tyro.conf.Positional, named("LOG.db")] = ""
    kinds: Annotated[tuple[str, ...], named("KIND")] = ()
    source: Annotated[str, named("NAME")] = ""
    since: Annotated[str, named("SECONDS|DATE")] = ""
    until: Annotated[str, named("SECONDS|DATE")] = ""
    format: Literal["csv", "json", "activitynet", "omnifall"] = "csv"
    out: Annotated[str, named("FILE")] = ""
    timeline: Annotated[str, named("FILE.png")] = ""


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    import json

    from skelact.io.files import write_text
    from skelact.io.outputs import check_output
    from skelact.monitor.log import as_activitynet, as_csv, as_omnifall, read_log

    options = parse(Options, arguments, "events", HELP)
    if not options.log:
        raise ConfigError(
            "name a log: skelact events home.db; skelact monitor SOURCE --log home.db writes one"
        )
    for path in (options.out, options.timeline):
        if path:
            check_output(path, [options.log])
    dated = {name: "T" in getattr(options, name) for name in ("since", "until") if getattr(options, name)}
    limits = {name: read_time(getattr(options, name)) for name in dated}
    events = read_log(
        options.log, kinds=options.kinds, source=options.source,
        **{name: value for name, value in limits.items() if not dated[name]},
    )  # fmt: skip
    for name, value in limits.items():
        if dated[name]:
            late = name == "since"
            events = [
                e
                for e in events
                if e.wall is not None and (e.wall + e.end - e.start >= value if late else e.wall < value)
            ]
    rows = [
        [e.source, when(e.start, e.wall), f"{e.end - e.start:.1f} s", "" if e.person is None else e.person, e.label,
         percent(e.score), e.text if e.kind != "action" else ""]
        for e in events
    ]  # fmt: skip
    ui.table(["source", "when", "for", "person", "what", "sure", ""], rows[:200])
    if len(rows) > 200:
        ui.say(f"... and {len(rows) - 200} more (--out FILE has all)")
    ui.say(f"{counted(len(events), 'event')}, {counted(sum(e.is_alarm for e in events), 'alarm')}")
    if options.out:
        ways = {
            "csv": as_csv,
            "json": lambda found: json.dumps([asdict(e) for e in found], indent=1),
            "activitynet": as_activitynet,
            "omnifall": as_omnifall,
        }
        write_text(Path(options.out), ways[options.format](events))
        ui.done(options.out)
    if options.timeline:
        ui.done(f"timeline {draw(options.timeline, events)}")
    ui.result({"events": [asdict(e) for e in events], "out": options.out, "timeline": options.timeline})
    return 0


def read_time(text: str) -> float:
    """Seconds of a source, or since 1970 for a date with a time.

    Raises:
        ConfigError: if it is neither.
    """
    try:
        return datetime.fromisoformat(text).timestamp() if "T" in text else float(text)
    except ValueError:
        raise ConfigError(
            f"'{text}' is no number of seconds and no date and time as 2026-03-01T08:00"
        ) from None


def when(start: float, wall: float | None) -> str:
    """A moment in words: the date for live sources, seconds for files."""
    if wall is None:
        return f"{start:.1f} s"
    return datetime.fromtimestamp(wall).isoformat(" ", "seconds")


def draw(path: str, events: list) -> str:
    """Draw who did what when; alarms in a row of their own.

    Raises:
        ConfigError: if there is nothing to draw.
    """
    from skelact.evaluate.plots import plot_timeline

    if not events:
        raise ConfigError("there is no event to draw; choose others, or leave the filters out")
    first = min(e.start for e in events)
    last = max(e.end for e in events) - first
    segments = [
        {
            "person": "alarms"
            if e.is_alarm
            else f"{e.source} {'' if e.person is None else e.person}".strip(),
            "label": e.label,
            "start": e.start - first,
            "end": max(e.end - first, e.start - first + 0.01 * max(last, 1.0)),
            "score": e.score,
        }
        for e in events
        if e.kind == "action" or e.is_alarm
    ]
    return str(plot_timeline(segments, max(last, 1.0), path))
