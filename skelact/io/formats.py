"""Every file format that is read, in one table, and telling them apart."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from skelact.errors import DataError, choices
from skelact.io import (  # fmt: skip
    ctrgcn,
    falls,
    gesture_phase,
    holistic,
    joints_csv,
    kinetics,
    mp_signs,
    msrc12,
    ntu,
    ntu_names,
    openpose,
    pose_format,
    pyskl,
    sbu,
    ucla,
    uea,
    utd_mhad,
)
from skelact.io.reading import Notes, read_text
from skelact.layouts import SkeletonLayout
from skelact.skeleton import Skeleton

_LOOK = 5000  # files of a folder that are looked at to tell its format


@dataclass
class ReadOptions:
    """What a reader may need besides the file, and what it tells besides the recordings.

    Args:
        layout: of the file, where the format leaves it open (csv, uea, pyskl, pose, holistic).
        fps, unit: where the format does not say.
        label_names: the classes in order, where the format has numbers only.
        max_people, denoise: which bodies of an NTU file are people (see `skelact.io.ntu.select_bodies`).
        root: the folder that was given, for formats that take labels from folder names.
        notes: filled by the reader: what was mended or dropped.
        splits: filled by the reader: named parts that the file itself defines.
    """

    layout: SkeletonLayout | str | None = None
    fps: float | None = None
    unit: str | None = None
    label_names: Sequence[str] | None = None
    max_people: int | None = 2
    denoise: bool = True
    root: Path | None = None
    notes: Notes = field(default_factory=list)
    splits: dict[str, list[str]] = field(default_factory=dict)


Reader = Callable[[Path, ReadOptions], Iterable[Skeleton]]


@dataclass(frozen=True)
class Format:
    """One file format.

    Args:
        name: short name, for ``--format``.
        description: one line.
        layout: name of its layout, or None if it depends on the file.
        fits: whether a file looks like this format (by name, and by its first bytes where names are not
            enough).
        read: recordings of one item.
        item: the thing that is read at once, from a file that fits (the file, or its folder).
        clip_id: the recording's id from the item alone, to resume without reading; None: many a file.
        label_names: the classes in order, from all items; None: those that occur.
        write: what writes it (see the function for its arguments), or None.
    """

    name: str
    description: str
    layout: str | None
    fits: Callable[[Path], bool]
    read: Reader
    item: Callable[[Path], Path] = lambda path: path
    clip_id: Callable[[Path], str] | None = None
    label_names: Callable[[Sequence[Path]], Sequence[str] | None] = lambda items: None
    write: Callable[..., Any] | None = None

    def find(self, path: str | Path) -> list[Path]:
        """The items below a folder (or the file itself), sorted by name.

        Raises:
            DataError: if the path does not exist or nothing there has this format.
        """
        path = Path(path)
        if not path.exists():
            raise DataError(_missing(path))
        files = [path] if path.is_file() else _walk(path)
        found = list(dict.fromkeys(sorted(self.item(p) for p in files if self.fits(p))))
        if not found:
            raise DataError(f"{path}: nothing there is of format '{self.name}' ({self.description})")
        return found


def _missing(path: Path) -> str:
    unfinished = path.with_name(path.name + ".partial") if path.name else path
    if unfinished.is_file():
        return f"{path} does not exist, but an unfinished {unfinished.name}: make it again, or go on with --resume"
    return f"{path} does not exist; check the path"


def _videos_among(files: Iterable[Path]) -> bool:
    from skelact.io.video_open import VIDEO_SUFFIXES  # brings PyAV along

    return any(p.suffix.lower() in VIDEO_SUFFIXES for p in files)


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield Path(place) / name


@lru_cache(maxsize=8)
def _head_of(path: Path, size: int, modified: int) -> str:
    try:
        with path.open("rb") as file:
            return file.read(4096).decode("utf-8", "replace").lstrip("\ufeff")
    except OSError:
        return ""


def _head(path: Path) -> str:
    """The first bytes as text; one read serves all formats that ask."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return _head_of(path, status.st_size, status.st_mtime_ns)


def _named(*suffixes: str) -> Callable[[Path], bool]:
    return lambda path: path.suffix.lower() in suffixes


def _json(*words: str) -> Callable[[Path], bool]:
    return lambda path: path.suffix.lower() == ".json" and all(f'"{w}"' in _head(path) for w in words)


def _csv(fits: Callable[[list[str]], bool]) -> Callable[[Path], bool]:
    def test(path: Path) -> bool:
        if path.suffix.lower() != ".csv":
            return False
        lines = _head(path).splitlines()
        return bool(lines) and fits([c.strip() for c in lines[0].split(",")])

    return test


def _npz(*arrays: str) -> Callable[[Path], bool]:
    def test(path: Path) -> bool:
        if path.suffix.lower() != ".npz":
            return False
        try:
            with zipfile.ZipFile(path) as file:
                return {f"{a}.npy" for a in arrays} <= set(file.namelist())
        except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):
            return False

    return test


def _single(read: Callable[..., Skeleton]) -> Reader:
    return lambda path, options: [read(path, notes=options.notes)]


