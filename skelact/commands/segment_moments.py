"""``skelact segment moments RUN [RUN ...]``: moments of gestures as they come."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from skelact.commands.options import named, need_at_least, parse
from skelact.commands.segment_evaluate import look
from skelact.commands.ui import UI, percent
from skelact.errors import ConfigError, counted

HELP = """Find the moments of gestures by a causal network, with nothing later than their decision, and compare them
with the true ones. Thresholds are fitted on the recordings that the training held out (its data.val), or that another
training of the same part held out (--fit-with), so that this one can learn from all of them.

  skelact segment train --data msrc12.h5 --data.train person06/train --data.val 0.25 --target.background none \\
      --target.before 0.2 --target.after 0.2 --target.delay 0.1 --model gru --name p06
  skelact segment moments runs/p06
  skelact segment moments runs/p06 runs/p19 runs/p21 runs/p22      all folds together

Every run is tested on its own test part. A moment is right within --within seconds of the true one."""


@dataclass
class Options:
    """Options of segment moments.

    Args:
        checkpoints: run folders or checkpoint files, the folds of one protocol; several of one fold, separated by
            commas, are averaged.
        data: skelact file; the one that each was trained on if not given.
        split: which part; each training's test part if not given.
        fit_with: runs of the same training parts that held recordings out, one for each RUN in the same order, whose
            thresholds are taken.
        threshold: of all classes, instead of fitted ones.
        false_per_hour: fit the lowest thresholds with at most so many false moments of a class an hour, instead of the
            best F1.
        refractory: seconds after a moment without another of its class; of several, each class has the one that fits
            best (the first one where nothing is fitted).
        wait: a peak is decided upon at the latest so many seconds after it.
        drop: and as soon as the score has fallen to this share of it.
        each_alone: several gestures can be done at once: a class's moment does not keep others from having one.
        within: seconds.
        out: file of the moments and results (JSON).
        device: auto (a GPU if there is one), cpu, cuda or cuda:1.
    """

    checkpoints: Annotated[tuple[str, ...], tyro.conf.Positional, named("RUN")] = ()
    data: Annotated[str, named("DATA.h5")] = ""
    split: Annotated[str, named("PART")] = ""
    fit_with: Annotated[tuple[str, ...], named("RUN")] = ()
    threshold: Annotated[float | None, named("0..1")] = None
    false_per_hour: Annotated[float | None, named("RATE")] = None
    refractory: Annotated[tuple[float, ...], named("SECONDS")] = (1.0, 1.5, 2.0)
    wait: Annotated[float, named("SECONDS")] = 0.1
    drop: float = 0.9
    each_alone: bool = False
    within: Annotated[float, named("SECONDS")] = 0.333
    out: Annotated[str, named("FILE.json")] = ""
    device: str = "auto"


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, arguments, "segment moments", HELP)
    ui.result(moments(options, ui))
    return 0


def moments(options: Options, ui: UI) -> dict[str, Any]:
    """Find and compare moments; returns what ``--json`` prints."""
    from skelact.evaluate.moments import MomentRule, find_moments, score_moments
    from skelact.io.files import write_text
    from skelact.io.outputs import check_output

    if not options.checkpoints:
        raise ConfigError("name a run of skelact segment train: skelact segment moments runs/NAME")
    if not options.refractory:
        raise ConfigError("--refractory needs at least one number of seconds")
    need_at_least(0, within=options.within)
    if options.fit_with and len(options.fit_with) != len(options.checkpoints):
        raise ConfigError(
            f"--fit-with needs a run for each of the {len(options.checkpoints)} runs, got {len(options.fit_with)}"
        )
    if options.out:
        check_output(options.out, ",".join(options.checkpoints).split(","))
    template = MomentRule(options.threshold or 0.5, options.refractory[0], options.wait, options.drop)
    truth: dict[str, list[tuple[str, float]]] = {}
    found: dict[str, list[Any]] = {}
    rules: dict[str, dict[str, Any]] = {}
    seconds, delay = 0.0, 0.0
    for checkpoint, fitter in zip(options.checkpoints, options.fit_with or options.checkpoints, strict=True):
        seen = look(checkpoint, options.data, options.split, options.device, ui)
        check_moments(seen.segmenter, checkpoint)
        fitted = fit(seen, fitter, options, template)
        rules[checkpoint] = {
            name: {"threshold": rule.threshold, "refractory": rule.refractory}
            for name, rule in fitted.items()
        }
        delay = max(delay, seen.segmenter.target.delay)
        for clip, scores in zip(seen.clips, seen.scores, strict=True):
            if scores.id in truth:
                raise ConfigError(
                    f"recording '{scores.id}' is in the test parts of two runs; name folds of one protocol"
                )
            truth[scores.id] = true_moments(seen, clip)
            found[scores.id] = find_moments(
                scores.sampled - seen.segmenter.target.delay, scores.at_samples, seen.segmenter.names, fitted,
                scores.known, not options.each_alone,
            )  # fmt: skip
            seconds += float(scores.times[-1])
    score = score_moments(truth, found, seconds / 3600, options.within)
    strict = score_moments(truth, found, seconds / 3600, options.within, by_decision=True)
    ui.table(
        ["gesture", "F1 [%]", "right", "false", "missed"],
        [
            [name, f"{100 * value:.1f}", score.hits[name], score.false[name], score.missed[name]]
            for name, value in score.per_class.items()
        ],
    )
    ui.say(
        f"{counted(len(truth), 'recording')}, {counted(sum(map(len, truth.values())), 'moment')}: F1 within "
        f"{1000 * options.within:.0f} ms "
        f"{percent(score.f1)} (mean of the classes {percent(score.macro_f1)}), {score.false_per_hour:.0f} false an "
        f"hour; decided {1000 * score.median_delay:.0f} ms after the true moment (median), never more than "
        f"{1000 * largest_wait(found):.0f} ms after the moment that is given; F1 by the time of the decision itself "
        f"{percent(strict.f1)}"
    )
    result = {
        **score.to_dict(), "f1_by_decision": strict.f1, "largest_wait": largest_wait(found), "look_ahead": delay,
        "rules": rules,
    }  # fmt: skip
    if options.out:
        rows = {
            name: [{"label": m.label, "time": m.time, "decided": m.decided, "score": m.score} for m in ms]
            for name, ms in found.items()
        }
        write_text(options.out, json.dumps({**result, "moments": rows}, indent=1))
        ui.done(options.out)
    return result


def largest_wait(found: dict[str, list[Any]]) -> float:
    """Seconds from a moment to its decision at most."""
    return max((m.decided - m.time for ms in found.values() for m in ms), default=0.0)


def check_moments(segmenter: Any, checkpoint: str) -> None:
    """Raise `ConfigError` if a network cannot find moments as they come."""
    if not segmenter.causal:
        raise ConfigError(f"{checkpoint} looks at later frames; train with --model.causal (or --model gru)")
    if not segmenter.target.background:
        raise ConfigError(
            f"{checkpoint} was not trained for moments: name the label of frames that are none, such as "
            "--target.background none --target.before 0.2 --target.after 0.2"
        )


def true_moments(seen: Any, clip: int) -> list[tuple[str, float]]:
    """(label, seconds) of every frame that is a moment."""
    from skelact.datasets.frame_input import FrameLabels

    labels = FrameLabels(seen.data, seen.segmenter.target)
    codes, times = labels.of_frames(clip), labels.times(clip)
    rows = [(labels.names[c], float(t)) for c, t in zip(codes.tolist(), times, strict=True) if c >= 0]
    return [row for row in rows if row[0] != seen.segmenter.target.background]


def fit(seen: Any, fitter: str, options: Options, template: Any) -> dict[str, Any]:
    """A rule for every class: the threshold that was given, or one fitted on what a training held out.

    Args:
        seen: the test part.
        fitter: the run whose held-out recordings and scores are taken.
        options: of the command.
        template: the rest of the rules.

    Raises:
        ConfigError: if nothing was held out, or the run is of another training part.
    """
    from skelact.datasets.frame_parts import choose_recordings
    from skelact.evaluate.moments import fit_moments
    from skelact.recognition.segmentation import Segmenters

    names = [name for name in seen.segmenter.names if name != seen.segmenter.target.background]
    if options.threshold is not None:
        return dict.fromkeys(names, template)
    segmenter = Segmenters.load(fitter, options.device)
    own, trained = seen.segmenter.card.config["data"], segmenter.card.config["data"]
    if (own["train"], seen.segmenter.target) != (trained["train"], segmenter.target):
        raise ConfigError(
            f"{fitter} was trained on '{trained['train']}' or for another target, not as '{own['train']}'"
        )
    _, held = choose_recordings(seen.data, trained["train"], trained["val"], trained["seed"])
    if not len(held):
        raise ConfigError(
            f"{fitter} held out no recordings to fit thresholds on; train with --data.val, name a run that did with "
            "--fit-with, or give --threshold"
        )
    recordings, truth = {}, {}
    for clip in held.tolist():
        scores = segmenter.scores(seen.data, clip)
        recordings[scores.id] = scores.sampled - segmenter.target.delay, scores.at_samples
        truth[scores.id] = true_moments(seen, clip)
    fitted = fit_moments(
        recordings,
        truth,
        segmenter.names,
        template,
        options.false_per_hour,
        options.within,
        options.refractory,
    )
    return {name: fitted.get(name, template) for name in names}
