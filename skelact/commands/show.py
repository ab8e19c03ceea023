"""``skelact show VIDEO|SET.h5|FILE``: recordings on a page of their own."""

from __future__ import annotations

import re
import webbrowser
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from skelact.commands.convert import show_reasons
from skelact.commands.options import named, need_at_least, parse
from skelact.commands.show_sources import Source, recordings
from skelact.commands.sources import is_video
from skelact.commands.ui import PARTLY, UI
from skelact.errors import ConfigError, DataError
from skelact.skeleton import Skeleton

HELP = """Look at skeletons in a browser: one HTML page that needs no network. 3D recordings turn, 2D ones are flat.

  skelact show video.mp4 --open                     find the people in a video and look at them
  skelact show S001C001P001R001A001.skeleton        a file of any known format (skelact formats)
  skelact show set.h5 --split subjects/test         clips of a set, to be chosen on the page
  skelact show set.h5 --clip 3 17                   two clips beside each other, at the same time
  skelact show before.mp4 after.mp4                 two recordings beside each other"""


@dataclass
class Options:
    """Options of show.

    Args:
        sources: a video, a skelact file, or a skeleton file of any known format; two of them are compared.
        out: the page to write; NAME.html in this folder if not given.
        clip: ids or numbers (from 0) of clips; of two sources, one for each. Two clips are compared.
        split: clips of this part of a skelact file.
        most: how many clips the page holds at most.
        start: seconds to begin at.
        seconds: how much to show.
        min_visibility: joints that are seen less surely than this (0 to 1) are not drawn; missing ones never are.
        open: open the page in a browser.
        overwrite: replace the page if it exists.
        people: how many people to look for in a video: one, many or auto.
        parts: pose, or pose+hands.
        coordinates: of videos: camera (metres from the camera), world (metres around each person's own hips) or image
            (flat, in the picture); camera, or image where the estimator sees no depth, if not given.
        fov: the camera's horizontal field of view in degrees; 60 is assumed if not given.
        estimator: who looks for people in a video: auto, mediapipe, movenet (17 joints, without depth), or a file
            MODEL.onnx, with --pose-layout.
        pose_layout: layout of the joints of an ONNX model, such as coco17: a name or a YAML file.
        quality: lite, full or heavy: which networks look for people and read them, from fast to exact.
        min_score: leave out people found less surely than this (0 to 1); the estimator's own limit if not given.
        format: format of a skeleton file; found out if not given.
        layout: layout of a skeleton file where the format leaves it open.
        fps: frame rate of a skeleton file where the format does not say.
        unit: unit of its joints (m, px, image, unknown) where the format does not say.
    """

    sources: Annotated[tuple[str, ...], tyro.conf.Positional, named("VIDEO|SET.h5|FILE")] = ()
    out: Annotated[str, named("PAGE.html")] = ""
    clip: Annotated[tuple[str, ...], named("ID|NUMBER")] = ()
    split: Annotated[str | None, named("NAME")] = None
    most: int = 24
    start: Annotated[float, named("SECONDS")] = 0.0
    seconds: Annotated[float | None, named("SECONDS")] = None
    min_visibility: Annotated[float, named("0..1")] = 0.2
    open: bool = False
    overwrite: bool = False
    people: Literal["auto", "one", "many"] = "auto"
    parts: Literal["pose", "pose+hands"] = "pose"
    coordinates: Annotated[Literal["camera", "world", "image"] | None, named("camera|world|image")] = None
    fov: Annotated[float | None, named("DEGREES")] = None
    estimator: Annotated[str, named("NAME|MODEL.onnx")] = "auto"
    pose_layout: Annotated[str | None, named("NAME|FILE.yaml")] = None
    quality: Literal["lite", "full", "heavy"] = "full"
    min_score: Annotated[float | None, named("0..1")] = None
    format: Annotated[str | None, named("NAME")] = None
    layout: Annotated[str | None, named("NAME|FILE.yaml")] = None
    fps: Annotated[float | None, named("FLOAT")] = None
    unit: Annotated[str | None, named("NAME")] = None


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    from skelact.io.outputs import check_output, holding

    options = parse(Options, arguments, "show", HELP)
    check(options)
    out = Path(options.out or default_name(options.sources))
    check_output(out, options.sources)
    if out.exists() and not options.overwrite:
        raise DataError(f"{out} exists already; name another page with --out, or replace it: --overwrite")
    with ExitStack() as held:
        held.enter_context(holding(out, options.sources))
        result = show(options, out, ui)
    ui.result(result)
    return PARTLY if result["failed"] else 0


