"""A checkpoint as one file for other programs: ONNX, or PyTorch's exported programs.

What is exported takes joints as the checkpoint's recordings have them and gives probabilities: normalisation and
streams are inside. Which frames of a clip to give is written beside it.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skelact import __version__
from skelact.datasets.batch import SkeletonBatch
from skelact.datasets.pipeline import Pipeline
from skelact.errors import CheckpointError, ConfigError, DependencyError, choices
from skelact.io.files import write_file, write_text
from skelact.layouts import SkeletonLayout
from skelact.recognition.checkpoint import Card
from skelact.recognition.ensemble import load_model
from skelact.transforms import device

FORMATS = {"onnx": "model.onnx", "torch-export": "model.pt2"}
PARAMETERS = "model.json"
OPSET = 18
TOLERANCE = 1e-4


class Exported(nn.Module):
    """Joints of the people of one clip to probabilities.

    Args:
        network: of a checkpoint.
        pipeline: of the same checkpoint.
        layout: of the joints.
        origin: of the positions.
    """

    def __init__(self, network: nn.Module, pipeline: Pipeline, layout: SkeletonLayout, origin: str) -> None:
        super().__init__()
        self.network, self.pipeline, self.layout, self.origin = network, pipeline, layout, origin

    def forward(self, joints: Tensor, score: Tensor) -> Tensor:
        """``joints [P, T, V, C]`` and ``score [P, T, V]`` to ``[1, n_classes]``."""
        owner = torch.zeros_like(score[:, 0, 0], dtype=torch.int64)
        label = torch.zeros(1, dtype=torch.int64, device=joints.device)
        batch = SkeletonBatch(joints, score, owner, label, self.layout, self.origin)
        batch = self.pipeline.prepare(batch)
        return self.network(batch.x, batch.owner, batch.score, 1).softmax(-1)


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
    sample = example(card, pipeline, people)
    made, worst = (_onnx if kind == "onnx" else _program)(model, sample, card)
    if not worst <= TOLERANCE:
        raise ConfigError(
            f"{path}: the exported network gives other probabilities (off by {worst:.1e}); it is not written. Try "
            f"--format {'torch-export' if kind == 'onnx' else 'onnx'}"
        )
    folder = Path(folder)
    write_file(folder / FORMATS[kind], made)
    write_text(folder / PARAMETERS, json.dumps(parameters(card, pipeline, kind, people), indent=1) + "\n")
    return {"model": str(folder / FORMATS[kind]), "difference": worst}


def _check(network: Any, card: Card, pipeline: Any, path: str | PathLike[str]) -> Exported:
    """The network to be exported; refuses what needs more than joints, or other frames than it is given."""
    if not isinstance(pipeline, Pipeline):
        raise CheckpointError(
            f"{path} holds imported weights, whose own input is not written out; only networks of skelact are"
        )
    if pipeline.pictures:
        raise ConfigError(f"{path} sees pictures beside joints, which is not exported yet")
    if pipeline.sampling.kind == "choice":
        raise ConfigError(
            f"{path} draws its frames after normalising the whole clip (sampling choice), which is not exported"
        )
    return Exported(network, pipeline, card.skeleton_layout, card.origin).eval()


def example(card: Card, pipeline: Pipeline, people: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Joints and scores of the right shape, some missing."""
    g = torch.Generator().manual_seed(seed)
    shape = people, pipeline.sampling.n_frames, len(card.skeleton_layout)
    joints = torch.randn(*shape, card.dims, generator=g)
    return joints, (torch.rand(shape, generator=g) > 0.1).float()


@contextmanager
def _without_looking() -> Iterator[None]:
    """No decision by values, which a trace would keep for ever."""
    before = device.may_look
    device.may_look = lambda where: False
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporters speak of their own future
            yield
    finally:
        device.may_look = before


def _onnx(model: Exported, sample: tuple[Tensor, Tensor], card: Card) -> tuple[bytes, float]:
    made = to_onnx(model, example(card, model.pipeline, 2))  # two, so that no axis is taken for a constant
    run = onnx_session(made)
    try:
        worst = max(_difference(model, run, example(card, model.pipeline, n, n)) for n in (1, 2, 3))
    except Exception as error:
        raise _no_words(error) from error
    return made, worst


