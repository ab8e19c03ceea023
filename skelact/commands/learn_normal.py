"""``skelact learn-normal FILE ...``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tyro

from skelact.commands.options import named, need_at_least, parse
from skelact.commands.ui import UI
from skelact.errors import ConfigError, DataError, counted

if TYPE_CHECKING:
    from skelact.models.classical.body_motion import BodyMotion
    from skelact.skeleton import Skeleton

HELP = """Learn what is normal from days on which nothing happened, without labels.

  skelact learn-normal monday.h5 tuesday.h5 --out normal.safetensors    how people move, from recordings
  skelact learn-normal home.db --rest rest.json                         how long nobody moves at each hour, from a log

Recordings are skelact files in three coordinates (skelact extract, convert). Of a log (skelact monitor --log) what is
no sitting, lying or standing counts as motion. Give a week or more: three days are the least."""


@dataclass
class Options:
    """Options of learn-normal.

    Args:
        files: recordings (.h5) or logs (.db); all are taken together.
        out: the model of motion, learned from recordings.
        rest: the usual rests, learned from logs.
        part: only the recordings of this part of the files.
        per_hour: windows of normal motion that may exceed the threshold that is shown, an hour.
        tilt: degrees that the camera looks down, where nobody stands or walks from whom it could be learned.
        zone: local time of the logs, such as Europe/Berlin; this machine's if not given.
        seed: of what is drawn.
    """

    files: Annotated[tuple[str, ...], tyro.conf.Positional, named("FILE")] = ()
    out: Annotated[str, named("FILE")] = "normal.safetensors"
    rest: Annotated[str, named("FILE.json")] = "rest.json"
    part: Annotated[str, named("PART")] = ""
    per_hour: float = 1.0
    tilt: Annotated[float, named("DEGREES")] = 0.0
    zone: Annotated[str, named("ZONE")] = ""
    seed: int = 0


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    from skelact.commands.lifelog import read_zone
    from skelact.io.outputs import check_output

    options = parse(Options, arguments, "learn-normal", HELP)
    if not options.files:
        raise ConfigError("name recordings or logs of normal days: skelact learn-normal days.h5 home.db")
    need_at_least(0, per_hour=options.per_hour)
    logs = [f for f in options.files if Path(f).suffix.lower() in (".db", ".sqlite")]
    sets = [f for f in options.files if f not in logs]
    for path in ([options.out] if sets else []) + ([options.rest] if logs else []):
        check_output(path, options.files)
    zone = read_zone(options.zone)
    result: dict[str, Any] = {}
    if sets:
        result["motion"] = learn_motion(sets, options, ui)
    if logs:
        result["rest"] = learn_rest(logs, zone, options, ui)
    ui.result(result)
    return 0


def learn_motion(sets: list[str], options: Options, ui: UI) -> dict[str, Any]:
    """Learn normal motion from recordings, and write it."""
    from skelact.recognition.normal_motion import METHODS, NormalMotion, NormalSettings

    settings = NormalSettings(seed=options.seed)
    motions: list[BodyMotion] = []
    with ui.progress("reading") as update:
        left = sum(read_motions(path, options, settings.rate, motions, update) for path in sets)
    if left:
        ui.warn(f"{counted(left, 'person was', 'people were')} left out: hips and shoulders are never seen")
    model = NormalMotion.fit(motions, settings)
    model.save(options.out)
    seconds = sum(len(m) / m.rate for m in motions)
    ui.done(f"{options.out}: normal motion from {counted(len(motions), 'track')}, {seconds / 3600:.2f} hours")
    found = {m: model.threshold(options.per_hour, m) for m in METHODS}
    ui.table(
        ["way", f"threshold for {options.per_hour:g} windows an hour", "learned from [h]"],
        [[m, found[m], model.tails[m].hours] for m in METHODS],
    )
    if model.tails["sparse"].hours * options.per_hour < 3:
        ui.warn(
            f"the thresholds stand on {model.tails['sparse'].hours:.2f} held out hours; a rate of "
            f"{options.per_hour:g} an hour is extrapolated from them"
        )
    return {
        "out": options.out, "tracks": len(motions), "hours": seconds / 3600, "left_out": left,
        "atoms": model.sparse.atoms.shape[1], "thresholds": found,
    }  # fmt: skip


def read_motions(path: str, options: Options, rate: float, motions: list[BodyMotion], update: Any) -> int:
    """Add everybody's motion; returns how many have none.

    Raises:
        DataError: for joints about the hips: where people go is not known.
    """
    from skelact.commands.learn_activities import clips_of
    from skelact.io.store import Store
    from skelact.models.classical.body_motion import body_motion
    from skelact.skeleton import need_trajectory

    left = 0
    with Store(path) as store:
        need_trajectory(store.origin, "normal motion", path)
        clips = clips_of(store, options.part or "all")
        for n, clip in enumerate(clips):
            recording = store.read(clip)
            update(n + 1, len(clips), recording.id)
            up = upward(recording, options.tilt)
            for m in range(recording.n_people):
                try:
                    motions.append(body_motion(recording, m, rate, up))
                except DataError:
                    if recording.xyz.shape[3] != 3:
                        raise
                    left += 1
    return left


def upward(recording: Skeleton, tilt: float) -> np.ndarray:
    """Against gravity ``[3]`` in a recording's coordinates, from who stands and walks in it, as in live use."""
    from skelact.monitor.ground import Ground

    ground = Ground(recording.layout, tilt)
    times = np.arange(recording.n_frames) / recording.fps if recording.time is None else recording.time
    if recording.xyz.shape[3] == 3:
        for t in range(0, recording.n_frames, max(1, round(0.2 * recording.fps))):
            for xyz, score in zip(recording.xyz[:, t], recording.score[:, t], strict=True):
                ground.see(xyz, score, float(times[t]))
    return ground.up


def learn_rest(logs: list[str], zone: Any, options: Options, ui: UI) -> dict[str, Any]:
    """Learn usual rests from logs, and write them."""
    from skelact.monitor.log import read_log
    from skelact.monitor.spans import in_words
    from skelact.monitor.usual_rest import UsualRest, moves_of

    moves = [span for path in logs for span in moves_of(read_log(path))]
    if not moves:
        raise DataError(
            f"{', '.join(logs)}: there is no motion with a date in it; skelact monitor CAMERA --log writes one"
        )
    usual = UsualRest.learn(moves, zone)
    usual.save(options.rest)
    limits = [usual.limit(hour) for hour in range(24)]
    ui.done(f"{options.rest}: rests of {counted(len(usual.longest), 'day')}")
    known = [(hour, v) for hour, v in enumerate(limits) if v < float("inf")]
    ui.table(["hour", "unusual from"], [[f"{hour:02d}", in_words(v)] for hour, v in known])
    if len(known) < 24:
        ui.warn(f"of {24 - len(known)} hours too few days are known; nothing is said in them yet")
    return {
        "out": options.rest,
        "days": len(usual.longest),
        "limits": [v if v < 1e300 else None for v in limits],
    }
