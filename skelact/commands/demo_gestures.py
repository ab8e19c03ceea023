"""What the demo teaches: gestures of three examples each, recognised at once, and others that are none of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from skelact.commands.demo_networks import Outcome
from skelact.commands.ui import UI, command_line

if TYPE_CHECKING:
    from skelact.commands.demo import Options

TAUGHT, UNKNOWN = ("up", "out", "wave"), ("low",)
N_EXAMPLES = 3
SEED = 2  # of recordings: the encoder is deterministic, and so are they


def teach_gestures(folder: Path, options: Options, ui: UI) -> Outcome:
    """Teach three gestures, and name new recordings of them and of one that was not taught."""
    from skelact.datasets.synthetic.gestures.plain import recordings
    from skelact.evaluate.plots import plot_skeleton_strip
    from skelact.evaluate.report import Code, Picture, Section, Table, Text
    from skelact.io.store import write_store
    from skelact.recognition.taught import Vocabulary
    from skelact.recognition.taught_examples import make_example

    place = folder / "gestures"
    place.mkdir(exist_ok=True)
    examples, vocabulary = recordings(len(TAUGHT), N_EXAMPLES, SEED, exact=False), Vocabulary()
    for name in TAUGHT:
        vocabulary.add(name, [make_example(one) for one in examples[name]])
    vocabulary.save(place / "taught.safetensors")
    made = recordings(len(TAUGHT) + 1, 1, SEED + 50, exact=False)
    new = [made[name][0] for name in TAUGHT + UNKNOWN]
    write_store(place / "examples.h5", [one for name in TAUGHT for one in examples[name]], overwrite=True)
    write_store(place / "new.h5", new, overwrite=True)
    rows, pictures, right = [], [], 0
    for one in new:
        answer = vocabulary.recognise_clip(one)
        expected = one.label if one.label in TAUGHT else None
        right += answer.name == expected
        said = answer.name or f"none of them (nearest: {answer.best})"
        verdict = "right" if answer.name == expected else "wrong"
        rows.append([one.label, said, verdict, answer.score, answer.threshold])
        strip = plot_skeleton_strip(
            one.with_(label=None, id=""), folder / "pictures" / f"gesture_{one.label}.png", n=6, height=1.5
        )
        pictures.append(Picture(strip, f"{one.label}: recognised as {said}"))
    ui.done(
        f"{len(TAUGHT)} gestures taught with {N_EXAMPLES} examples each: {right} of {len(new)} new recordings are "
        "right, one that was not taught among them"
    )
    section = Section(
        "Gestures taught with three examples",
        [
            Text("Nothing is trained: an encoder that ships with skelact compares movements."),
            Table(["performed", "recognised", "", "likeness", "needed"], rows, bars=["likeness"]),
            *pictures,
            Code(
                command_line("predict", place / "new.h5", "--vocabulary", place / "taught.safetensors")
                + "\n"
                + command_line(
                    "teach", "up", "--from-set", place / "examples.h5", "--examples", N_EXAMPLES, "--vocabulary",
                    place / "mine.safetensors",
                )
            ),
        ],
    )  # fmt: skip
    return {"right": right, "of": len(new)}, [section]
