"""A checkpoint as one file for other programs: ONNX, or PyTorch's exported programs.

What is exported takes joints as the checkpoint's recordings have them, and pictures of 8 bits, and gives probabilities:
normalisation and streams are inside. Which frames of a clip to give is written beside it.
"""

from __future__ import annotations

import io
import json
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skelact import __version__
from skelact.datasets.batch import SkeletonBatch
from skelact.datasets.pictures import KINDS, PictureInput, stack_moments, standardise
from skelact.datasets.pipeline import Pipeline
from skelact.errors import CheckpointError, ConfigError, choices
from skelact.io.files import write_file, write_text
from skelact.layouts import SkeletonLayout
from skelact.recognition.checkpoint import Card
from skelact.recognition.ensemble import load_model
from skelact.recognition.export_onnx import OPSET, no_words, onnx_session, to_onnx, tracing
from skelact.transforms import video

FORMATS = {"onnx": "model.onnx", "torch-export": "model.pt2"}
PARAMETERS = "model.json"
TOLERANCE = 1e-4


class Exported(nn.Module):
    """What a network sees of one clip, to probabilities.

    Args:
        network: of a checkpoint.
        pipeline: of the same checkpoint.
        layout: of the joints.
        origin: of the positions.
        dims: coordinates of a joint.
    """

    def __init__(
        self, network: nn.Module, pipeline: Pipeline, layout: SkeletonLayout, origin: str, dims: int = 3
    ) -> None:
        super().__init__()
        self.network, self.pipeline, self.layout, self.origin = network, pipeline, layout, origin
        self.dims = dims
        streams = getattr(network, "streams", ("skeleton",))
        self.names = [*(("joints", "score") if "skeleton" in streams else ()), *pipeline.pictures]

    def forward(self, *inputs: Tensor) -> Tensor:
        """``[1, n_classes]`` of the inputs ``names``: ``joints [P, T, V, C]`` and ``score [P, T, V]`` of P people if
        the network sees them, and of each stream of pictures ``[T, side, side, channels]`` uint8 (flow: float32 pixels
        a frame)."""
        given = dict(zip(self.names, inputs, strict=True))
        place = inputs[0].device
        joints = given.get("joints")
        if joints is None:  # nobody is looked at
            joints = torch.zeros(1, 1, len(self.layout), self.dims, device=place)
        score = given.get("score", torch.ones_like(joints[..., 0]))
        owner = torch.zeros_like(score[:, 0, 0], dtype=torch.int64)
        label = torch.zeros(1, dtype=torch.int64, device=place)
        batch = SkeletonBatch(joints, score, owner, label, self.layout, self.origin)
        if "joints" in given:
            batch = self.pipeline.prepare(batch)
        if not self.pipeline.pictures:
            return self.network(batch.x, batch.owner, batch.score, 1).softmax(-1)
        pictures = {name: prepared(name, seen, given[name]) for name, seen in self.pipeline.pictures.items()}
        return self.network(batch.x, batch.owner, batch.score, 1, pictures).softmax(-1)

    def example(self, people: int, seed: int = 0) -> list[Tensor]:
        """Inputs of the right shapes, some joints missing."""
        g = torch.Generator().manual_seed(seed)
        shape = people, self.pipeline.sampling.n_frames, len(self.layout)
        joints = torch.randn(*shape, self.dims, generator=g)
        found = {"joints": joints, "score": (torch.rand(shape, generator=g) > 0.1).float()}
        for name, seen in self.pipeline.pictures.items():
            values = torch.randint(0, 256, picture_shape(name, seen), generator=g, dtype=torch.uint8)
            found[name] = (values.float() - 128) / 16 if KINDS[name].flow else values
        return [found[name] for name in self.names]


def picture_shape(name: str, seen: PictureInput) -> tuple[int, int, int, int]:
    """(moments, side, side, channels) of a stream of pictures; every field of stacked flow is a moment."""
    return seen.sampling.length * seen.stack, seen.crop, seen.crop, KINDS[name].channels


def prepared(name: str, seen: PictureInput, x: Tensor) -> Tensor:
    """Pictures ``[T, side, side, channels]`` as the network sees them, ``[1, C, T, side, side]``."""
    if not KINDS[name].flow:
        return standardise(video.to_float(x[None]), seen.colours)
    fields = x[None].permute(0, 4, 1, 2, 3)
    if seen.stack > 1 or seen.camera != "none":
        fields = stack_moments(fields, seen, torch.ones(1, 2, device=x.device))
    return fields / 2


