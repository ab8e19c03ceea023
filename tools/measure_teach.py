"""How well taught gestures are recognised: few examples, other people, rejection, moments, time.

python tools/measure_teach.py SET DATA_FOLDER [--part choose|report|all] [--seeds 5] [--encoder FILE] [--out FILE.json]

SET is one of:
  signs      mp-signs: five examples of one signer, tested on the other signers; three common signs
  natops     five examples of each signal from the training file, tested on the test file (choose: on the rest of the
             training file)
  letters    finger alphabets of the package spoken-to-signed (its folder fingerspelling_lexicon): one example from
             every other language, 26 letters, leave one language out
  rejection  signs and natops with one class left out: how well it is told from the others (area under the ROC)
  msrc12     five examples of each gesture from other persons, spotted online in the sequences of the fourth
  idle       windows of held-out synthetic idle movement that pass for one of three signs, or of NATOPS' signals
  time       the encoder in PyTorch and in onnxruntime, one thread

Part ``choose`` was used to choose among encoders and ways to score: signers 1 to 3, NATOPS' training file, languages
ase to ise in the alphabet, persons 6 of msrc12; ``report`` is what was not looked at before.
"""

from __future__ import annotations

import argparse
import csv
import json
import string
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skelact.datasets.named import MP_SIGNS_COMMON
from skelact.datasets.synthetic.gestures.idle import make_idle
from skelact.errors import DataError
from skelact.evaluate.moments import Moment, score_moments
from skelact.io.files import write_text
from skelact.io.mp_signs import iter_mp_signs
from skelact.io.msrc12 import NO_GESTURE, read_msrc12
from skelact.io.pose_format import read_pose
from skelact.io.uea import iter_uea
from skelact.models.gesture_encoder import GestureEncoder, example_input
from skelact.recognition.gesture_weights import encoder_id, load_encoder
from skelact.recognition.taught import Vocabulary
from skelact.recognition.taught_examples import Example, cut_example, make_example
from skelact.recognition.taught_live import LiveGestures
from skelact.skeleton import Skeleton
from skelact.transforms.gesture_form import to_gesture_form

CHOOSE_SIGNERS = (1, 2, 3)
N_CHOOSE_LANGUAGES = 8
CHOOSE_PERSONS = (6,)
N_EXAMPLES = 5
BEFORE, AFTER = 1.2, 0.2  # seconds of an example around a gesture's moment


class Pool:
    """Examples with labels and groups, encoded once."""

    def __init__(
        self, rows: Sequence[tuple[Example, str, Any]], model: GestureEncoder, either_hand: bool = False
    ) -> None:
        self.examples = [e for e, _, _ in rows]
        self.labels = np.array([label for _, label, _ in rows])
        self.groups = np.array([group for _, _, group in rows])
        self.model, self.either_hand = model, either_hand
        empty = Vocabulary(model=model, either_hand=either_hand)
        self.vectors = empty.encode(
            np.stack([e.xyz for e in self.examples]), np.stack([e.present for e in self.examples])
        )

    def teach(self, rows: np.ndarray) -> Vocabulary:
        """A vocabulary of these examples."""
        vocabulary = Vocabulary(model=self.model, either_hand=self.either_hand)
        for name in sorted(set(self.labels[rows].tolist())):
            own = [self.examples[i] for i in rows if self.labels[i] == name]
            if len(own) < 3:  # letters that few languages have
                continue
            vocabulary.add(name, own, strict=False)
        return vocabulary

    def scores(self, vocabulary: Vocabulary, rows: np.ndarray) -> np.ndarray:
        """``[rows, gestures]``."""
        return vocabulary.scores(self.vectors[rows])


def draw(
    pool: Pool, rows: np.ndarray, names: Sequence[str], rng: np.random.Generator, n: int = N_EXAMPLES
) -> np.ndarray:
    """``n`` rows of each name."""
    return np.concatenate([rng.choice(rows[pool.labels[rows] == name], n, replace=False) for name in names])


