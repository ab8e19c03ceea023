"""``skelact translate INPUT --checkpoint RUN``: signing to glosses with times and text."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from skelact.commands.options import named, need_at_least, parse
from skelact.commands.ui import UI, percent
from skelact.errors import ConfigError, DataError, choices

HELP = """Translate signing in a video or a skeleton file into glosses with times, and into text.

  skelact translate video.mp4 --checkpoint runs/signing
  skelact translate runs/signing video.mp4 --out video.eaf          ELAN; .json, .csv and .srt are the others
  skelact translate runs/signing clips.h5 --truth PHOENIX-2014-T.test.corpus.csv --truth-format phoenix14t

The checkpoint is a file or a folder that skelact learn-language made: with a network for gloss2text (or text) beside
it the text is a sentence, otherwise the glosses; with one for signs the glosses get the times of the signs."""

ENDINGS = (".eaf", ".json", ".csv", ".srt")
_SHOWN = 10  # recordings that are shown in words


@dataclass
class Options:
    """Options of translate.

    Args:
        first: the input, or the checkpoint and then the input.
        second: the input, if the checkpoint came first.
        checkpoint: checkpoint file, a run's folder, or a folder with the runs glosses, gloss2text, text and signs.
        signs: checkpoint of a sign segmenter, if it lies elsewhere.
        out: where the translation is written; FILE.eaf, .json, .csv or .srt.
        truth: annotation files, separated by commas, to compare with: word error rate, BLEU, ROUGE-L.
        truth_format: of the annotations, as for skelact learn-language.
        part: split or signer of the annotations; all if not given.
        beam: how many hypotheses the searches keep.
        penalty: of the length of a sentence; larger: longer ones.
        bigrams: which gloss follows which: files separated by commas, .txt with the glosses of an utterance a line or
            annotations of the training part (--truth-format).
        bigram_weight: of those beside the network; 0: none.
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
    signs: Annotated[str, named("RUN")] = ""
    out: Annotated[str, named("FILE")] = ""
    truth: Annotated[str, named("FILE,FILE")] = ""
    truth_format: Annotated[str, named("NAME")] = ""
    part: Annotated[str, named("NAME")] = ""
    beam: int = 16
    penalty: float = 1.0
    bigrams: Annotated[str, named("FILE,FILE")] = ""
    bigram_weight: Annotated[float, named("WEIGHT")] = 0.5
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

    options = parse(Options, arguments, "translate", HELP)
    checkpoint, source = sort_words(options.first, options.second, options.checkpoint, "translate")
    if not checkpoint:
        raise ConfigError(
            "name a checkpoint: skelact translate RUN INPUT; skelact learn-language makes one. None ships with "
            "skelact, because no free recordings of continuous signing are large enough"
        )
    need_at_least(1, beam=options.beam)
    need_at_least(0, seconds=options.seconds, fps=options.fps)
    check_ending(options.out, ENDINGS)
    need_at_least(0, bigram_weight=options.bigram_weight)
    if options.part and not options.truth:
        raise ConfigError("--part is of annotations; name them with --truth FILE")
    if options.truth_format and not options.truth and not options.bigrams:
        raise ConfigError("--truth-format is of annotations; name them with --truth FILE or --bigrams FILE")
    options = replace(options, checkpoint=checkpoint, first=source)
    with holding(options.out, [source]) if options.out else nullcontext():
        ui.result(translate(options, ui))
    return 0


def sort_words(first: str, second: str, checkpoint: str, command: str) -> tuple[str, str]:
    """(checkpoint, input) of a command's words: ``INPUT --checkpoint RUN`` or ``RUN INPUT``.

    Raises:
        ConfigError: without an input, or with two checkpoints.
    """
    if second and checkpoint:
        raise ConfigError(f"two checkpoints are named: {first} and --checkpoint {checkpoint}; name one")
    if second:
        checkpoint, first = first, second
    if not first:
        raise ConfigError(f"name an input: skelact {command} video.mp4 --checkpoint RUN")
    return checkpoint, first


def check_ending(out: str, endings: tuple[str, ...]) -> None:
    """Raise `ConfigError` if a file's name does not end in one of ``endings``."""
    if out and Path(out).suffix.lower() not in endings:
        raise ConfigError(f"--out {out}: {choices(Path(out).suffix or 'no ending', endings, 'ending')}")


def read_source(options: Any, source: str, metres: bool, hands: bool, people: str, ui: UI) -> list[Any]:
    """The recordings of a video (one) or of a skeleton file.

    Raises:
        DataError: if nobody is in the video, or no recording of the file can be read.
    """
    from skelact.commands.sources import is_video, read_skeletons
    from skelact.io.addresses import public_name
    from skelact.pose.extract import extract_video

    if options.format or not is_video(source):
        failed: list[tuple[str, str]] = []
        reading: Any = _Reading(source, options.format, options.layout, options.fps, options.unit)
        found = list(read_skeletons(reading, failed))
        if not found:
            raise DataError(
                f"{source} holds no recording that can be read{': ' + failed[0][1] if failed else ''}"
            )
        for item, why in failed:
            ui.warn(f"{item}: {why}")
        return found
    with ui.progress("finding people") as update:
        found = extract_video(
            source, people=people, parts="pose+hands" if hands else "pose",
            coordinates="camera" if metres else "image", seconds=options.seconds, estimator=options.estimator,
            quality=options.quality, progress=update,
        )  # fmt: skip
    if found.n_people == 0 or not (found.score > 0).any():
        raise DataError(f"no person was found in {public_name(source)}; look at it, or try another --quality")
    return [found]