def export_checkpoint(
    path: str | PathLike[str], folder: str | PathLike[str], kind: str = "onnx", people: int = 1
) -> dict[str, Any]:
    """Write a checkpoint's network with its normalisation and streams, and what is needed beside it.

    Args:
        path: checkpoint file or run folder.
        folder: gets the model and ``model.json``; made if it is not there.
        kind: ``onnx`` (any number of people) or ``torch-export`` (``people`` of them).
        people: in the clips that an exported program takes.

    Returns:
        the model's path and the largest difference of its probabilities from the network's own.

    Raises:
        ConfigError: for an unknown kind, or a checkpoint that cannot be written so; it says why.
        DependencyError: if a package is missing.
        CheckpointError: if the checkpoint cannot be used.
    """
    if kind not in FORMATS:
        raise ConfigError(choices(kind, FORMATS, "format"))
    if people < 1:
        raise ConfigError(f"people must be at least 1, got {people}")
    network, card, pipeline = load_model(Path(path))
    model = _check(network, card, pipeline, path)
    made, worst = _onnx(model) if kind == "onnx" else _program(model, people)
    if not worst <= TOLERANCE:
        raise ConfigError(
            f"{path}: the exported network gives other probabilities (off by {worst:.1e}); it is not written. Try "
            f"--format {'torch-export' if kind == 'onnx' else 'onnx'}"
        )
    folder = Path(folder)
    write_file(folder / FORMATS[kind], made)
    write_text(folder / PARAMETERS, json.dumps(parameters(model, card, kind, people), indent=1) + "\n")
    return {"model": str(folder / FORMATS[kind]), "difference": worst}


def _check(network: Any, card: Card, pipeline: Any, path: str | PathLike[str]) -> Exported:
    """The network to be exported; refuses what needs more than joints, or other frames than it is given."""
    if not isinstance(pipeline, Pipeline):
        raise CheckpointError(
            f"{path} holds imported weights, whose own input is not written out; only networks of skelact are"
        )
    for name, seen in pipeline.pictures.items():
        if seen.places or seen.stacking != "stacked":
            raise ConfigError(
                f"{path} sees where joints are in the pictures, or flow along trajectories or to both sides "
                f"('{name}'), which is not exported"
            )
    if pipeline.sampling.kind == "choice":
        raise ConfigError(
            f"{path} draws its frames after normalising the whole clip (sampling choice), which is not exported"
        )
    return Exported(network, pipeline, card.skeleton_layout, card.origin, card.dims).eval()


def _onnx(model: Exported) -> tuple[bytes, float]:
    made = to_onnx(model, model.example(2), model.names)
    run = onnx_session(made)
    several = (1, 2, 3) if "joints" in model.names else (1,)
    try:
        worst = max(_difference(model, run, model.example(n, n)) for n in several)
    except Exception as error:
        raise no_words(error) from error
    return made, worst


def _program(model: Exported, people: int) -> tuple[bytes, float]:
    file, sample = io.BytesIO(), tuple(model.example(people))
    try:
        with tracing():
            model(*sample)  # tensors that are made once and kept must be real ones
            torch.export.save(torch.export.export(model, sample, strict=False), file)
        file.seek(0)
        program = torch.export.load(file).module()
        worst = _difference(model, lambda *x: program(*x).detach().numpy(), model.example(people, 7))
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise ConfigError(f"this network cannot be exported ({text})") from error
    return file.getvalue(), worst


def _difference(model: Exported, run: Any, sample: list[Tensor]) -> float:
    with torch.no_grad():
        return float(np.abs(run(*sample) - model(*sample).numpy()).max())


def parameters(model: Exported, card: Card, kind: str, people: int) -> dict[str, Any]:
    """What whoever uses the model must know, as plain values."""
    inputs: dict[str, str] = {}
    out: dict[str, Any] = {
        "skelact": __version__, "format": kind, "opset": OPSET if kind == "onnx" else None, "inputs": inputs,
        "clip_seconds": card.clip_seconds, "output": "probability [1, classes]", "classes": list(card.label_names),
    }  # fmt: skip
    sampling = model.pipeline.sampling
    if "joints" in model.names:
        shape = f"[people, {sampling.n_frames} frames, {len(model.layout)} joints"
        inputs |= {"joints": f"{shape}, {card.dims}] float32", "score": f"{shape}] float32, 0: missing"}
        share = sampling.test_share or sampling.crop[1]
        frames = {
            "resize": f"{sampling.n_frames} moments at even distances over the middle {share:g} of the clip, "
            "interpolated",
            "segments": f"the middle frame of each of {sampling.n_frames} equal parts of the clip",
            "seconds": f"{sampling.n_frames} moments, {sampling.fps:g} a second, from the middle of the clip, "
            "interpolated",
        }[sampling.kind]
        out |= {
            "people": "any number of one clip" if kind == "onnx" else people, "frames": frames, "unit": card.unit,
            "origin": card.origin, "layout": card.skeleton_layout.name, "joints": list(model.layout.joints),
        }  # fmt: skip
    pictures: dict[str, Any] = {}
    for name, seen in model.pipeline.pictures.items():
        shape = "[" + ", ".join(map(str, picture_shape(name, seen))) + "]"
        flow = KINDS[name].flow
        inputs[name] = (
            f"{shape} float32, {flow} flow in pixels a frame" if flow else f"{shape} uint8, RGB or grey"
        )
        framing = seen.framing
        pictures[name] = {
            "region": framing.region, "aspect": framing.aspect, "margin": framing.margin,
            "resized_to": list(framing.size), "then_cut": f"the middle {seen.crop} x {seen.crop}",
            "moments": f"{seen.sampling.n_parts} equal parts of the clip, in the middle of each "
            f"{seen.sampling.n_frames} frames {seen.sampling.stride:g} s apart"
            + (f", and {seen.stack} fields from each on" if seen.stack > 1 else ""),
        }  # fmt: skip
    return out | ({"pictures": pictures} if pictures else {})
