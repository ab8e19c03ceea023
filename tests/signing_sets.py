"""Small made-up signers, streams and language checkpoints that several tests share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from skelact.datasets.signing.streams import StreamSettings, make_streams, signs_by_signer
from skelact.datasets.signing.utterance import Utterance
from skelact.language.vocabulary import Vocabulary
from skelact.layouts import get_layout
from skelact.recognition.checkpoint import Card, save_checkpoint
from skelact.settings import to_plain
from skelact.skeleton import Skeleton
from skelact.training.language.settings import LanguageExperiment, usual_experiment
from skelact.training.language.tasks import make_task

LAYOUT = get_layout("pose_hands75")
GLOSSES = ("far", "high", "wide")
WAYS = {"high": (0.0, -0.25), "wide": (-0.25, 0.0), "far": (0.15, -0.1)}
PLACES = {
    "nose": (0.5, 0.35), "left_shoulder": (0.6, 0.5), "right_shoulder": (0.4, 0.5), "left_elbow": (0.65, 0.65),
    "right_elbow": (0.35, 0.65), "left_wrist": (0.62, 0.75), "right_wrist": (0.38, 0.75), "left_hip": (0.57, 1.0),
    "right_hip": (0.43, 1.0),
}  # fmt: skip


def make_sign(gloss: str, signer: int, take: int, n: int = 16) -> Skeleton:
    """Somebody whose right hand moves up, aside or across; left joints stay."""
    rng = np.random.default_rng([GLOSSES.index(gloss), signer, take])
    place = np.zeros((75, 2))
    for joint, at in PLACES.items():
        place[LAYOUT.index[joint]] = at
    hand = rng.normal(0, 0.015, (21, 2))
    hand[0] = 0
    xyz = np.zeros((1, n, 75, 3), np.float32)
    xyz[0, :, :, :2] = place
    u = np.sin(np.linspace(0.3, 2.6, n))[:, None] * (1 + 0.1 * rng.normal())
    xyz[0, :, LAYOUT.index["right_wrist"], :2] += u * WAYS[gloss]
    for side, first in (("left", 33), ("right", 54)):
        xyz[0, :, first : first + 21, :2] = xyz[0, :, LAYOUT.index[f"{side}_wrist"], None, :2] + hand
    xyz[..., :2] += rng.normal(0, 0.003, xyz[..., :2].shape) + rng.normal(0, 0.03, 2)
    return Skeleton(
        xyz, None, LAYOUT, 30.0, "image", label=gloss, id=f"{gloss}_{signer}_{take}", info={"subject": signer}
    )


def make_signs(signers: tuple[int, ...] = (1, 2), takes: int = 3) -> list[Skeleton]:
    """Isolated signs of several people."""
    return [make_sign(g, s, k) for s in signers for g in GLOSSES for k in range(takes)]


def streams(signer: int = 1, n: int = 2, seed: int = 0) -> list[Utterance]:
    """Streams of one person's signs."""
    signs = signs_by_signer([s for s in make_signs((signer,))])
    return make_streams(signs, n, StreamSettings(signs=(2, 3)), [seed])


def small_experiment(task: str, **train: Any) -> LanguageExperiment:
    """Settings that learn in seconds."""
    e: Any = usual_experiment(task)
    if task in ("glosses", "text", "gloss2text"):
        e.model.width = 32
    if task == "glosses":
        e.model.dropout = 0.0
    if task == "signs":
        e.model.hidden, e.model.dropout = 24, 0.0
    if task == "text":
        e.model.encoder_layers, e.model.recurrent_layers, e.model.decoder_layers, e.model.dropout = (
            3,
            0,
            1,
            0.0,
        )
    if task == "gloss2text":
        e.model.layers, e.model.dropout = 1, 0.0
    values = {"epochs": 2, "batch_size": 4, "warmup_epochs": 0.0, "lr": 5e-3, "ema": 0.0, "device": "cpu"}
    for name, value in {**values, **train}.items():
        setattr(e.train, name, value)
    e.data.each = 8
    return e


def untrained(task: str, path: Path, words: tuple[str, ...] = GLOSSES, seed: int = 0, **card: Any) -> Path:
    """A checkpoint with random weights; returns its file."""
    e = small_experiment(task)
    glosses, text = Vocabulary(words), Vocabulary(("a", "sign", "."), "text")
    job = make_task(e, glosses, text)
    torch.manual_seed(seed)
    settings: Any = e.model
    if task == "gloss2text":
        model = settings.build(len(glosses), len(text))
    else:
        model = settings.build(e.input.layout(LAYOUT), len(job.label_names), e.input.channels(3))
    values: dict[str, Any] = {
        "layout": LAYOUT.to_dict(), "dims": 3, "unit": "image", "label_names": job.label_names, "fps": e.input.fps,
        "model": to_plain(settings), "pipeline": to_plain(e.input), "config": to_plain(e), "origin": "camera",
        "trained": {"glosses": list(glosses.words)} if task == "gloss2text" else {}, **card,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    return save_checkpoint(path, model.state_dict(), Card(**values))
