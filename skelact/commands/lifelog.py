"""``skelact lifelog DAY``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from skelact.commands.options import named, parse
from skelact.commands.ui import UI
from skelact.errors import ConfigError, counted

if TYPE_CHECKING:
    from skelact.monitor.lifelog import Day, LifelogSettings
    from skelact.monitor.log import Event

HELP = """The log of a day: what everybody did from when to when, how long in all, and how that was on the days before.

  skelact lifelog today --log home.db
  skelact lifelog 2026-03-01 --log home.db --alone --picture day.png
  skelact lifelog home.db                                          the last day in the log
  skelact lifelog recordings.h5 --activities activities.safetensors        hidden Markov models name the activities

It reads the log that skelact monitor --log writes. A log of a watched file has no dates; its days are those of the
file's own time, from 0."""


@dataclass
class Options:
    """Options of lifelog.

    Args:
        day: a date as 2026-03-01, today or yesterday (with --log); or a log, of which the last day is shown; or a
            skelact file of recordings (with --activities).
        log: the log that skelact monitor has written.
        activities: model of skelact learn-activities, for a file of recordings.
        source: only of this camera, video or recording.
        alone: one person lives here: all cameras and tracks are theirs.
        zone: local time, such as Europe/Berlin; this machine's if not given.
        least: seconds; what is shorter becomes part of what it touches (falls never).
        gap: seconds that somebody may be out of sight without a gap in the log.
        before: days before that trends are over.
        picture: of the day.
        csv: table of everything that was done.
    """

    day: Annotated[str, tyro.conf.Positional, named("DAY|FILE")] = ""
    log: Annotated[str, named("LOG.db")] = ""
    activities: Annotated[str, named("MODEL")] = ""
    source: Annotated[str, named("NAME")] = ""
    alone: bool = False
    zone: Annotated[str, named("ZONE")] = ""
    least: Annotated[float, named("SECONDS")] = 2.0
    gap: Annotated[float, named("SECONDS")] = 5.0
    before: Annotated[int, named("DAYS")] = 7
    picture: Annotated[str, named("FILE.png")] = ""
    csv: Annotated[str, named("FILE.csv")] = ""


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    from skelact.io.files import write_text
    from skelact.io.outputs import check_output
    from skelact.monitor.lifelog import LifelogSettings, day_csv, day_rows, make_day

    options = parse(Options, arguments, "lifelog", HELP)
    if not options.day:
        raise ConfigError(
            "name a day or a log: skelact lifelog today --log home.db, or skelact lifelog home.db"
        )
    if options.least < 0 or options.gap < 0 or options.before < 0:
        raise ConfigError("--least, --gap and --before must be 0 or more")
    for path in (options.picture, options.csv):
        if path:
            check_output(path, [options.log, options.day, options.activities])
    settings = LifelogSettings(options.least, options.gap, options.alone, read_zone(options.zone))
    events, day = find_day(options, settings)
    made = make_day(events, day, settings, options.before)
    show(made, options, ui)
    if options.csv:
        ui.done(str(write_text(Path(options.csv), day_csv(made))))
    if options.picture:
        ui.done(draw(made, options.picture))
    ui.result({
        "day": made.name, "own_time": made.own_time, "spans": day_rows(made),
        "people": {p.person: {"seconds": p.totals, "seen": sum(s.seconds for s in p.spans),
                              "not_seen": sum(s.seconds for s in p.gaps)} for p in made.people},
        "trends": [asdict(t) for t in made.trends], "days_before": made.days_before,
        "alarms": [asdict(e) for e in made.alarms], "picture": options.picture, "csv": options.csv,
    })  # fmt: skip
    return 0


