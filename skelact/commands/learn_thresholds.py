"""``skelact learn-thresholds SET.h5``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import tyro

from skelact.commands.options import named, need_at_least, parse
from skelact.commands.ui import UI, percent
from skelact.errors import ConfigError, DataError

HELP = """Fit when a network's scores are an action: a threshold for each class, for a stated rate of false events.

  skelact learn-thresholds days.h5 --false-per-hour 1 --out thresholds.json
  skelact monitor 0 --thresholds thresholds.json                   only what passes them is told then

Recordings (skelact extract, convert) are labelled as a whole or frame by frame, with names of the network's classes;
none may be of its training. The network is asked as it is live. Hours of ordinary life are what false events are
counted in: the more, the better."""


@dataclass
class Options:
    """Options of learn-thresholds.

    Args:
        data: a skelact file.
        out: the thresholds.
        checkpoint: of the network, everyday if not given.
        part: which recordings to fit to.
        test: which recordings to test on; none if not given.
        false_per_hour: of each class, at most, in an hour of somebody's being seen.
        smoothing: seconds that scores are averaged over.
        least: seconds that an action must last.
        gap: seconds without it that do not end it.
        device: auto (a GPU if there is one), cpu, cuda or cuda:1.
    """

    data: Annotated[str, tyro.conf.Positional, named("SET.h5")] = ""
    out: Annotated[str, named("FILE.json")] = "thresholds.json"
    checkpoint: Annotated[str, named("CHECKPOINT")] = ""
    part: str = "all"
    test: Annotated[str, named("PART")] = ""
    false_per_hour: float = 1.0
    smoothing: Annotated[float, named("SECONDS")] = 1.0
    least: Annotated[float, named("SECONDS")] = 0.0
    gap: Annotated[float, named("SECONDS")] = 1.0
    device: str = "auto"


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, arguments, "learn-thresholds", HELP)

    from skelact.commands.learn_activities import clips_of
    from skelact.evaluate.score_events import EventRule, fit_rule
    from skelact.io.outputs import check_output
    from skelact.io.store import Store
    from skelact.monitor.action_rules import ActionRules
    from skelact.recognition import Recogniser
    from skelact.recognition.everyday import everyday_for

    if not options.data:
        raise ConfigError("name a file to fit to: skelact learn-thresholds SET.h5; skelact convert makes one")
    need_at_least(0, false_per_hour=options.false_per_hour)
    template = EventRule(smoothing=options.smoothing, least=options.least, gap=options.gap)
    check_output(options.out, [options.data])
    with Store(options.data) as store:
        flat = store.dims == 2 or store.unit in ("px", "image")
        recogniser = Recogniser(options.checkpoint or everyday_for(2 if flat else 3), options.device)
        names = recogniser.card.label_names
        learn = clips_of(store, options.part)
        tested = clips_of(store, options.test) if options.test else []
        if both := set(learn) & set(tested):
            raise ConfigError(f"{len(both)} recordings are in '{options.part}' and in '{options.test}'")
        with ui.progress("asking the network") as update:
            answers, truth = ask(store, [*learn, *tested], recogniser, update)
    chosen = {name for name in answers if int(name.split()[0]) in set(learn)}
    known = {event.label for name in chosen for event in truth[name]}
    classes = [name for name in names if name in known]
    if not classes:
        raise DataError(
            f"no label of '{options.part}' is a class of the network, which are: {', '.join(names)}; name them alike"
        )
    if left := sorted(known - set(names)):
        ui.warn(f"no class of the network, and background here: {', '.join(left)[:300]}")
    rules = {}
    for label in classes:
        k = names.index(label)
        scores = {name: (answers[name][0], answers[name][1][:, k]) for name in chosen}
        rules[label] = fit_rule(scores, truth, label, options.false_per_hour, template)
    hours = sum(float(t[-1] - t[0]) for name in chosen for t in [answers[name][0]] if len(t)) / 3600
    made = ActionRules(tuple(names), rules, options.false_per_hour, hours)
    made.save(options.out)
    ui.done(f"{options.out}: thresholds of {len(rules)} of {len(names)} classes, from {hours:.2f} hours")
    held = check(made, {n: answers[n] for n in answers if n not in chosen}, truth) if tested else {}
    rows = []
    for name, one in rules.items():
        row = [name, f"{one.rule.on:.3f}", f"{one.false_per_hour:.2f}", percent(one.sensitivity)]
        if tested:
            row += [f"{held[name]['false_per_hour']:.2f}", percent(held[name]["sensitivity"])]
        rows.append(row)
    more = ["false / h, held out", "found"] if tested else []
    ui.table(["class", "threshold", "false / h", "found", *more], rows)
    if hours * options.false_per_hour < 3:
        ui.warn(f"{hours:.2f} hours are few for a rate of {options.false_per_hour:g} an hour: expect others")
    ui.next(f"skelact monitor 0 --thresholds {options.out}")
    ui.result({
        "out": options.out, "hours": hours, "held_out": held,
        "thresholds": {name: one.rule.on for name, one in rules.items()},
    })  # fmt: skip
    return 0


def ask(store: Any, clips: list[int], recogniser: Any, update: Any) -> tuple[dict, dict]:
    """The network's answers and the true events of every person, by ``CLIP PERSON``."""
    from skelact.evaluate.events import TimedEvent
    from skelact.evaluate.frames import events_of
    from skelact.monitor.actions import LiveActions
    from skelact.monitor.replay import replay_answers

    answers, truth = {}, {}
    for n, clip in enumerate(clips):
        recording = store.read(clip)
        update(n + 1, len(clips), recording.id)
        times = np.arange(recording.n_frames) / recording.fps if recording.time is None else recording.time
        times = times - times[0]
        if recording.frame_labels is not None:
            events = events_of(recording.frame_labels, times)
        else:
            label = recording.label or ""
            events = [TimedEvent(label, 0.0, float(times[-1]))] if label else []
        actions = LiveActions(recogniser)
        for m, (when, said) in enumerate(replay_answers(recording, actions)):
            if len(when):
                answers[f"{clip} {m}"], truth[f"{clip} {m}"] = (when - actions.delay, said), events
    return answers, truth


def check(rules: Any, answers: dict, truth: dict) -> dict[str, dict[str, float]]:
    """False events an hour and share of true events found, of each class, on recordings held out."""
    from skelact.evaluate.events import temporal_iou
    from skelact.evaluate.score_events import events_of_scores

    hours = sum(float(t[-1] - t[0]) for t, _ in answers.values() if len(t)) / 3600
    found = {}
    for label, one in rules.rules.items():
        wrong, met, real = 0, 0, 0
        for name, (times, scores) in answers.items():
            said = events_of_scores(times, scores, rules.names, {label: one.rule})
            true = [event for event in truth[name] if event.label == label]
            real += len(true)
            wrong += sum(all(temporal_iou(s, t) == 0 for t in true) for s in said)
            met += sum(any(temporal_iou(s, t) > 0 for s in said) for t in true)
        found[label] = {
            "false_per_hour": wrong / hours if hours else float("nan"),
            "sensitivity": met / real if real else float("nan"),
        }
    return found
