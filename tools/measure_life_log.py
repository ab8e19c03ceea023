"""Measure the life log: activities by hidden Markov models, and unusual motion, on real sets and on synthetic days.

python tools/measure_life_log.py activities utd_mhad.h5 nw_ucla.h5      recognition rate, chosen on the training part
python tools/measure_life_log.py one-class utd_mhad.h5 nw_ucla.h5 --seconds 1   each class as the normal one in turn
python tools/measure_life_log.py days [--residents 2 3 4 5 6]           planted oddities on synthetic days

The files are made by `skelact convert ... --benchmark utd_mhad` (nw_ucla) and have a training and a test part.
Activities: codes, streams and states are chosen by leaving subjects of the training part out (four folds); the test
part is used once. One class: a model of the training recordings of one class; the area under the ROC curve of the test
recordings of all others against those of that class, the mean over classes. Days: per resident five normal days to
learn from and three with every oddity; windows with at least a quarter of an oddity against those without any, getting
up again left out. The settings were chosen on resident 1.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np

from skelact.datasets.parts import fold_of
from skelact.datasets.synthetic.everyday.days import ODDITIES, RECOVERING, make_day
from skelact.errors import DataError
from skelact.evaluate.metrics import wilson_interval
from skelact.evaluate.ranking import equal_error_rate, roc_auc
from skelact.io.store import Store
from skelact.models.classical.body_motion import BodyMotion, body_motion
from skelact.recognition.activity_model import ActivityModel, ActivitySettings
from skelact.recognition.normal_motion import METHODS, NormalMotion, NormalSettings

GRID = [("body", 64), ("body", 128), ("body", 256), ("halves", 64), ("halves", 128), ("limbs", 64)]
STATES = (6,)
FOLDS = 4


def say(text: str) -> None:
    """A line of the result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Recordings:
    """The motions of a set by part, with labels and subjects."""

    def __init__(self, path: Path, rate: float) -> None:
        with Store(path) as store:
            train = next(n for n in store.splits if n.endswith("/train"))
            self.part = train.rpartition("/")[0]
            self.motions: dict[int, BodyMotion] = {}
            for i in range(len(store)):
                with suppress(DataError):
                    self.motions[i] = body_motion(store.read(i), 0, rate)
            self.labels = [store.label_names[k] for k in store.clips["label"]]
            self.subjects = [str(info.get("subject")) for info in store.infos]
            self.train, self.test = (
                [int(i) for i in store.splits[name] if int(i) in self.motions]
                for name in (train, f"{self.part}/test")
            )


def activities(path: Path, seed: int) -> None:
    """Choose on the training part, test once."""
    data = Recordings(path, ActivitySettings().rate)
    folds = fold_of([data.subjects[i] for i in data.train], FOLDS, 0)

    def fit(clips: list[int], settings: ActivitySettings) -> ActivityModel:
        return ActivityModel.fit([data.motions[i] for i in clips], [data.labels[i] for i in clips], settings)

    def right(model: ActivityModel, clips: list[int]) -> np.ndarray:
        return np.array([model.recognise(data.motions[i]) == data.labels[i] for i in clips])

    def validate(streams: str, codes: int, states: int) -> float:
        settings = ActivitySettings(codes, states, streams, seed=seed)
        shares = []
        for k in range(FOLDS):
            inside, out = (
                [i for i, f in zip(data.train, folds, strict=True) if (f == k) == held]
                for held in (False, True)
            )
            shares += right(fit(inside, settings), out).tolist()
        say(
            f"{path.stem}: {streams}, {codes} codes, {states} states: validation {100 * np.mean(shares):.1f} %"
        )
        return float(np.mean(shares))

    tried = {(streams, codes, 4): validate(streams, codes, 4) for streams, codes in GRID}
    streams, codes, _ = max(tried, key=lambda k: tried[k])
    tried |= {(streams, codes, states): validate(streams, codes, states) for states in STATES}
    streams, codes, states = max(tried, key=lambda k: tried[k])
    model = fit(data.train, ActivitySettings(codes, states, streams, seed=seed))
    found = right(model, data.test)
    low, high = wilson_interval(int(found.sum()), len(found))
    say(
        f"{path.stem}, {data.part}: {streams}, {codes} codes, {states} states, seed {seed}: test "
        f"{100 * found.mean():.1f} % ({100 * low:.1f} to {100 * high:.1f}) of {len(found)}"
    )