def find_day(options: Options, settings: LifelogSettings) -> tuple[list[Event], date | int]:
    """The events, and the day that is meant.

    Raises:
        ConfigError: if it is no date, or there is no log.
        DataError: if the log cannot be read, or nothing was done in it.
    """
    from skelact.errors import DataError
    from skelact.monitor.lifelog import SECONDS_A_DAY, days_of, local_zone
    from skelact.monitor.log import read_log

    path = Path(options.day)
    is_file = path.suffix.lower() in (".db", ".sqlite", ".h5") or path.is_file()
    log = options.day if is_file else options.log
    if is_file and path.suffix.lower() == ".h5":
        events = named_by_models(path, options.activities)
    elif options.activities:
        raise ConfigError(
            "--activities names what people do in a skelact file (.h5); a log has names already"
        )
    elif not log:
        raise ConfigError(f"where is the log of {options.day}? skelact lifelog {options.day} --log home.db")
    else:
        events = read_log(log)
    events = [e for e in events if options.source in ("", e.source)]
    if not is_file:
        now = datetime.now(settings.zone or local_zone()).date()
        words = {"today": now, "yesterday": now - timedelta(days=1)}
        return events, words.get(options.day) or read_date(options.day)
    days = days_of(events, settings)
    if days:
        return events, days[-1]
    ends = [e.end for e in events if e.kind == "action"]
    if not ends:
        who = f" by '{options.source}'" if options.source else ""
        raise DataError(f"{log} holds no activity{who}; skelact monitor SOURCE --log {log} writes them")
    return events, max(0, int((max(ends) - 1e-6) // SECONDS_A_DAY))


def named_by_models(path: Path, model: str) -> list[Event]:
    """What people do in recordings, by hidden Markov models; the source is the recording."""
    from skelact.errors import DataError
    from skelact.io.store import Store
    from skelact.monitor.log import Event
    from skelact.recognition.activity_model import ActivityModel

    if not model:
        raise ConfigError(
            f"{path} holds recordings; name the model that knows activities: --activities FILE "
            "(skelact learn-activities makes one)"
        )
    models, events = ActivityModel.load(model), []
    with Store(path) as store:
        for recording in store:
            for m, track in enumerate(recording.track_ids):
                try:
                    found = models.log(models.motion(recording, m))
                except DataError:  # somebody whose hips are never seen
                    continue
                events += [
                    Event(recording.id, "action", a.label, track, a.start, a.end, None, a.score)
                    for a in found
                ]
    return events


def read_date(text: str) -> date:
    """A date as 2026-03-01.

    Raises:
        ConfigError: if it is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"'{text}' is no date as 2026-03-01, not today or yesterday, and no log (.db) that is there"
        ) from None


def read_zone(text: str) -> Any:
    """A time zone by name; None for this machine's.

    Raises:
        ConfigError: for an unknown one.
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if not text:
        return None
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(f"there is no time zone '{text}'; names are such as Europe/Berlin or UTC") from None


def show(day: Day, options: Options, ui: UI) -> None:
    """The day in words."""
    from skelact.monitor.spans import in_words

    rows = []
    for one in day.people:
        spans = sorted([*one.spans, *one.gaps], key=lambda s: s.start)
        rows += [
            [one.person, day.clock(s.start), day.clock(s.end), in_words(s.seconds), s.label.replace("_", " ")]
            for s in spans
        ]
    ui.table(["who", "from", "to", "for", "what"], rows[:100], f"{day.name}")
    if len(rows) > 100:
        ui.say(f"... and {len(rows) - 100} more (--csv FILE has all)")
    ui.say()
    totals = []
    for t in day.trends:
        usual = "" if t.usual is None else in_words(t.usual)
        span = (
            "" if t.lowest is None or t.highest is None else f"{in_words(t.lowest)} to {in_words(t.highest)}"
        )
        change = (
            ""
            if t.usual is None
            else f"{'+' if t.seconds >= t.usual else '-'}{in_words(abs(t.seconds - t.usual))}"
        )
        totals.append([t.label.replace("_", " "), t.times, in_words(t.seconds), usual, span, change])
    days = f"mean of {counted(day.days_before, 'day')} before" if day.days_before else "no days before"
    ui.table(["activity", "times", "in all", days, "from to", "change"], totals)
    for event in day.alarms:
        words = event.text or event.kind.replace("_", " ")
        ui.warn(f"{day.clock(event.start)} {event.source}: {words}")
    if len(day.people) > 1 and not options.alone:
        ui.say(
            f"{counted(len(day.people), 'track')}; who leaves and comes back is another one. --alone: they "
            f"are one person"
        )


def draw(day: Day, path: str) -> str:
    """The picture of the day; of a file's own time, the part in which something happens."""
    from skelact.evaluate.day_plot import plot_day
    from skelact.monitor.spans import in_words

    people: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for one in sorted(day.people, key=lambda p: -sum(s.seconds for s in p.spans)):
        rows = people.setdefault(one.person, {})
        for label in one.totals:
            rows[label.replace("_", " ")] = [(s.start, s.end) for s in one.spans if s.label == label]
    ends = [s.end for p in day.people for s in p.spans] + [e.end for e in day.alarms]
    bounds = (day.begin, max(ends, default=day.end) if day.own_time else day.end)
    title = f"{day.name}" + ("" if day.own_time else f", {date.fromisoformat(day.name):%A}")
    gaps = {p.person: [(s.start, s.end) for s in p.gaps] for p in day.people}
    alarms = [(e.start, e.kind) for e in day.alarms]
    people = people or {"home": {}}
    return str(
        plot_day(people, bounds, path, title=title, clock=day.clock, words=in_words, gaps=gaps, alarms=alarms)
    )
