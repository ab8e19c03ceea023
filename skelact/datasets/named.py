"""Named benchmarks: their format, classes and official splits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from skelact.datasets.splits import Clip, split_ntu
from skelact.errors import DataError, choices
from skelact.io.falls import UP_FALL_NAMES
from skelact.io.mp_signs import sign_name
from skelact.io.msrc12 import MSRC12_NAMES
from skelact.io.ntu_names import NTU60_NAMES, NTU120_NAMES
from skelact.io.sbu import SBU_NAMES
from skelact.io.ucla import UCLA_NAMES
from skelact.io.uea import NATOPS_NAMES
from skelact.io.utd_mhad import UTD_NAMES

Info = Mapping[str, str | int | float]
Assign = Callable[[Sequence[Clip]], dict[str, dict[str, str]]]

SBU_FOLDS: dict[str, tuple[str, ...]] = {
    "fold1": ("s01s02", "s03s04", "s05s02", "s06s04"),
    "fold2": ("s02s03", "s02s07", "s03s05", "s05s03"),
    "fold3": ("s01s03", "s01s07", "s07s01", "s07s03"),
    "fold4": ("s02s01", "s02s06", "s03s02", "s03s06"),
    "fold5": ("s04s02", "s04s03", "s04s06", "s06s02", "s06s03"),
}
MP_SIGNS_COMMON: tuple[str, ...] = ("hello", "iloveyou", "thanks")


@dataclass(frozen=True)
class Benchmark:
    """One named benchmark.

    Args:
        name: short name.
        description: what it is and which protocol is reported.
        format: name of its format in `skelact.io.formats.FORMATS`.
        label_names: the classes in order, None if clips are labelled frame by frame or classes vary.
        assign: (id, info) of all clips → protocol → id → ``train`` or ``test``; a clip that a protocol does
            not use is left out.
    """

    name: str
    description: str
    format: str
    label_names: tuple[str, ...] | None
    assign: Assign


def _each(protocol: str, part: Callable[[str, Info], str | None]) -> Assign:
    """A protocol that assigns each clip by itself."""

    def assign(clips: Sequence[Clip]) -> dict[str, dict[str, str]]:
        parts = {name: part(name, info) for name, info in clips}
        return {protocol: {name: p for name, p in parts.items() if p is not None}}

    return assign


def _both(*assigns: Assign) -> Assign:
    def assign(clips: Sequence[Clip]) -> dict[str, dict[str, str]]:
        return {protocol: parts for a in assigns for protocol, parts in a(clips).items()}

    return assign


def _ntu(protocol: str) -> Assign:
    return _each(protocol.partition("_")[2], lambda name, _: split_ntu(name, protocol))


def _choose(
    key: str, train: tuple[object, ...], test: tuple[object, ...]
) -> Callable[[str, Info], str | None]:
    return lambda _, info: "train" if info.get(key) in train else "test" if info.get(key) in test else None


def _sbu(clips: Sequence[Clip]) -> dict[str, dict[str, str]]:
    known = {pair for pairs in SBU_FOLDS.values() for pair in pairs}
    return {
        fold: {
            name: "test" if info.get("pair") in pairs else "train"
            for name, info in clips
            if info.get("pair") in known
        }
        for fold, pairs in SBU_FOLDS.items()
    }


def _leave_one_out(
    key: str, protocol: str, clips: Sequence[Clip], names: Sequence[object] | None = None
) -> dict[str, dict[str, str]]:
    groups = names if names is not None else sorted({info[key] for _, info in clips if key in info}, key=str)
    used = [(name, info[key]) for name, info in clips if info.get(key) in groups]
    return {
        f"{protocol}{g:02d}" if isinstance(g, int) else f"{protocol}_{g}": {
            name: "test" if value == g else "train" for name, value in used
        }
        for g in groups
    }


def _signs(clips: Sequence[Clip]) -> dict[str, dict[str, str]]:
    """Leave one signer out, over the signers who have all three common signs, and these signs only."""
    signs: dict[object, set[str | None]] = {}
    common = []
    for name, info in clips:
        sign = sign_name(str(info.get("written_label", "")))
        signs.setdefault(info.get("subject"), set()).add(sign)
        if sign in MP_SIGNS_COMMON:
            common.append((name, info))
    whole = sorted(s for s, seen in signs.items() if isinstance(s, int) and seen >= set(MP_SIGNS_COMMON))
    return _leave_one_out("subject", "signer", common, whole)


def _ur_fall(name: str, _: Info) -> str | None:
    number = name.rpartition("-")[2]
    if not number.isdigit():
        return None
    return "test" if int(number) % 3 == 0 else "train"


_ALL = (
    Benchmark(
        "ntu60", "NTU RGB+D 60: cross-subject and cross-view", "ntu", NTU60_NAMES,
        _both(_ntu("ntu60_xsub"), _ntu("ntu60_xview")),
    ),
    Benchmark(
        "ntu120", "NTU RGB+D 120: cross-subject and cross-setup", "ntu", NTU120_NAMES,
        _both(_ntu("ntu120_xsub"), _ntu("ntu120_xset")),
    ),
    Benchmark(
        "nw_ucla", "Northwestern-UCLA: train on views 1 and 2, test on view 3", "nw_ucla", UCLA_NAMES,
        _each("xview", _choose("view", (1, 2), (3,))),
    ),
    Benchmark(
        "utd_mhad", "UTD-MHAD: train on odd, test on even subjects", "utd_mhad", UTD_NAMES,
        _each("xsub", _choose("subject", (1, 3, 5, 7), (2, 4, 6, 8))),
    ),
    Benchmark("sbu", "SBU Kinect Interaction: five folds by pair", "sbu", SBU_NAMES, _sbu),
    Benchmark(
        "natops", "NATOPS of the UEA archive: the two files", "uea", NATOPS_NAMES,
        _each("official", _choose("part", ("train",), ("test",))),
    ),
    Benchmark(
        "gesture_phase", "UCI Gesture Phase: train on user a, test on user b, labels per frame",
        "gesture_phase", None, _each("user", _choose("subject", ("a",), ("b",))),
    ),
    Benchmark(
        "msrc12", "MSRC-12 gestures and their moments: leave one person out", "msrc12", MSRC12_NAMES,
        lambda clips: _leave_one_out("subject", "person", clips),
    ),
    Benchmark(
        "ur_fall", "UR Fall, labels per frame: every third video tests (there is no official split)",
        "ur_fall", None, _each("video", _ur_fall),
    ),
    Benchmark(
        "up_fall", "UP-Fall, falls only: leave one subject out", "up_fall", UP_FALL_NAMES,
        lambda clips: _leave_one_out("subject", "subject", clips),
    ),
    Benchmark(
        "mp_signs", "MediaPipe signs: leave one signer out over three common signs", "mp_signs", None, _signs
    ),
)  # fmt: skip

BENCHMARKS: Mapping[str, Benchmark] = {b.name: b for b in _ALL}


def get_benchmark(name: str) -> Benchmark:
    """The benchmark of this name.

    Raises:
        DataError: for an unknown name.
    """
    if name not in BENCHMARKS:
        raise DataError(choices(name, BENCHMARKS, "benchmark"))
    return BENCHMARKS[name]


def benchmark_splits(name: str, clips: Sequence[Clip]) -> dict[str, list[str]]:
    """The official splits of a benchmark.

    Args:
        name: a key of `BENCHMARKS`.
        clips: (id, info) of all its recordings.

    Returns:
        ``{"xsub/train": ids, "xsub/test": ids, ...}``, ids in the order of the clips.

    Raises:
        DataError: for an unknown benchmark, or a clip that cannot belong to it.
    """
    named: dict[str, list[str]] = {}
    for protocol, parts in get_benchmark(name).assign(clips).items():
        for part in ("train", "test"):
            named[f"{protocol}/{part}"] = [i for i, _ in clips if parts.get(i) == part]
    return named