def right(pool: Pool, vocabulary: Vocabulary, rows: np.ndarray) -> float:
    """Share of rows whose best gesture is theirs."""
    best = np.array(vocabulary.names)[pool.scores(vocabulary, rows).argmax(1)]
    return float((best == pool.labels[rows]).mean())


def read_signs(data: Path, whole: bool) -> list[tuple[Example, str, Any]]:
    """The three common signs of every signer who has them."""
    rows = []
    for path in sorted((data / "mp-signs").glob("*.npz")):
        clips = [s for s in iter_mp_signs(path) if s.label in MP_SIGNS_COMMON]
        if len({s.label for s in clips}) == len(MP_SIGNS_COMMON):
            rows += keep(clips, whole, lambda s: s.info["subject"])
    return rows


def read_natops(data: Path, whole: bool) -> list[tuple[Example, str, Any]]:
    """Both files; the group is train or test."""
    rows = []
    for part in ("TRAIN", "TEST"):
        rows += keep(iter_uea(data / "natops" / f"NATOPS_{part}.ts"), whole, lambda s: s.info["part"])
    return rows


def read_letters(data: Path, whole: bool) -> list[tuple[Example, str, Any]]:
    """The first recording of each of the 26 letters in every language that has any."""
    rows, seen = [], set()
    with (data / "index.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            letter, language = row["glosses"].upper(), row["path"].partition("/")[0]
            if letter not in string.ascii_uppercase or len(letter) != 1 or (letter, language) in seen:
                continue
            seen.add((letter, language))
            skeleton = read_pose(data / row["path"], layout="pose_hands75")
            skeleton = skeleton.with_(
                label=letter, info={**skeleton.info, "language": language}, id=row["path"]
            )
            rows += keep([skeleton], whole, lambda s: s.info["language"])
    return rows


def keep(clips: Any, whole: bool, group: Callable[[Skeleton], Any]) -> list[tuple[Example, str, Any]]:
    """Clips as examples; one that shows no hand is left out and said."""
    rows = []
    for clip in clips:
        try:
            rows.append((make_example(clip, whole=whole), str(clip.label), group(clip)))
        except DataError as error:
            sys.stderr.write(f"left out: {error}\n")
    return rows


def measure_signs(pool: Pool, part: str, seeds: int) -> dict[str, Any]:
    """Every signer teaches five examples in turn."""
    every = sorted(set(pool.groups.tolist()))
    signers = [s for s in every if part == "all" or (s in CHOOSE_SIGNERS) == (part == "choose")]
    by: dict[int, list[float]] = {}
    for teacher in signers:
        for seed in range(seeds):
            rng = np.random.default_rng([seed, teacher])
            vocabulary = pool.teach(draw(pool, np.flatnonzero(pool.groups == teacher), MP_SIGNS_COMMON, rng))
            rows = np.flatnonzero(np.isin(pool.groups, [s for s in signers if s != teacher]))
            by.setdefault(teacher, []).append(right(pool, vocabulary, rows))
    values = [v for rows in by.values() for v in rows]
    return {
        "signers": signers,
        **summary(values),
        "by teacher": {k: round(100 * float(np.mean(v)), 1) for k, v in by.items()},
    }


def measure_natops(pool: Pool, part: str, seeds: int) -> dict[str, Any]:
    """Five of each class from the training file."""
    train = np.flatnonzero(pool.groups == "train")
    names, values = sorted(set(pool.labels.tolist())), []
    for seed in range(seeds):
        taught = draw(pool, train, names, np.random.default_rng(seed))
        rows = np.setdiff1d(train, taught) if part == "choose" else np.flatnonzero(pool.groups == "test")
        values.append(right(pool, pool.teach(taught), rows))
    return summary(values)


def measure_letters(pool: Pool, part: str, seeds: int) -> dict[str, Any]:
    """Leave one language out."""
    every = sorted(set(pool.groups.tolist()))
    some = {"choose": every[:N_CHOOSE_LANGUAGES], "report": every[N_CHOOSE_LANGUAGES:], "all": every}[part]
    by, n_right, n = {}, 0.0, 0
    for language in some:
        rows = np.flatnonzero(pool.groups == language)
        share = right(pool, pool.teach(np.flatnonzero(pool.groups != language)), rows)
        by[language] = round(100 * share, 1)
        n_right, n = n_right + share * len(rows), n + len(rows)
    return {
        "languages": len(every),
        "letters tested": n,
        "right": round(100 * n_right / n, 1),
        "by language": by,
    }


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Mean, worst and spread in per cent."""
    return {
        "right": round(100 * float(np.mean(values)), 1), "worst": round(100 * float(np.min(values)), 1),
        "deviation": round(100 * float(np.std(values)), 1), "runs": len(values),
    }  # fmt: skip


def area(known: np.ndarray, unknown: np.ndarray) -> float:
    """Area under the ROC: how often something known scores higher than something unknown."""
    ranks = np.concatenate([known, unknown]).argsort().argsort() + 1
    return float(
        (ranks[: len(known)].sum() - len(known) * (len(known) + 1) / 2) / (len(known) * len(unknown))
    )


def reject(
    pool: Pool, names: Sequence[str], taught_from: np.ndarray, rows: np.ndarray, seeds: int, key: int
) -> list[tuple[float, float, float]]:
    """For every class that is left out: area, share of known accepted, share of unknown accepted."""
    found = []
    for out in names:
        for seed in range(seeds):
            rest = [name for name in names if name != out]
            taught = draw(pool, taught_from, rest, np.random.default_rng([seed, key]))
            vocabulary = pool.teach(taught)
            tested = np.setdiff1d(rows, taught)
            thresholds = np.array([g.threshold for g in vocabulary.gestures.values()])
            scores = pool.scores(vocabulary, tested)
            margin = (scores - thresholds).max(1)
            passed = scores.max(1) >= thresholds[scores.argmax(1)]
            unknown = pool.labels[tested] == out
            found.append(
                (
                    area(margin[~unknown], margin[unknown]),
                    float(passed[~unknown].mean()),
                    float(passed[unknown].mean()),
                )
            )
    return found


def said(rows: list[tuple[float, float, float]]) -> dict[str, Any]:
    """Means of `reject`."""
    a, known, unknown = np.mean(rows, 0)
    return {
        "AUROC": round(float(a), 3),
        "known accepted": round(100 * float(known), 1),
        "unknown accepted": round(100 * float(unknown), 1),
        "runs": len(rows),
    }


def measure_rejection(
    data: Path, model: GestureEncoder, part: str, seeds: int, whole: bool
) -> dict[str, Any]:
    """Left-out classes of signs (by the same signer, and by others) and of NATOPS."""
    signs, natops = Pool(read_signs(data, whole), model), Pool(read_natops(data, whole), model)
    every = sorted(set(signs.groups.tolist()))
    signers = [s for s in every if part == "all" or (s in CHOOSE_SIGNERS) == (part == "choose")]
    same, others = [], []
    for signer in signers:
        own = np.flatnonzero(signs.groups == signer)
        strangers = np.flatnonzero(np.isin(signs.groups, [s for s in signers if s != signer]))
        same += reject(signs, MP_SIGNS_COMMON, own, own, seeds, signer)
        others += reject(signs, MP_SIGNS_COMMON, own, strangers, seeds, signer)
    train, test = (np.flatnonzero(natops.groups == g) for g in ("train", "test"))
    names = sorted(set(natops.labels.tolist()))
    rows = reject(natops, names, train, train if part == "choose" else test, seeds, 0)
    return {"signs, same signer": said(same), "signs, other signers": said(others), "natops": said(rows)}


def moments_of(skeleton: Skeleton) -> Iterator[float]:
    """The times of a sequence's gestures."""
    times = skeleton.time if skeleton.time is not None else np.arange(skeleton.n_frames) / skeleton.fps
    for time_, label in zip(times, skeleton.frame_labels or (), strict=True):
        if label != NO_GESTURE:
            yield float(time_)


def measure_msrc12(data: Path, model: GestureEncoder, part: str, seeds: int) -> dict[str, Any]:
    """Online moments of the person who taught nothing."""
    clips = [read_msrc12(path) for path in sorted((data / "msrc12").glob("*.csv"))]
    people = sorted({int(c.info["subject"]) for c in clips})
    tested = [p for p in people if part == "all" or (p in CHOOSE_PERSONS) == (part == "choose")]
    result, totals = {}, np.zeros(3)
    delays: list[float] = []
    for person in tested:
        values = []
        for seed in range(seeds):
            rng = np.random.default_rng([seed, person])
            vocabulary = Vocabulary(model=model)
            for name in sorted({str(c.label) for c in clips}):
                rows: list[tuple[np.ndarray, np.ndarray, np.ndarray, float]] = []
                for clip in (c for c in clips if c.label == name and c.info["subject"] != person):
                    xyz, present, times = to_gesture_form(clip)
                    rows += [(xyz, present, times, at) for at in moments_of(clip) if at > BEFORE]
                examples = []
                for i in rng.choice(len(rows), N_EXAMPLES, replace=False):
                    xyz, present, times, at = rows[i]
                    examples.append(cut_example(xyz, present, times, at - BEFORE, at + AFTER, "kinect20"))
                vocabulary.add(name, examples, strict=False)
            truth, found, hours = {}, {}, 0.0
            for clip in (c for c in clips if c.info["subject"] == person):
                live = LiveGestures(vocabulary, clip.layout)
                times = np.asarray(clip.time)
                spotted = [
                    one
                    for t, x, s in zip(times, clip.xyz[0], clip.score[0], strict=True)
                    for one in live.push(float(t), x, s)
                ]
                truth[clip.id] = [(str(clip.label), at) for at in moments_of(clip)]
                found[clip.id] = [
                    Moment(o.name, o.end - AFTER, o.end - AFTER, o.score) for o in spotted + live.finish()
                ]
                delays += [o.decided - o.end for o in spotted]
                hours += float(times[-1]) / 3600
            score = score_moments(truth, found, hours)
            counts = np.array([sum(c.values()) for c in (score.hits, score.false, score.missed)], float)
            totals += counts
            values.append(2 * counts[0] / max(2 * counts[0] + counts[1] + counts[2], 1))
            sys.stderr.write(f"person {person} seed {seed}: F1 {values[-1]:.3f} {counts}\n")
        result[person] = round(float(np.mean(values)), 3)
    hits, false, missed = totals
    return {
        "F1 by person": result, "F1 together": round(float(2 * hits / (2 * hits + false + missed)), 3),
        "precision": round(float(hits / max(hits + false, 1)), 3),
        "recall": round(float(hits / max(hits + missed, 1)), 3),
        "seconds from the window's end to the decision, median": round(float(np.median(delays)), 3) if delays else None,
    }  # fmt: skip


def measure_idle(data: Path, model: GestureEncoder, seeds: int, n: int = 6000) -> dict[str, Any]:
    """How many windows of idle movement that no threshold was fitted to pass for a gesture."""
    result: dict[str, Any] = {"windows of each": n, "allowed an hour": Vocabulary().false_per_hour}
    signs, natops = Pool(read_signs(data, False), model), Pool(read_natops(data, False), model)
    teachers = sorted(set(signs.groups.tolist()) - set(CHOOSE_SIGNERS))[:seeds]
    drawn = [
        (signs, f"signs of {t}", np.flatnonzero(signs.groups == t), MP_SIGNS_COMMON, "holistic")
        for t in teachers
    ]
    names = sorted(set(natops.labels.tolist()))
    drawn.append((natops, "natops", np.flatnonzero(natops.groups == "train"), tuple(names), "points"))
    for pool, what, rows, named, profile in drawn:
        taught = draw(pool, rows, named, np.random.default_rng(0))
        vocabulary = pool.teach(taught)
        seen = np.mean([pool.examples[i].present.max(0) for i in taught], 0) >= 0.3
        xyz, present = make_idle(n, profile, torch.Generator().manual_seed(77), flat=vocabulary.flat)
        present = present * torch.from_numpy(seen).float()
        xyz = xyz * present[..., None]
        scores = vocabulary.scores(vocabulary.encode(xyz.numpy(), present.numpy()))
        thresholds = np.array([g.threshold for g in vocabulary.gestures.values()])
        result[what] = int((scores >= thresholds).any(1).sum())
    return result


def measure_time(model: GestureEncoder, seeds: int) -> dict[str, Any]:
    """Milliseconds of one window and of six, one thread; the median of many."""
    import onnxruntime

    torch.set_num_threads(1)
    result: dict[str, Any] = {"weights": sum(p.numel() for p in model.parameters())}
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "encoder.onnx")
        torch.onnx.export(
            model, example_input(2), path, input_names=["joints", "present"], output_names=["vector"],
            dynamic_axes={"joints": {0: "n"}, "present": {0: "n"}}, opset_version=17, dynamo=False,
        )  # fmt: skip
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    for n in (1, 6):
        x, p = torch.randn(n, *example_input()[0].shape[1:]), torch.ones(n, *example_input()[1].shape[1:])
        feed = {"joints": x.numpy(), "present": p.numpy()}
        with torch.inference_mode():
            ours = median_ms(lambda x=x, p=p: model(x, p), 20 * seeds)
        theirs = median_ms(lambda feed=feed: session.run(None, feed), 20 * seeds)
        result[f"{n} window{'s' if n > 1 else ''}"] = {"PyTorch ms": ours, "onnxruntime ms": theirs}
    return result


