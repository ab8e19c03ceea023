"""Language checkpoints: loading them, finding the parts of a run, and making a recording fit one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skelact.datasets.signing.motion_input import MotionInput
from skelact.datasets.signing.utterance import main_person
from skelact.device import find_device
from skelact.errors import CheckpointError, ConfigError, DataError, LayoutError
from skelact.language.vocabulary import Vocabulary
from skelact.layouts.parts import regions
from skelact.models.language import find_language_network
from skelact.recognition.checkpoint import Card, find_checkpoint, load_checkpoint, load_weights
from skelact.settings import from_plain
from skelact.skeleton import Skeleton

TASK_FOLDERS = ("glosses", "gloss2text", "text", "signs")
HINT = "train one with: skelact learn-language"


@dataclass(frozen=True)
class LanguageCheckpoint:
    """A trained language network.

    Args:
        model: in evaluation mode.
        card: of its checkpoint.
        task: what it was trained for: glosses, text, gloss2text or signs.
        shown: what it sees.
        path: where it came from.
    """

    model: Any
    card: Card
    task: str
    shown: MotionInput
    path: Path

    @property
    def vocabulary(self) -> Vocabulary:
        """Of its answers."""
        return Vocabulary.from_tokens(self.card.label_names)

    @property
    def blank_penalty(self) -> float:
        """With which glosses were found in its validation; see `find_glosses`."""
        train = self.card.config.get("train")
        value = train.get("blank_penalty", 0.0) if isinstance(train, dict) else 0.0
        return float(value) if isinstance(value, int | float) and value >= 0 else 0.0

    @property
    def glosses(self) -> Vocabulary:
        """Of the input of a network from glosses to text."""
        return Vocabulary(tuple(self.card.trained["glosses"]), "ctc")


def load_language(path: str | Path, device: str = "auto") -> LanguageCheckpoint:
    """Load a checkpoint file, or the one of a run's folder.

    Raises:
        CheckpointError: if it is damaged, or of a network for something else.
    """
    state, card = load_checkpoint(path)
    file = find_checkpoint(path)
    task = card.config.get("task")
    if task not in TASK_FOLDERS:
        kind = "segmentation" if "target" in card.config else "recognition"
        raise CheckpointError(
            f"{file} is a checkpoint for {kind} ('{card.model.get('name')}'), not for language; {HINT}"
        )
    try:
        shown = from_plain(MotionInput, card.pipeline, "input")
        settings = from_plain(find_language_network(card.model), card.model, "model")
        if task == "gloss2text":
            words = Vocabulary.from_tokens(card.label_names)
            model = settings.build(len(Vocabulary(tuple(card.trained["glosses"]), "ctc")), len(words))
        else:
            if task != "signs":
                Vocabulary.from_tokens(card.label_names)
            layout = shown.layout(card.skeleton_layout)
            model = settings.build(layout, len(card.label_names), shown.channels(card.dims))
    except (ConfigError, DataError, LayoutError, KeyError, TypeError) as error:
        raise CheckpointError(f"the card of {file} is damaged ({error}); train or copy it again") from None
    load_weights(model, state, str(file))
    return LanguageCheckpoint(model.to(find_device(device)).eval(), card, task, shown, file)


def find_parts(path: str | Path) -> dict[str, Path]:
    """The checkpoints that a path stands for, by task: a file, a run's folder, or a folder of runs by task.

    Raises:
        CheckpointError: if there is none.
    """
    folder = Path(path)
    if folder.is_dir() and not (folder / "best.safetensors").is_file():
        found = {
            name: folder / name for name in TASK_FOLDERS if (folder / name / "best.safetensors").is_file()
        }
        if not found:
            raise CheckpointError(
                f"{folder} holds neither best.safetensors nor a folder of {', '.join(TASK_FOLDERS)} with one; {HINT}"
            )
        return found
    file = find_checkpoint(path)
    return {str(load_checkpoint(file)[1].config.get("task") or ""): file}


def fit_recording(skeleton: Skeleton, checkpoint: LanguageCheckpoint) -> tuple[Skeleton, list[str]]:
    """The person of a recording in the checkpoint's layout and coordinates, and what was changed in words.

    Raises:
        DataError: if nobody is there, or units or coordinates do not fit.
        LayoutError: if the layouts do not fit.
    """
    skeleton = main_person(skeleton)
    card, notes = checkpoint.card, []
    if card.unit == "image" and skeleton.unit == "m" and skeleton.picture is not None:
        skeleton = skeleton.in_picture()
        notes.append("taken in the picture, as the training data was")
    layout = card.skeleton_layout
    where = f"recording '{skeleton.id}'"
    if skeleton.layout != layout:
        needed = set(checkpoint.shown.layout(layout).joints)
        converted = skeleton.converted(layout)
        has = {j for j, s in zip(layout.joints, (converted.score[0] > 0).any(0), strict=True) if s}
        if len(needed & has) < 0.5 * len(needed):
            raise LayoutError(
                f"{where} has layout '{skeleton.layout.name}', and only {len(needed & has)} of the {len(needed)} "
                f"joints that the checkpoint needs ('{layout.name}') can be made of it; extract the video with --parts "
                "pose+hands, or train on the layout that you have"
            )
        notes.append(f"converted from {skeleton.layout.name} to {layout.name} by joint name")
        skeleton = converted
    used = checkpoint.shown.dims(card.dims)
    if skeleton.xyz.shape[3] < used:
        raise DataError(
            f"{where} has {skeleton.xyz.shape[3]} coordinates a joint, the checkpoint needs {used}"
        )
    if skeleton.unit == "px" and card.unit == "image":
        try:
            size = np.array([float(skeleton.info["width"]), float(skeleton.info["height"])], np.float32)
        except (KeyError, ValueError):
            raise DataError(
                f"{where} is in pixels and does not say its picture's width and height; extract it again"
            ) from None
        skeleton = skeleton.with_(xyz=skeleton.xyz[..., :2] / size, unit="image")
    if skeleton.unit != card.unit:
        raise DataError(
            f"{where} is in '{skeleton.unit}', the checkpoint was trained in '{card.unit}'; extract the video again "
            f"({'--coordinates image' if card.unit == 'image' else '--coordinates camera'})"
        )
    return skeleton, notes


def need_hands(skeleton: Skeleton, checkpoint: LanguageCheckpoint) -> None:
    """Raise `DataError` if the network was trained with hands and no hand is ever seen."""
    layout = checkpoint.shown.layout(checkpoint.card.skeleton_layout)
    hands = [layout.joints[v] for name, own in regions(layout).items() if "hand" in name for v in own]
    if not hands:
        return
    own = [skeleton.layout.index[j] for j in hands]
    if not (skeleton.score[:, :, own] > 0).any():
        raise DataError(
            f"no hand is seen in recording '{skeleton.id}', and the checkpoint reads hands; extract it with --parts "
            "pose+hands, from nearer or with more light"
        )