def _classes(folder: Path) -> tuple[str, ...] | None:
    """Names of the actions in ``classes.txt`` beside NTU-style files, one a line."""
    path = folder / "classes.txt"
    try:
        status = path.stat()
    except OSError:
        return None
    return _classes_of(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _classes_of(path: Path, modified: int, size: int) -> tuple[str, ...]:
    return tuple(line.strip() for line in read_text(path).splitlines() if line.strip())


def _read_ntu(path: Path, options: ReadOptions) -> Iterable[Skeleton]:
    names = options.label_names or _classes(path.parent)
    skeleton, report = ntu.read_ntu_report(
        path, max_people=options.max_people, denoise=options.denoise, label_names=names
    )
    options.notes += report.notes()
    return [skeleton]


def _ntu_labels(items: Sequence[Path]) -> Sequence[str] | None:
    own = _classes(items[0].parent)
    if own:
        return own
    actions = []
    for path in items:
        try:
            actions.append(ntu_names.parse_ntu_name(path.name)["action"])
        except DataError:
            continue
    if not actions:
        return None
    return ntu_names.NTU60_NAMES if max(actions) <= 60 else ntu_names.NTU120_NAMES


def _read_uea(path: Path, options: ReadOptions) -> Iterable[Skeleton]:
    return uea.iter_uea(
        path, options.layout, fps=options.fps, unit=options.unit or "unknown", notes=options.notes
    )


def _read_openpose(folder: Path, options: ReadOptions) -> Iterable[Skeleton]:
    label = None
    if options.root is not None and folder.parent != options.root and folder != options.root:
        label = folder.parent.name  # ROOT/label/clip/*.json
    return [openpose.read_openpose(folder, options.fps or 30.0, label, notes=options.notes)]


def _read_pyskl(path: Path, options: ReadOptions) -> Iterable[Skeleton]:
    skeletons, splits = pyskl.read_pyskl(
        path,
        options.layout,
        fps=options.fps or pyskl.PYSKL_FPS,
        unit=options.unit,
        label_names=options.label_names,
        notes=options.notes,
    )
    for name, ids in splits.items():
        # xsub_train → xsub/train, the way splits are named in a skelact file
        head, _, part = name.rpartition("_")
        key = f"{head}/{part}" if head and part in ("train", "val", "test") else name
        if key in options.splits:
            options.notes.append(f"split {name!r} collides with another of the name '{key}' and is left out")
        else:
            options.splits[key] = ids
    return skeletons


def _read_ctrgcn(path: Path, options: ReadOptions) -> Iterable[Skeleton]:
    skeletons, splits = ctrgcn.read_ctrgcn(path, options.label_names, notes=options.notes)
    options.splits.update({f"given/{part}": ids for part, ids in splits.items()})
    return skeletons


def _read_csv(path: Path, options: ReadOptions) -> Iterable[Skeleton]:
    if options.layout is None:
        raise DataError(
            f"{path}: a CSV of joints needs a layout: --layout NAME, or a YAML file that declares yours"
        )
    return joints_csv.iter_csv(
        path, options.layout, fps=options.fps or 30.0, unit=options.unit or "unknown", notes=options.notes
    )


def _read_store(path: Path, options: ReadOptions) -> Iterable[Skeleton]:
    from skelact.io.store import Store

    with Store(path) as store:
        ids = store.clips["id"]
        options.splits.update({name: [str(ids[k]) for k in rows] for name, rows in store.splits.items()})
        yield from store


def _store_labels(items: Sequence[Path]) -> Sequence[str] | None:
    from skelact.io.store import Store

    names: dict[str, None] = {}
    for path in items:
        with Store(path) as store:
            names.update(dict.fromkeys(store.label_names))
    return list(names)


_ALL = (
    Format(
        "ntu", "NTU RGB+D .skeleton files; a classes.txt beside them names actions of one's own", "ntu25",
        _named(".skeleton"), _read_ntu, clip_id=lambda p: p.name.removesuffix(".skeleton"),
        label_names=_ntu_labels, write=ntu.write_ntu,
    ),
    Format(
        "nw_ucla", "Northwestern-UCLA Multiview JSON", "kinect20", _json("skeletons", "file_name"),
        _single(ucla.read_ucla), clip_id=lambda p: p.stem, label_names=lambda _: ucla.UCLA_NAMES,
        write=ucla.write_ucla,
    ),
    Format(
        "utd_mhad", "UTD-MHAD skeleton .mat files", "kinect20_utd",
        lambda p: p.name.endswith("_skeleton.mat"), _single(utd_mhad.read_utd),
        clip_id=lambda p: p.stem.removesuffix("_skeleton"), label_names=lambda _: utd_mhad.UTD_NAMES,
        write=utd_mhad.write_utd,
    ),
    Format(
        "sbu", "SBU Kinect Interaction, PAIR/CLASS/RUN/skeleton_pos.txt", "sbu15",
        lambda p: p.name == "skeleton_pos.txt", _single(sbu.read_sbu),
        clip_id=lambda p: "_".join(p.absolute().parts[-4:-1]), label_names=lambda _: sbu.SBU_NAMES,
        write=sbu.write_sbu,
    ),
    Format(
        "uea", "UEA archive .ts files (NATOPS; others with a layout)", None, _named(".ts"), _read_uea,
        label_names=lambda items: (
            uea.NATOPS_NAMES if all(p.name.upper().startswith("NATOPS") for p in items) else None
        ),
    ),
    Format(
        "gesture_phase", "UCI Gesture Phase Segmentation, *_raw.csv", "gesture6",
        _csv(lambda c: c[:3] == ["lhx", "lhy", "lhz"]), _single(gesture_phase.read_gesture_phase),
        clip_id=lambda p: p.stem.removesuffix("_raw"),
    ),
    Format(
        "msrc12", "MSRC-12 Kinect gestures, .csv and .tagstream pairs", "kinect20",
        lambda p: msrc12.is_msrc12(_head(p), p.suffix), _single(msrc12.read_msrc12),
        clip_id=lambda p: p.stem, label_names=lambda _: msrc12.MSRC12_NAMES,
    ),
    Format(
        "up_fall", "UP-Fall, 33 landmarks and an impact label a frame", "pose33",
        _csv(lambda c: len(c) == 100 and c[0] == "Joint1_X"), _single(falls.read_up_fall),
        clip_id=lambda p: p.stem, label_names=lambda _: falls.UP_FALL_NAMES,
    ),
    Format(
        "ur_fall", "UR Fall 2D poses, all videos in one CSV", "urfd13",
        _csv(lambda c: c[:3] == ["video", "frame", "Nose_x"]),
        lambda path, options: falls.iter_ur_fall(path, notes=options.notes),
    ),
    Format(
        "kinetics", "Kinetics-Skeleton JSON, one file a clip", None, _json("data", "frame_index"),
        _single(kinetics.read_kinetics), clip_id=lambda p: p.stem, write=kinetics.write_kinetics,
    ),
    Format(
        "openpose", "OpenPose JSON, one folder a clip and one file a frame", None,
        lambda p: p.name.endswith("_keypoints.json"), _read_openpose, item=lambda p: p.parent,
        clip_id=lambda p: p.name, write=openpose.write_openpose,
    ),
    Format(
        "pyskl", "PYSKL annotation pickles (numpy arrays and plain containers only)", None,
        _named(".pkl", ".pickle"), _read_pyskl, write=pyskl.write_pyskl,
    ),
    Format(
        "ctrgcn", "CTR-GCN .npz with x_train, y_train, x_test, y_test", "ntu25",
        _npz("x_train", "y_train"), _read_ctrgcn, write=ctrgcn.write_ctrgcn,
    ),
    Format(
        "mp_signs", "MediaPipe Holistic sign sequences .npz", "pose_hands75", _npz("X", "label"),
        lambda path, options: mp_signs.iter_mp_signs(path, notes=options.notes),
    ),
    Format("pose", "sign language .pose files (Holistic, OpenPose), v0.1 and v0.2", None, _named(".pose"),
           pose_format.read_pose_files, write=pose_format.write_pose),
    Format("holistic", "MediaPipe Holistic arrays [T, 543, 3], .npy or .npz", None, holistic.is_holistic,
           holistic.read_holistic_files),
    Format(
        "csv", "CSV of joints with columns clip, frame, <joint>_x, ... and a layout", None,
        _csv(lambda c: {"clip", "frame"} <= set(c)), _read_csv, write=joints_csv.write_csv,
    ),
    Format(
        "skelact", "skelact's own HDF5 file", None, _named(".h5", ".hdf5"), _read_store,
        label_names=_store_labels,
    ),
)  # fmt: skip

FORMATS: Mapping[str, Format] = {f.name: f for f in _ALL}


def get_format(name: str) -> Format:
    """The format of this name.

    Raises:
        DataError: for an unknown name.
    """
    if name not in FORMATS:
        raise DataError(choices(name, FORMATS, "format"))
    return FORMATS[name]


def detect_format(path: str | Path) -> str:
    """Tell the format of a file, or of the files below a folder.

    Raises:
        DataError: if there is nothing, nothing known, or more than one format.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(_missing(path))
    files = [path] if path.is_file() else list(islice(_walk(path), _LOOK))
    if not files:
        raise DataError(f"{path} is an empty folder")
    found = [f.name for f in _ALL if any(f.fits(p) for p in files)]
    allowed = ", ".join(FORMATS)
    if not found:
        if _videos_among(files):
            kind = "a folder of videos" if path.is_dir() else "a video"
            raise DataError(
                f"{path} is {kind}, and skeletons are needed; find the people in it first: skelact extract {path} "
                f"--out {path.resolve().stem or 'videos'}.h5"
            )
        kinds = ", ".join(sorted({p.suffix or p.name for p in files})[:10])
        raise DataError(f"{path}: no known format among {kinds}; allowed: {allowed}. Name one with --format")
    if len(found) > 1:
        raise DataError(f"{path} could be {' or '.join(found)}; name the one you mean with --format")
    return found[0]