def one_class(path: Path, seconds: float, seed: int) -> None:
    """Every class as the normal one in turn."""
    settings = NormalSettings(seconds=seconds, step=seconds / 4, seed=seed)
    data = Recordings(path, settings.rate)
    areas: dict[str, dict[str, float]] = {}
    for name in sorted(set(data.labels)):
        learn = [data.motions[i] for i in data.train if data.labels[i] == name]
        try:
            model = NormalMotion.fit(learn, settings)
        except DataError as error:
            say(f"{path.stem}: {name} left out: {error}")
            continue
        windows = [model.windows(data.motions[i])[0] for i in data.test]
        other = np.array([data.labels[i] != name for i in data.test])
        there = np.array([len(w) > 0 for w in windows])
        owner = np.repeat(np.arange(len(windows)), [len(w) for w in windows])
        areas[name] = {}
        for method in METHODS:
            costs = model.cost(np.concatenate(windows), method)
            top = np.full(len(windows), -np.inf)
            np.maximum.at(top, owner, costs)
            areas[name][method] = roc_auc(top[there], other[there])
        say(f"{path.stem}: normal is {name}: " + ", ".join(f"{m} {a:.3f}" for m, a in areas[name].items()))
    for method in METHODS:
        each = [a[method] for a in areas.values()]
        say(f"{path.stem}, {data.part}, seed {seed}, {method}: mean AUC {np.mean(each):.3f}, lowest {min(each):.3f}, "
            f"{len(each)} classes")  # fmt: skip


def days(residents: list[int], minutes: float, seed: int) -> None:
    """Planted oddities on synthetic days."""
    settings = NormalSettings(seed=seed)
    rows: dict[str, list[list[float]]] = {m: [] for m in METHODS}
    for resident in residents:
        learn = [body_motion(make_day(resident, d, minutes=minutes), rate=settings.rate) for d in range(1, 6)]
        model = NormalMotion.fit(learn, settings)
        kinds, features, n_normal = [], [], 0
        for number in range(6, 9):
            day = make_day(resident, number, minutes=minutes, oddities=list(ODDITIES))
            windows, begins = model.windows(model.motion(day))
            assert day.frame_labels is not None
            labels = np.array(day.frame_labels)
            for window, begin in zip(windows, begins, strict=True):
                part = labels[int(begin * day.fps) : int((begin + settings.seconds) * day.fps)]
                odd = np.isin(part, list(ODDITIES))
                if odd.mean() < 0.25 and (odd.any() or (part == RECOVERING).any()):
                    continue
                kinds.append(str(part[odd][0]) if odd.any() else "")
                features.append(window)
                n_normal += not odd.any()
        kind, x = np.array(kinds), np.array(features)
        for method in METHODS:
            cost = model.cost(x, method)
            each = [
                roc_auc(cost[(kind == k) | (kind == "")], kind[(kind == k) | (kind == "")] == k)
                for k in ODDITIES
            ]
            above = cost > model.threshold(30.0, method)
            false = above[kind == ""].sum() / (n_normal * settings.step / 3600)
            caught = above[kind != ""].mean()
            rows[method].append(
                [roc_auc(cost, kind != ""), equal_error_rate(cost, kind != ""), *each, false, caught]
            )
            say(f"resident {resident}, {method}: AUC {rows[method][-1][0]:.3f}")
    names = [
        "AUC",
        "EER",
        *(f"AUC {k}" for k in ODDITIES),
        "false windows/h for 30 stated",
        "odd windows found",
    ]
    for method, values in rows.items():
        mean, spread = np.mean(values, 0), np.std(values, 0)
        say(f"{method}, residents {residents}, seed {seed}:")
        for name, m, s in zip(names, mean, spread, strict=True):
            say(f"  {name}: {m:.3f} ± {s:.3f}")


def main() -> None:
    """Run one measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["activities", "one-class", "days"])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--residents", nargs="+", type=int, default=[2, 3, 4, 5, 6])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a window, of one-class")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.what == "days":
        days(options.residents, options.minutes, options.seed)
    for path in options.files:
        if options.what == "activities":
            activities(path, options.seed)
        else:
            one_class(path, options.seconds, options.seed)


if __name__ == "__main__":
    main()
