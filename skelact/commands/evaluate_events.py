"""``skelact evaluate-events PREDICTED TRUTH``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

import tyro

from skelact.commands.options import named, parse
from skelact.commands.ui import UI
from skelact.errors import ConfigError, choices, counted

HELP = """Compare events that were predicted with what happened: mAP at temporal IoU, and alarms.

  skelact evaluate-events home.db truth.csv
  skelact evaluate-events predicted.json truth.json --alarm fall --hours 8

Files: a log of skelact monitor (.db), JSON as ActivityNet and OpenTAD have it, or a CSV with the columns path, label,
start, end (and score), as OmniFall's. Videos are matched by their names without folders and endings."""


@dataclass
class Options:
    """Options of evaluate-events.

    Args:
        predicted: events that were predicted.
        truth: events that happened.
        alarm: label of the events that should alarm; no alarms are scored if not given.
        within: seconds after the event's end in which its alarm may come.
        early: seconds before its start in which it may come already.
        hours: watched in all, for false alarms an hour; if not given, the lengths that TRUTH names.
    """

    predicted: Annotated[str, tyro.conf.Positional, named("PREDICTED")] = ""
    truth: Annotated[str, tyro.conf.Positional, named("TRUTH")] = ""
    alarm: Annotated[str, named("LABEL")] = ""
    within: Annotated[float, named("SECONDS")] = 10.0
    early: Annotated[float, named("SECONDS")] = 2.0
    hours: Annotated[float | None, named("HOURS")] = None


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, arguments, "evaluate-events", HELP)

    from skelact.evaluate.events import ACTIVITYNET, THUMOS, temporal_map
    from skelact.monitor.event_files import read_events

    if not options.truth:
        raise ConfigError(
            "name what was predicted and what happened: skelact evaluate-events home.db truth.csv"
        )
    if options.hours is not None and options.hours <= 0:
        raise ConfigError(f"--hours must be above 0, got {options.hours}")
    found, _ = read_events(options.predicted)
    truth, lengths = read_events(options.truth)
    found, truth, lengths = by_name(found), by_name(truth), by_name(lengths)
    strangers = sorted(set(found) - set(truth) - set(lengths))
    if strangers:
        ui.warn(
            f"{counted(len(strangers), 'video')} of {options.predicted} "
            f"{'is' if len(strangers) == 1 else 'are'} not in {options.truth}: {', '.join(strangers[:5])}"
        )
    wide, strict = temporal_map(truth, found, THUMOS), temporal_map(truth, found, ACTIVITYNET)
    rows = [
        [
            label,
            *(f"{100 * v:.1f}" for v in wide.per_class[label]),
            f"{100 * sum(strict.per_class[label]) / 10:.1f}",
        ]
        for label in wide.per_class
    ]
    rows.append(["mean", *(f"{100 * v:.1f}" for v in wide.means), f"{100 * strict.average:.1f}"])
    ui.table(["AP [%] at IoU", *map(str, THUMOS), "0.5 to 0.95"], rows)
    result: dict[str, Any] = {
        "map": dict(zip(map(str, THUMOS), wide.means, strict=True)),
        "average_map_0.5_0.95": strict.average,
        "average_map_0.1_0.7": wide.average,
        "per_class": wide.per_class,
    }
    if options.alarm:
        result["alarms"] = alarms(options, truth, lengths, ui)
    ui.result(result)
    return 0


def by_name(files: dict[str, Any]) -> dict[str, Any]:
    """The same by name without folders and endings."""
    from pathlib import PurePosixPath

    return {PurePosixPath(name).stem: value for name, value in files.items()}


def alarms(options: Options, truth: Any, lengths: dict[str, float], ui: UI) -> dict[str, Any]:
    """Score the alarms, and say how they did."""
    from skelact.evaluate.events import score_alarms
    from skelact.monitor.event_files import read_alarms

    labels = sorted({event.label for events in truth.values() for event in events})
    if options.alarm not in labels:
        raise ConfigError(choices(options.alarm, labels, "label"))
    moments = by_name(read_alarms(options.predicted, options.alarm))
    known = {**{v: 0.0 for v in (*truth, *moments)}, **lengths}
    score = score_alarms(
        truth, moments, known, label=options.alarm, within=options.within, early=options.early
    )
    hours = options.hours if options.hours is not None else score.hours if lengths else 0.0
    score = replace(score, hours=hours)
    rate, (low, high) = score.false_per_hour, score.false_per_hour_interval
    ui.say(
        f"{score.n_found} of {score.n_events} found ({100 * score.sensitivity:.1f} %), median delay "
        f"{score.median_delay:.2f} s; {score.n_false} false alarms"
        + (f" in {hours:.2f} hours: {rate:.2f} an hour ({low:.2f} to {high:.2f})" if hours else "")
        + f"; predictive value {score.predictive_value:.2f}"
    )
    for activity, n in sorted(score.false_by_activity.items(), key=lambda item: -item[1]):
        ui.say(f"  {n} during {activity}")
    return {
        "events": score.n_events, "found": score.n_found, "sensitivity": score.sensitivity, "delays": score.delays,
        "median_delay": score.median_delay, "false": score.n_false, "hours": hours, "false_per_hour": rate,
        "interval": [low, high], "predictive_value": score.predictive_value,
        "false_by_activity": score.false_by_activity,
    }  # fmt: skip