def to_onnx(model: Exported, sample: tuple[Tensor, Tensor]) -> bytes:
    """A model as ONNX, for any number of people.

    Args:
        model: the network with what goes before it.
        sample: joints and scores of two people.

    Raises:
        ConfigError: if it has operations that ONNX has no words for.
        DependencyError: if the package onnx is missing.
    """
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise DependencyError("exporting to ONNX needs onnx: pip install 'skelact[gestures]'") from error
    torch.onnx.register_custom_op_symbolic("aten::index_add", _index_add, OPSET)
    file = io.BytesIO()
    try:
        with _without_looking():
            torch.onnx.export(
                model, sample, file,  # pyright: ignore[reportArgumentType]
                input_names=["joints", "score"], output_names=["probability"],
                dynamic_axes={"joints": {0: "people"}, "score": {0: "people"}}, opset_version=OPSET, dynamo=False,
            )  # fmt: skip
    except Exception as error:  # whatever the exporter raises
        raise _no_words(error) from error
    return file.getvalue()


def onnx_session(made: bytes) -> Callable[[Tensor, Tensor], np.ndarray]:
    """What runs a model of `to_onnx` in onnxruntime, on one thread.

    Raises:
        ConfigError: if the runtime cannot read it.
        DependencyError: if the package onnxruntime is missing.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise DependencyError("this needs onnxruntime: pip install 'skelact[gestures]'") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(made, options, ["CPUExecutionProvider"])
    except Exception as error:
        raise _no_words(error) from error

    def run(joints: Tensor, score: Tensor) -> np.ndarray:
        return np.asarray(session.run(None, {"joints": joints.numpy(), "score": score.numpy()})[0])

    return run


def _no_words(error: Exception) -> ConfigError:
    text = " ".join(str(error).split())[:200]
    return ConfigError(
        f"this network has operations that ONNX has no words for ({text}); use --format torch-export"
    )


def _index_add(g: Any, into: Any, dim: Any, index: Any, other: Any, alpha: Any = None) -> Any:
    """``index_add`` as ONNX's ScatterElements that adds; PyTorch's own translation keeps the last value alone."""
    from torch.onnx import symbolic_helper as helper

    rank: int = helper._get_tensor_rank(other) or 1
    axis: int = int(helper._get_const(dim, "i", "dim")) % rank  # pyright: ignore[reportArgumentType]
    axes = [k for k in range(rank) if k != axis]
    index = helper._unsqueeze_helper(g, index, axes) if axes else index
    index = g.op("Expand", index, g.op("Shape", other))
    return g.op("ScatterElements", into, index, other, axis_i=axis, reduction_s="add")


def _program(model: Exported, sample: tuple[Tensor, Tensor], card: Card) -> tuple[bytes, float]:
    file = io.BytesIO()
    try:
        with _without_looking():
            model(*sample)  # tensors that are made once and kept must be real ones
            torch.export.save(torch.export.export(model, sample, strict=False), file)
        file.seek(0)
        program = torch.export.load(file).module()
        people = len(sample[0])
        worst = _difference(
            model, lambda *x: program(*x).detach().numpy(), example(card, model.pipeline, people, 7)
        )
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise ConfigError(f"this network cannot be exported ({text})") from error
    return file.getvalue(), worst


def _difference(model: Exported, run: Any, sample: tuple[Tensor, Tensor]) -> float:
    with torch.no_grad():
        return float(np.abs(run(*sample) - model(*sample).numpy()).max())


def parameters(card: Card, pipeline: Pipeline, kind: str, people: int) -> dict[str, Any]:
    """What whoever uses the model must know, as plain values."""
    sampling = pipeline.sampling
    share = sampling.test_share or sampling.crop[1]
    frames = {
        "resize": f"{sampling.n_frames} moments at even distances over the middle {share:g} of the clip, interpolated",
        "segments": f"the middle frame of each of {sampling.n_frames} equal parts of the clip",
        "seconds": f"{sampling.n_frames} moments, {sampling.fps:g} a second, from the middle of the clip, interpolated",
    }[sampling.kind]
    return {
        "skelact": __version__, "format": kind, "opset": OPSET if kind == "onnx" else None,
        "inputs": {
            "joints": f"[people, {sampling.n_frames} frames, {len(card.skeleton_layout)} joints, {card.dims}] float32",
            "score": f"[people, {sampling.n_frames} frames, {len(card.skeleton_layout)} joints] float32, 0: missing",
        },
        "people": "any number of one clip" if kind == "onnx" else people,
        "frames": frames, "clip_seconds": card.clip_seconds, "unit": card.unit, "origin": card.origin,
        "layout": card.skeleton_layout.name, "joints": list(card.skeleton_layout.joints),
        "output": "probability [1, classes]", "classes": list(card.label_names),
    }  # fmt: skip