def video_of(recording: Any, source: str, file_format: str | None) -> str | Path:
    """The video of a recording: the input itself, or the file that the recording names; empty if there is none."""
    from skelact.commands.sources import is_video

    if not file_format and is_video(source):
        return source
    named_file = Path(source).parent / str(recording.info.get("video", ""))
    return named_file if named_file.is_file() else ""


@dataclass
class _Reading:
    source: str
    format: str | None
    layout: str | None
    fps: float | None
    unit: str | None


def translate(options: Options, ui: UI) -> dict[str, Any]:
    """Translate an input; returns what ``--json`` prints."""
    from skelact.commands.translate_score import annotated, gloss_sentences, score
    from skelact.layouts.parts import regions
    from skelact.recognition.language import Translator

    translator = Translator.load(options.checkpoint, options.device, options.signs)
    if options.bigrams:
        sentences = gloss_sentences(options.bigrams, options.truth_format)
        unknown = translator.use_bigrams(sentences, options.bigram_weight)
        if unknown:
            ui.warn(
                f"{len(unknown)} glosses of --bigrams are outside the vocabulary: {', '.join(unknown[:10])}"
            )
    card = next(iter(translator.parts.values())).card
    hands = any("hand" in name for name in regions(card.skeleton_layout))
    recordings = read_source(options, options.first, card.unit == "m", hands, "one", ui)
    records = []
    if options.truth:
        pairs = annotated(recordings, options.truth, options.truth_format, options.part)
        records, recordings = [r for r, _ in pairs], [s for _, s in pairs]
    if len(recordings) > 1 and options.out and Path(options.out).suffix.lower() in (".eaf", ".srt"):
        raise DataError(
            f"{options.first} holds {len(recordings)} recordings, and a file {Path(options.out).suffix} is of one; "
            "write .json or .csv"
        )
    results, failed = [], []
    for recording in recordings:
        try:
            results.append(
                (
                    recording,
                    translator.translate(
                        recording,
                        options.beam,
                        options.penalty,
                        video_of(recording, options.first, options.format),
                    ),
                )
            )
        except DataError as error:
            if len(recordings) == 1:
                raise
            failed.append({"recording": recording.id, "error": str(error)})
            ui.warn(str(error))
    if not results:
        raise DataError(f"none of the {len(recordings)} recordings of {options.first} could be translated")
    for recording, found in results[:_SHOWN]:
        for note in found.notes:
            ui.say(f"{recording.id}: {note}")
        rows = [[g.word, f"{g.start:.2f}–{g.end:.2f} s", percent(g.score)] for g in found.glosses[:40]]
        if rows:
            ui.table(["gloss", "when", "confidence"], rows, recording.id if len(results) > 1 else None)
        if len(found.glosses) > 40:
            ui.say(f"... and {len(found.glosses) - 40} more")
        ui.say(found.text or "(nothing was signed that the network knows)")
    if len(results) > _SHOWN:
        ui.say(f"... and {len(results) - _SHOWN} more recordings; --out FILE.json has all")
    output: dict[str, Any] = {"recordings": [to_plain(r, t) for r, t in results], "failed": failed}
    if records:
        output["scores"] = score(records, results, ui)
    if options.out:
        write(Path(options.out), results, options.first)
        ui.done(f"{options.out}")
        output["out"] = options.out
    else:
        ui.next(f"skelact translate {options.checkpoint} {options.first} --out FILE.eaf")
    return output


def to_plain(recording: Any, found: Any) -> dict[str, Any]:
    """A translation as plain values."""
    return {
        "recording": recording.id, "seconds": round(float(found.seconds), 3), "text": found.text,
        "text_from_network": found.has_text,
        "glosses": [
            {k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(g).items()} for g in found.glosses
        ],
        "signs": [[round(a, 3), round(b, 3)] for a, b in found.signs],
    }  # fmt: skip


def write(out: Path, results: list[tuple[Any, Any]], source: str) -> None:
    """Write translations by the file's ending, whole or not at all."""
    from skelact.commands.subtitles import subtitles, write_tiers
    from skelact.io.files import write_text

    ending = out.suffix.lower()
    if ending == ".json":
        write_text(
            out,
            json.dumps({"recordings": [to_plain(r, t) for r, t in results]}, indent=1, ensure_ascii=False),
        )
    elif ending == ".csv":
        text = io.StringIO()
        table = csv.writer(text)
        table.writerow(["recording", "gloss", "start", "end", "score"])
        for recording, found in results:
            for g in found.glosses:
                table.writerow([recording.id, g.word, f"{g.start:.3f}", f"{g.end:.3f}", f"{g.score:.4f}"])
        write_text(out, text.getvalue())
    else:
        (_, found), *_ = results
        glosses = [(g.start, g.end, g.word) for g in found.glosses]
        text = [(0.0, found.seconds, found.text)] if found.text and found.seconds > 0 else []
        if ending == ".srt":
            write_text(out, subtitles(text if found.has_text and text else glosses))
        else:
            tiers = {"glosses": glosses, "text": text}
            if found.signs:
                tiers["signing"] = [(a, b, "sign") for a, b in found.signs]
            write_tiers(out, tiers, source)
