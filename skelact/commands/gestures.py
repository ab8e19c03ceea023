"""``skelact gestures export VOCABULARY --out FOLDER`` and ``skelact gestures serve VOCABULARY``."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from skelact.commands.options import named, parse
from skelact.commands.ui import UI, command_line
from skelact.errors import ConfigError, choices, counted

HELP = """Taught gestures elsewhere.

  skelact gestures export VOCABULARY --out folder     ONNX (features, examples and scores inside) and its parameters
  skelact gestures serve VOCABULARY                   a page on this machine that runs it in the browser

VOCABULARY is a file of skelact teach; the user's own if it is left out."""
ACTIONS = ("export", "serve")


@dataclass
class Options:
    """Options of gestures.

    Args:
        action: export or serve.
        vocabulary: a file of skelact teach; for serve an exported folder, too.
        out: the folder to write (export).
        layout: of the joints that will be given (export).
        port: of the page (serve).
        packages: folder with the archives of onnxruntime-web and @mediapipe/tasks-vision, instead of npm (serve).
        seconds: stop serving after this time.
    """

    action: Annotated[str, tyro.conf.Positional, named("export|serve")] = ""
    vocabulary: Annotated[str, tyro.conf.Positional, named("VOCABULARY")] = ""
    out: Annotated[str, named("FOLDER")] = ""
    layout: Annotated[str, named("NAME")] = "pose_hands75"
    port: int = 8766
    packages: Annotated[str, named("FOLDER")] = ""
    seconds: Annotated[float | None, named("SECONDS")] = None


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, arguments, "gestures", HELP)
    if options.action not in ACTIONS:
        raise ConfigError(
            choices(options.action, ACTIONS, "action") + " Such as: skelact gestures serve VOCABULARY"
        )
    ui.result(export(options, ui) if options.action == "export" else serve(options, ui))
    return 0


def export(options: Options, ui: UI) -> dict[str, Any]:
    """Write the model and its parameters; returns what ``--json`` prints."""
    from skelact.io.outputs import holding
    from skelact.recognition.taught import Vocabulary, default_vocabulary
    from skelact.recognition.taught_export import MODEL, PARAMETERS, export_vocabulary

    if not options.out:
        raise ConfigError("name the folder to write: skelact gestures export VOCABULARY --out folder")
    path = options.vocabulary or str(default_vocabulary())
    with holding(options.out, [path], folder=True) as folder:
        vocabulary = Vocabulary.load(path)
        for note in vocabulary.notes:
            ui.warn(note)
        export_vocabulary(vocabulary, folder, options.layout)
    ui.done(f"{counted(len(vocabulary), 'gesture')} in {folder}: {MODEL}, {PARAMETERS}")
    ui.next(command_line("gestures", "serve", folder))
    return {"folder": str(folder), "gestures": vocabulary.names, "files": [MODEL, PARAMETERS]}


def serve(options: Options, ui: UI) -> dict[str, Any]:
    """Serve the page until it is stopped; returns what ``--json`` prints."""
    from skelact.recognition.browser.server import GestureServer, page_files
    from skelact.recognition.taught import Vocabulary, default_vocabulary
    from skelact.recognition.taught_export import export_vocabulary

    path = Path(options.vocabulary) if options.vocabulary else default_vocabulary()
    if not 0 <= options.port <= 65535:
        raise ConfigError(f"--port must be 0 to 65535, got {options.port}")
    with tempfile.TemporaryDirectory(prefix="skelact-") as made:
        folder = path if path.is_dir() else export_vocabulary(Vocabulary.load(path), made)
        ui.say("looking for the browser's packages (npm) and MediaPipe's models")
        files = page_files(folder, options.packages or None)
        with GestureServer(files, options.port) as server:
            ui.done(f"{server.address} (on this machine only; Ctrl-C ends it)")
            try:
                server.wait(options.seconds)
            except KeyboardInterrupt:
                ui.say("stopped")
    return {"address": server.address, "vocabulary": str(path)}