def check(options: Options) -> None:
    """Refuse what cannot be meant, before any work.

    Raises:
        ConfigError: it says what is allowed.
    """
    if not 1 <= len(options.sources) <= 2:
        raise ConfigError(
            f"name one recording, or two to compare, got {len(options.sources)}: skelact show video.mp4"
        )
    if options.out and Path(options.out).suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"--out {options.out} is no page; name a file such as page.html")
    need_at_least(0, seconds=options.seconds, fps=options.fps)
    need_at_least(1, most=options.most)
    if not 0 <= options.start < float("inf"):
        raise ConfigError(f"--start must be at least 0, got {options.start}")
    if not 0 <= options.min_visibility <= 1:
        raise ConfigError(f"--min-visibility must lie in 0..1, got {options.min_visibility}")
    if len(options.sources) == 2 and len(options.clip) not in (0, 2):
        raise ConfigError(
            f"of two sources --clip names one clip for each, that is two; got {len(options.clip)}"
        )
    if options.clip and options.split is not None:
        raise ConfigError("--clip and --split both say which clips; give one of them")


def default_name(sources: Iterable[str]) -> str:
    """``NAME.html``, or ``NAME_NAME.html``, in this folder."""
    from skelact.io.addresses import short_name

    stems = [short_name(source) if is_video(source) else Path(source).absolute().stem for source in sources]
    return re.sub(r"[^\w.+-]+", "_", "_".join(stems)).strip("._") + ".html"


def show(options: Options, out: Path, ui: UI) -> dict[str, Any]:
    """Read or extract the recordings and write the page; returns what ``--json`` prints."""
    from skelact.evaluate.show.page import write_show_page

    failed: list[tuple[str, str]] = []
    two = len(options.sources) == 2
    found: list[Skeleton] = []
    for k, name in enumerate(options.sources):
        clips = options.clip[k : k + 1] if two else options.clip
        source = Source(name, clips, options.format, options.layout, options.fps, options.unit)
        found += recordings(options, source, 1 if two else options.most, failed, ui)
    show_reasons(ui, "could not be used", failed)
    shown = unlike(found)
    compare = two or len(options.clip) == 2
    path = write_show_page(
        out, shown, title=" and ".join(s.id for s in shown) if compare else Path(options.sources[0]).name,
        compare=compare, min_score=options.min_visibility,
    )  # fmt: skip
    size = path.stat().st_size
    ui.done(f"{path} ({max(1, size >> 10):,} KiB): {', '.join(map(_words, shown[:6]))}")
    if len(shown) > 6:
        ui.say(f"  and {len(shown) - 6} more, to be chosen on the page")
    if not options.open:
        ui.say("open it in a browser; --open does that at once")
    elif not webbrowser.open(path.resolve().as_uri()):
        ui.warn(f"no browser could be started; open {path} yourself")
    return {
        "page": str(path),
        "bytes": size,
        "recordings": [
            {
                "id": s.id, "label": s.label, "people": s.n_people, "frames": s.n_frames, "seconds": s.duration,
                "layout": s.layout.name, "dims": s.xyz.shape[3], "unit": s.unit,
            }
            for s in shown
        ],
        "failed": failed,
    }  # fmt: skip


def unlike(skeletons: list[Skeleton]) -> list[Skeleton]:
    """The recordings with ids that differ, as two files may hold the same."""
    seen: dict[str, int] = {}
    out = []
    for one in skeletons:
        seen[one.id] = seen.get(one.id, 0) + 1
        out.append(one if seen[one.id] == 1 else replace(one, id=f"{one.id} ({seen[one.id]})"))
    return out


def _words(skeleton: Skeleton) -> str:
    people = "1 person" if skeleton.n_people == 1 else f"{skeleton.n_people} people"
    return f"{skeleton.id} ({people}, {skeleton.duration:.1f} s)"