def median_ms(run: Callable[[], object], n: int) -> float:
    """Median of ``n`` runs in milliseconds of this process's processor time."""
    times = []
    for _ in range(n + 3):
        begin = time.process_time()
        run()
        times.append(time.process_time() - begin)
    return round(1000 * float(np.median(times[3:])), 2)


def main(arguments: list[str] | None = None) -> None:
    """Measure one set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", choices=("signs", "natops", "letters", "rejection", "msrc12", "idle", "time"))
    parser.add_argument("data", type=Path, metavar="DATA_FOLDER")
    parser.add_argument("--part", choices=("choose", "report", "all"), default="choose")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--encoder", default=None)
    parser.add_argument("--whole", action="store_true", help="recordings as a whole, rests at both ends too")
    parser.add_argument("--either-hand", action="store_true")
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args(arguments)
    model = load_encoder(options.encoder)
    readers = {"signs": read_signs, "natops": read_natops, "letters": read_letters}
    measures = {"signs": measure_signs, "natops": measure_natops, "letters": measure_letters}
    if options.set in readers:
        pool = Pool(readers[options.set](options.data, options.whole), model, options.either_hand)
        found = measures[options.set](pool, options.part, options.seeds)
    elif options.set == "rejection":
        found = measure_rejection(options.data, model, options.part, options.seeds, options.whole)
    elif options.set == "msrc12":
        found = measure_msrc12(options.data, model, options.part, options.seeds)
    elif options.set == "idle":
        found = measure_idle(options.data, model, options.seeds)
    else:
        found = measure_time(model, options.seeds)
    asked = {
        "set": options.set,
        "part": options.part,
        "seeds": options.seeds,
        "whole": options.whole,
        "either_hand": options.either_hand,
        "encoder": encoder_id(model),
    }
    text = json.dumps({**asked, **found}, indent=1)
    if options.out is not None:
        write_text(options.out, text)
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
