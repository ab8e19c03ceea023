"""Checkpoints: one safetensors file that carries weights and a card that says what they are for.

No pickle from strangers is ever run: weights are safetensors, the card is YAML inside the file's metadata.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from pathlib import Path

import torch
import yaml
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from skelact.errors import CheckpointError, DataError, LayoutError, counted
from skelact.io.files import atomic_path
from skelact.layouts import SkeletonLayout
from skelact.plain_yaml import load_plain
from skelact.recognition.everyday import SHIPPED
from skelact.skeleton import UNITS

CARD_VERSION = 1


@dataclass(repr=False)
class Card:
    """What a checkpoint is for; saved inside it.

    Args:
        layout: skeleton layout of the input, as `SkeletonLayout.to_dict`.
        dims: coordinates per joint.
        unit: of the coordinates.
        origin: of the coordinates, see `skelact.skeleton.Skeleton`.
        label_names: classes, in order.
        fps: the usual frame rate of the training data.
        clip_seconds: the usual length of a training clip.
        model, pipeline: settings, as plain containers.
        config: the whole resolved configuration.
        skelact: version of the code.
        trained: epoch, validation result, how many people the clips usually show at most, and ``propagate``: which
            backend ``auto`` took for which graph product (see `skelact.nn.propagate.chosen_backends`).
    """

    layout: dict
    dims: int
    unit: str
    label_names: list[str]
    fps: float
    model: dict
    pipeline: dict
    config: dict = field(default_factory=dict)
    skelact: str = ""
    clip_seconds: float = 2.0
    trained: dict = field(default_factory=dict)
    origin: str = ""
    version: int = CARD_VERSION

    def __post_init__(self) -> None:
        if not self.origin:  # an older card: MediaPipe's metres were about the hips
            joints = self.layout.get("name")
            self.origin = "hips" if joints in ("pose33", "pose_hands75") and self.unit == "m" else "camera"

    def __repr__(self) -> str:
        joints = f"{self.layout.get('name')} x {self.dims} in {self.unit} from the {self.origin}"
        clips = f"{self.fps:g} fps, clips of {self.clip_seconds:.1f} s"
        return (
            f"Card({self.model.get('name')}, {counted(len(self.label_names), 'class', 'classes')}, "
            f"{joints}, {clips})"
        )

    @property
    def skeleton_layout(self) -> SkeletonLayout:
        """The layout as an object."""
        return SkeletonLayout.from_dict(self.layout)


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Call ``write(temporary_path)``, then move the result to ``path``; on failure nothing is left.

    Raises:
        CheckpointError: if it cannot be written.
    """
    try:
        with atomic_path(path) as temporary:
            write(temporary)
    except DataError as error:
        raise CheckpointError(f"{error} or choose another folder") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def save_checkpoint(path: str | Path, state: dict[str, Tensor], card: Card) -> Path:
    """Save weights and card as one safetensors file, atomically."""
    from safetensors.torch import save_file

    path = Path(path)
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in state.items()}
    text = yaml.safe_dump(json.loads(json.dumps(asdict(card))), sort_keys=False, allow_unicode=True)

    def write(temporary: Path) -> None:
        try:
            save_file(tensors, str(temporary), metadata={"skelact": text})
            temporary.chmod(0o666 & ~_umask())  # safetensors makes it readable for its owner only
        except Exception as error:  # safetensors raises its own type for a full disk
            raise OSError(str(error)) from error

    write_atomically(path, write)
    return path


def find_checkpoint(path: str | Path) -> Path:
    """The checkpoint file: the path itself, ``best.safetensors`` in a run's folder, or one that is shipped, by name.

    Raises:
        CheckpointError: if there is none.
    """
    path = Path(path)
    if not path.exists():
        path = SHIPPED.get(str(path), path)
    if path.is_dir():
        path = path / "best.safetensors"
    if not path.is_file():
        shipped = get_close_matches(str(path), SHIPPED, n=1)
        hint = f" Did you mean '{shipped[0]}', which ships?" if shipped else ""
        raise CheckpointError(
            f"there is no checkpoint at {path}; train one with: skelact train --data FILE.h5, or use "
            f"{' or '.join(SHIPPED)}.{hint}"
        )
    return path


def load_checkpoint(path: str | Path) -> tuple[dict[str, Tensor], Card]:
    """Read weights and card.

    Raises:
        CheckpointError: if the file is missing, damaged, or not one of skelact's.
    """
    from safetensors import safe_open

    path = find_checkpoint(path)
    try:
        with safe_open(str(path), framework="pt") as file:
            text = (file.metadata() or {}).get("skelact")
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # safetensors raises types of its own for damaged files
        raise CheckpointError(
            f"{path} is not a readable checkpoint ({error}); train or copy it again"
        ) from error
    if text is None:
        raise CheckpointError(
            f"{path} is a safetensors file without skelact's card; it was not written by skelact"
        )
    return state, _read_card(text, path)


def _read_card(text: str, path: Path) -> Card:
    """The card of a checkpoint, with every field of its type and every value possible."""
    try:
        data = load_plain(text)
        if data.get("version") != CARD_VERSION:
            raise CheckpointError(
                f"{path} has card version {data.get('version')}, this skelact reads {CARD_VERSION}"
            )
        card = TypeAdapter(Card).validate_json(json.dumps(data), strict=True)
        card.skeleton_layout  # noqa: B018
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors()[:5])
        raise CheckpointError(f"the card of {path} is damaged ({said}); train or copy it again") from None
    except (yaml.YAMLError, TypeError, ValueError, AttributeError, LayoutError) as error:
        raise CheckpointError(f"the card of {path} is damaged ({error}); train or copy it again") from error
    wrong = [
        f"{name} is {value!r}"[:200]
        for name, value, good in (
            ("dims", card.dims, card.dims in (2, 3)),
            ("unit", card.unit, card.unit in UNITS),
            ("fps", card.fps, 0 < card.fps < math.inf),
            ("clip_seconds", card.clip_seconds, 0 < card.clip_seconds < math.inf),
            ("label_names", card.label_names, 0 < len(set(card.label_names)) == len(card.label_names)),
            ("model.name", card.model.get("name"), isinstance(card.model.get("name", ""), str)),
            (
                "pipeline.streams",
                card.pipeline.get("streams"),
                isinstance(card.pipeline.get("streams", []), list),
            ),
        )
        if not good
    ]
    if wrong:
        raise CheckpointError(f"the card of {path} is damaged ({'; '.join(wrong)}); train or copy it again")
    return card


def load_weights(model: torch.nn.Module, state: dict[str, Tensor], where: str) -> None:
    """Load a state dict, listing every key that does not fit.

    Raises:
        CheckpointError: if keys are missing, left over or of another shape.
    """
    own = model.state_dict()
    problems = [f"missing: {k}" for k in own if k not in state]
    problems += [f"unexpected: {k}" for k in state if k not in own]
    problems += [
        f"{k}: {list(state[k].shape)} in the file, {list(own[k].shape)} in the network"
        for k in own
        if k in state and state[k].shape != own[k].shape
    ]
    if problems:
        shown = "\n  ".join(problems[:20]) + (
            f"\n  ... and {len(problems) - 20} more" if len(problems) > 20 else ""
        )
        raise CheckpointError(f"the weights of {where} do not fit the network:\n  {shown}")
    model.load_state_dict(state)
