"""``skelact describe INPUT``: a sentence for every stretch of every person's motion."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from skelact.commands.options import named, need_at_least, parse
from skelact.commands.translate import check_ending, read_source, sort_words, video_of
from skelact.commands.ui import UI
from skelact.errors import ConfigError, DataError

HELP = """Describe what people do, in sentences: who, does what, with which hand, how, in what order.

  skelact describe video.mp4                            by the network that ships with skelact
  skelact describe runs/NAME/text video.mp4 --out video.srt

The network that ships knows thirteen actions of synthetic people only (waves, raises a hand, points, drinks, punches,
kicks, claps, walks, jumps, squats, bows, sits down, stands still) and says the nearest of them whatever it sees; where
the everyday network is sure of something else (a fall, lying, kneeling, throwing, ...), its name is the sentence."""

ENDINGS = (".srt", ".eaf", ".json", ".csv")


@dataclass
class Options:
    """Options of describe.

    Args:
        first: the input, or the checkpoint and then the input.
        second: the input, if the checkpoint came first.
        checkpoint: checkpoint file or run folder of the task text; the network that ships if not given.
        out: where the sentences are written; FILE.srt, .eaf, .json or .csv.
        shortest: seconds that a person must be seen at a stretch.
        longest: seconds that one sentence describes at most.
        people: how many people to look for in a video: one, many or auto.
        beam: how many sentences the search keeps.
        penalty: of the length of a sentence; larger: longer ones.
        seconds: of a video, from its beginning on; all of it if not given.
        estimator: who looks for people in a video, see skelact predict.
        quality: lite, full or heavy, see skelact predict.
        device: auto (a GPU if there is one), cpu, cuda or cuda:1.
        format: format of a skeleton file; found out if not given.
        layout: layout of a skeleton file where the format leaves it open.
        fps: frame rate of a skeleton file where the format does not say.
        unit: unit of its joints where the format does not say.
    """

    first: Annotated[str, tyro.conf.Positional, named("[RUN]")] = ""
    second: Annotated[str, tyro.conf.Positional, named("INPUT")] = ""
    checkpoint: Annotated[str, named("RUN")] = ""
    out: Annotated[str, named("FILE")] = ""
    shortest: Annotated[float, named("SECONDS")] = 1.5
    longest: Annotated[float, named("SECONDS")] = 8.0
    people: Literal["auto", "one", "many"] = "auto"
    beam: int = 3
    penalty: float = 1.0
    seconds: Annotated[float | None, named("SECONDS")] = None
    estimator: Annotated[str, named("NAME|MODEL.onnx")] = "auto"
    quality: Literal["lite", "full", "heavy"] = "full"
    device: str = "auto"
    format: Annotated[str | None, named("NAME")] = None
    layout: Annotated[str | None, named("NAME|FILE.yaml")] = None
    fps: Annotated[float | None, named("FLOAT")] = None
    unit: Annotated[str | None, named("NAME")] = None


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    from contextlib import nullcontext

    from skelact.io.outputs import holding

    options = parse(Options, arguments, "describe", HELP)
    checkpoint, source = sort_words(options.first, options.second, options.checkpoint, "describe")
    need_at_least(1, beam=options.beam)
    need_at_least(
        0, seconds=options.seconds, fps=options.fps, shortest=options.shortest, longest=options.longest
    )
    if options.longest < 2 * options.shortest:
        raise ConfigError(
            f"--longest must be at least twice --shortest, got {options.longest:g} and {options.shortest:g}"
        )
    check_ending(options.out, ENDINGS)
    with holding(options.out, [source]) if options.out else nullcontext():
        ui.result(describe(options, checkpoint, source, ui))
    return 0


def describe(options: Options, checkpoint: str, source: str, ui: UI) -> dict[str, Any]:
    """Describe an input; returns what ``--json`` prints."""
    from skelact.layouts.parts import regions
    from skelact.recognition import Recogniser
    from skelact.recognition.captions_beyond import say_what_is_beyond
    from skelact.recognition.everyday import EVERYDAY
    from skelact.recognition.language_captions import SHIPPED_CAPTIONS, load_captions
    from skelact.recognition.language_captions import describe as describe_recording

    network = load_captions(checkpoint, options.device)
    hands = any("hand" in name for name in regions(network.card.skeleton_layout))
    everyday = Recogniser(EVERYDAY, options.device) if str(network.path) == str(SHIPPED_CAPTIONS) else None
    recordings = read_source(options, source, network.card.unit == "m", hands, options.people, ui)
    if len(recordings) > 1 and options.out and Path(options.out).suffix.lower() in (".eaf", ".srt"):
        raise DataError(
            f"{source} holds {len(recordings)} recordings, and a file {Path(options.out).suffix} is of one; write "
            ".json or .csv"
        )
    rows, failed = [], []
    for recording in recordings:
        try:
            found = describe_recording(
                recording, network, shortest=options.shortest, longest=options.longest, beam=options.beam,
                penalty=options.penalty, video=video_of(recording, source, options.format),
            )  # fmt: skip
        except DataError as error:
            if len(recordings) == 1:
                raise
            failed.append({"recording": recording.id, "error": str(error)})
            ui.warn(str(error))
            continue
        if everyday is not None:
            found = say_what_is_beyond(recording, found, everyday)
        rows += [{"recording": recording.id, **asdict(caption)} for caption in found]
    if not rows:
        raise DataError(f"none of the {len(recordings)} recordings of {source} could be described")
    ui.table(
        ["recording", "person", "when", "sentence", "score"],
        [
            [
                r["recording"],
                r["person"],
                f"{r['start']:.1f}–{r['end']:.1f} s",
                r["text"],
                f"{r['score']:.2f}",
            ]
            for r in rows[:40]
        ],
    )
    if len(rows) > 40:
        ui.say(f"... and {len(rows) - 40} more")
    output: dict[str, Any] = {"captions": rows, "failed": failed}
    if options.out:
        write(Path(options.out), rows, source)
        ui.done(options.out)
        output["out"] = options.out
    return output


def write(out: Path, rows: list[dict[str, Any]], source: str) -> None:
    """Write sentences by the file's ending, whole or not at all."""
    from skelact.commands.subtitles import subtitles, write_tiers
    from skelact.io.files import write_text

    ending = out.suffix.lower()
    people = sorted({r["person"] for r in rows})
    if ending == ".json":
        write_text(out, json.dumps({"captions": rows}, indent=1, ensure_ascii=False))
    elif ending == ".csv":
        text = io.StringIO()
        table = csv.DictWriter(text, ["recording", "person", "start", "end", "text", "score"])
        table.writeheader()
        table.writerows(rows)
        write_text(out, text.getvalue())
    elif ending == ".srt":
        named_rows = [
            (r["start"], r["end"], r["text"] if len(people) == 1 else f"[{r['person']}] {r['text']}")
            for r in rows
        ]
        write_text(out, subtitles(named_rows))
    else:
        tiers = {
            f"person {p}": [(r["start"], r["end"], r["text"]) for r in rows if r["person"] == p]
            for p in people
        }
        write_tiers(out, tiers, source)
