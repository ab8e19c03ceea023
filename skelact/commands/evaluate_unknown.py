"""``skelact evaluate --fit-unknown``: the confidence below which the answer is ``unknown``, and what it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from skelact.commands.ui import UI, percent
from skelact.errors import CheckpointError, ConfigError, counted


def part_to_fit_on(options: Any, ensemble: Any, checkpoint: Path, data: Any, labels: Any) -> tuple[Any, str]:
    """The clips that the threshold is fitted on: their numbers ``[N]``, those without a label left out, and a name.

    Raises:
        ConfigError: if there is no part that was not trained on, the rate is out of range, or the checkpoint is one of
            those that ship with skelact.
    """
    from skelact.datasets.parts import DataSettings, choose_parts
    from skelact.recognition.everyday import SHIPPED
    from skelact.settings import from_plain

    if not 0 < options.fit_unknown < 1:
        raise ConfigError(f"--fit-unknown must be above 0 and below 1, got {options.fit_unknown}")
    if checkpoint in SHIPPED.values():
        raise ConfigError(
            f"{options.checkpoint} ships with skelact and is not changed; predict --threshold refuses by a number of "
            "your own"
        )
    settings = from_plain(DataSettings, ensemble.card.config.get("data", {}), f"{checkpoint}: data")
    trained = val = None
    if settings.path and Path(settings.path).resolve() == Path(data.source).resolve():
        trained, val = choose_parts(data, settings)
    if len(ensemble.members) > 1 and settings.fold:
        val = None  # every member left out another fold: each clip was trained on by some
    if options.fit_on:
        clips, name = data.split(options.fit_on), options.fit_on
    elif val is not None:
        held_out = settings.val if isinstance(settings.val, str) else f"{100 * settings.val:g} % held out"
        clips, name = val, f"fold {settings.fold}" if settings.fold else held_out
    else:
        raise ConfigError(
            f"{checkpoint} knows no clips of {data.source} that it was validated on; name a part that was not trained "
            f"on with --fit-on ({', '.join(data.splits) or 'the set has none'})"
        )
    if trained is not None and set(clips.tolist()) & set(trained.tolist()):
        raise ConfigError(
            f"part '{name}' holds clips that were trained on, of which the network is surer than of new ones; name "
            "another with --fit-on"
        )
    return clips[labels[clips] >= 0], name


def fit(confidence: Any, options: Any, checkpoint: Path, data_path: str, split: str, ui: UI) -> None:
    """Fit the threshold on the confidence of clips of known classes, and write it beside the checkpoint."""
    from skelact.evaluate.unknown import refusal_threshold
    from skelact.recognition.unknown import UnknownThreshold, checksum, save_threshold

    threshold, n = refusal_threshold(confidence, options.fit_unknown), len(confidence)
    found = UnknownThreshold(threshold, options.fit_unknown, n, data_path, split, checksum(checkpoint))
    written = save_threshold(checkpoint, found)
    ui.done(f"threshold {threshold:.3f}, fitted on {counted(n, 'clip')} of {split}, in {written}")


def known_threshold(checkpoint: Path, ui: UI) -> Any:
    """The threshold of a checkpoint; None, and a word, if it cannot be used."""
    from skelact.recognition.unknown import load_threshold

    try:
        return load_threshold(checkpoint)
    except CheckpointError as error:
        ui.warn(str(error))
        return None


def say_refused(found: Any, threshold: Any, split: str, ui: UI) -> tuple[dict | None, list[Any]]:
    """What refusing does to these clips: for ``--json``, and as a section of the report; said, too."""
    from skelact.evaluate.report import Cards, Section, Text
    from skelact.evaluate.unknown import refusal_figures

    if threshold is None:
        return None, []
    figures = refusal_figures(found.confidence, found.correct, threshold.threshold)
    shown = {k: "–" if v is None else percent(v) for k, v in figures.items()}
    same = " These are the clips it was fitted on." if split == threshold.split else ""
    ui.say(
        f"  below {threshold.threshold:.3f} it says 'unknown': of {shown['refused']} of these clips, "
        f"{shown['refused_wrong']} of its mistakes; {shown['top1_answered']} of its answers are right then.{same}"
    )
    section = Section(
        "When it does not know",
        [
            Cards(
                [
                    ("Threshold", f"{threshold.threshold:.3f}", "a lower confidence is answered 'unknown'"),
                    ("Refused", shown["refused"], "of these clips, whose classes it knows"),
                    ("Mistakes refused", shown["refused_wrong"], "of the wrong answers"),
                    ("Right when it answers", shown["top1_answered"], "of the clips that are not refused"),
                ]
            ),
            Text(
                f"Fitted on {counted(threshold.clips, 'clip')} of {threshold.split} so that on average at most "
                f"{100 * threshold.rate:g} % of new clips of the same kind and of known classes are refused.{same} "
                "Nothing is promised about clips of other classes, people or cameras."
            ),
        ],
    )
    return {**figures, "rate": threshold.rate, "fitted_on": threshold.split}, [section]
