"""The command ``skelact``. Each subcommand is one module of `skelact.commands`, loaded when it is used."""

from __future__ import annotations

import errno
import importlib
import io
import json
import logging
import os
import sys
import traceback
from collections.abc import Sequence

from skelact import __version__
from skelact.errors import SkelactError, choices
from skelact.io.addresses import without_secrets

GROUPS = {
    "start here": {
        "demo": "the whole path on synthetic people: make, convert, train, evaluate, recognise, report",
    },
    "data": {
        "convert": "skeleton files of any known format to one skelact file",
        "extract": "videos, folders, cameras or streams to skeletons (MediaPipe)",
        "inspect": "what is inside a file or folder, and what is wrong with it",
        "show": "look at skeletons in a browser: videos, sets, files; turn, scrub, compare",
    },
    "train and test": {
        "train": "train a network from a configuration file",
        "evaluate": "test a checkpoint on a data set; numbers, pictures, report",
        "compare": "runs side by side on the same clips: a paired test, classes, settings, curves",
        "cross-validate": "test recipes by cross-validation, alone and fused",
        "fuse": "several trained networks (streams, seeds) as one checkpoint",
    },
    "use a network": {
        "predict": "name the actions in a video or skeleton file",
        "detect": "who does what in a video, where, and from when to when",
        "segment": "label every frame of untrimmed recordings: train, evaluate, moments, detect",
        "export": "a trained network as ONNX or an exported program, with what goes before it",
        "import-weights": "a published implementation's weights as a checkpoint",
    },
    "gestures taught with a few examples": {
        "teach": "gestures of your own from a handful of examples, recognised at once",
        "gestures": "taught gestures elsewhere: export to ONNX, a page that runs them in the browser",
    },
    "watch and alarm": {
        "monitor": "watch a camera, a stream or a video: people, actions, falls",
        "events": "list, filter, draw and export what monitor has seen",
        "lifelog": "what everybody did on a day: times, totals, trends, a picture",
        "evaluate-events": "events and alarms against what happened",
        "learn-normal": "what motion and what rests are normal, from days without labels",
        "learn-thresholds": "when a network's scores are an action, for a stated rate of false events",
        "learn-activities": "activities as hidden Markov models, for a life log",
    },
    "words": {
        "describe": "what people do, in sentences",
        "translate": "signing to glosses with times, and to text",
        "learn-language": "train networks for glosses, signs and text",
    },
    "what there is, and speed": {
        "models": "the networks, with their numbers of weights",
        "recipes": "the configurations that come with skelact",
        "layouts": "the skeleton layouts, the joints of one, and what becomes of them in another",
        "formats": "the file formats and benchmarks",
        "benchmark": "measure speed on this machine, as ratios in one run",
    },
}
COMMANDS = {name: text for group in GROUPS.values() for name, text in group.items()}

USAGE = """usage: skelact COMMAND [options]        skelact COMMAND --help

Skeleton and pose action recognition: video to joint graphs to actions.

{commands}

options of every command:
  --json     the result as JSON on standard output, an error too; words go to standard error
  --quiet    no progress bars
  --debug    show where an error comes from
  --help-all every setting of a configuration with what it does; --help names them

exit codes: 0 done, 1 failed, 2 wrong option or configuration, 3 input that cannot be used,
            4 done in part (the rest is listed), 5 something must be installed, 130 interrupted
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files need not be UTF-8, nor the terminal
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run a command line; returns its exit code."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        listed = "\n\n".join(
            "\n".join([f"{title}:", *(f"  {name:<16} {text}" for name, text in group.items())])
            for title, group in GROUPS.items()
        )
        sys.stdout.write(USAGE.format(commands=listed))
        return 0
    if arguments[0] in ("-V", "--version"):
        sys.stdout.write(f"skelact {__version__}\n")
        return 0
    name, *rest = arguments
    flags = {flag: flag in rest for flag in ("--json", "--quiet", "--debug")}
    rest = [word for word in rest if word not in flags]
    logging.basicConfig(
        level=logging.INFO if flags["--debug"] else logging.WARNING, format="%(levelname)s %(message)s"
    )
    if name not in COMMANDS:
        return _failed("skelact", choices(name, COMMANDS, "command"), 2, flags["--json"])
    try:
        from skelact.commands.ui import UI

        module = importlib.import_module(f"skelact.commands.{name.replace('-', '_')}")
        return int(module.main(rest, UI(flags["--json"], flags["--quiet"])) or 0)
    except SystemExit as stop:  # options that cannot be understood, and --help
        return stop.code if isinstance(stop.code, int) else 2
    except SkelactError as error:
        if flags["--debug"]:
            raise
        return _failed(f"skelact {name}", without_secrets(str(error)), error.exit_code, flags["--json"])
    except KeyboardInterrupt:
        sys.stderr.write(
            "\ninterrupted; what was finished is kept, the same command continues where it can\n"
        )
        return 130
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - nobody reads; flushing at exit must not fail
        return 1
    except Exception as error:
        if flags["--debug"]:
            raise
        place = _own_code(error)
        if place:
            text = f"{type(error).__name__} in {place}: {error}; --debug shows the way there"
        elif isinstance(error, OSError):
            text = _os_message(error)
        else:
            text = (
                f"unexpected {type(error).__name__}: {without_secrets(str(error))}\n"
                "This is a fault in skelact; run the same command with --debug to see where, and report it."
            )
        return _failed(f"skelact {name}", text, 1, flags["--json"])


def _failed(who: str, text: str, code: int, as_json: bool) -> int:
    """Say what is wrong, for programs too; returns the exit code."""
    sys.stderr.write(f"{who}: {text}\n")
    if as_json:
        sys.stdout.write(json.dumps({"error": text, "exit_code": code}, indent=1) + "\n")
    return code


def _own_code(error: Exception) -> str:
    """Where in a network of the user's own an error arose, as ``file:line``; empty if it did not."""
    own = sys.modules.get("skelact.models.own")
    modules = {reference.partition(":")[0] for reference in own.OWN} if own else set()
    frames = traceback.walk_tb(error.__traceback__)
    return next(
        (f"{f.f_code.co_filename}:{line}" for f, line in frames if f.f_globals["__name__"] in modules), ""
    )


def _os_message(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full ({error}); free some space and run the same command again"
    return f"{error}; look at the path, its permissions and the free space"


if __name__ == "__main__":
    main()
