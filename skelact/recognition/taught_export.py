"""A taught vocabulary as ONNX: the encoder with its features, the examples and the scores in one file, and beside it
what turns an estimator's joints into its input."""

from __future__ import annotations

import json
import tempfile
import warnings
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skelact import __version__
from skelact.errors import ConfigError, DependencyError
from skelact.io.files import write_file, write_text
from skelact.models.gesture_encoder import example_input
from skelact.recognition.gesture_weights import encoder_id
from skelact.recognition.taught import Vocabulary
from skelact.recognition.taught_live import CALM, DROP, LENGTHS, MOST_WINDOWS, STRIDE, WAIT
from skelact.recognition.taught_scores import NARROW, TELLING, WARMTH
from skelact.transforms.gesture_form import (
    BRIDGE,
    EDGE,
    GESTURE_LAYOUT,
    LEAST_SCORE,
    LEFT_HAND,
    N_STEPS,
    RIGHT_HAND,
    J,
    form_sources,
)

MODEL, PARAMETERS = "gestures.onnx", "gestures.json"
OPSET = 17


class _Scorer(nn.Module):
    """Windows to vectors and scores."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.encoder = vocabulary.model
        self.either_hand = vocabulary.either_hand
        self.counts = vocabulary.scorer.counts
        self.register_buffer("examples", torch.from_numpy(vocabulary.scorer.examples).float())
        self.register_buffer("weights", torch.from_numpy(vocabulary.scorer.weights).float())
        self.order = list(GESTURE_LAYOUT.mirror)

    def forward(self, joints: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        if self.either_hand:
            joints, present = self._by_dominant_hand(joints, present)
        vector = self.encoder(joints, present)
        assert isinstance(self.examples, Tensor) and isinstance(self.weights, Tensor)
        likeness = vector @ self.examples.T
        parts, first = [], 0
        for count in self.counts:
            own = WARMTH * count * likeness[:, first : first + count]
            most = own.amax(1, keepdim=True)
            parts.append(((own - most).exp().mean(1).log() + most[:, 0]) / (WARMTH * count))
            first += count
        near = torch.stack(parts, 1)
        scores = near + TELLING * (NARROW * (likeness - 1)).exp() @ self.weights
        return vector, scores + near.amax(1, keepdim=True) - scores.amax(1, keepdim=True)

    def _by_dominant_hand(self, joints: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """As `skelact.recognition.taught_examples.by_dominant_hand`."""
        work = []
        for wrist, hand in ((J["left_wrist"], LEFT_HAND), (J["right_wrist"], RIGHT_HAND)):
            seen = present[:, :, hand, None]
            joint = joints[:, :, hand] * seen + joints[:, :, wrist] * (1 - seen)
            there = torch.maximum(present[:, :, hand], present[:, :, wrist])
            both = there[:, 1:] * there[:, :-1]
            step = (joint[:, 1:] - joint[:, :-1]).square().sum(-1).sqrt()
            work.append((step * both).sum(1) + 0.05 * present[:, :, hand].sum(1))
        left = (work[0] > work[1]).float()[:, None, None]
        other = joints[:, :, self.order] * joints.new_tensor([-1.0, 1.0, 1.0])
        there = present[:, :, self.order]
        return joints * (1 - left[..., None]) + other * left[..., None], present * (1 - left) + there * left


def export_vocabulary(
    vocabulary: Vocabulary, folder: str | PathLike[str], layout: str = "pose_hands75"
) -> Path:
    """Write ``gestures.onnx`` and ``gestures.json``.

    Args:
        vocabulary: with a gesture at least.
        folder: where to; made if it is not there.
        layout: of the joints that will be given, whose table of sources goes into the parameters.

    Returns:
        the folder.

    Raises:
        ConfigError: if the vocabulary is empty.
        DependencyError: if the package onnx is missing.
        DataError: if the folder cannot be written.
    """
    if not len(vocabulary):
        raise ConfigError("the vocabulary is empty; teach a gesture first (skelact teach)")
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise DependencyError("exporting needs the package onnx: pip install 'skelact[gestures]'") from error
    folder = Path(folder)
    names = ["joints", "present"], ["vector", "scores"]
    with tempfile.TemporaryDirectory(prefix="skelact-") as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter speaks of its own future
        made = Path(place) / MODEL
        torch.onnx.export(
            _Scorer(vocabulary).eval(), example_input(2), str(made), input_names=names[0], output_names=names[1],
            dynamic_axes={n: {0: "windows"} for n in (*names[0], *names[1])}, opset_version=OPSET, dynamo=False,
        )  # fmt: skip
        write_file(folder / MODEL, made.read_bytes())
    write_text(folder / PARAMETERS, json.dumps(parameters(vocabulary, layout), indent=1))
    return folder


def parameters(vocabulary: Vocabulary, layout: str = "pose_hands75") -> dict[str, Any]:
    """What is needed beside the model, as plain values; times are seconds."""
    return {
        "skelact": __version__,
        "encoder": encoder_id(vocabulary.model),
        "gestures": [
            {"name": g.name, "threshold": g.threshold, "seconds": g.seconds} for g in vocabulary.gestures.values()
        ],
        "either_hand": vocabulary.either_hand,
        "false_per_hour": vocabulary.false_per_hour,
        "flat": vocabulary.flat,
        "layout": layout,
        "joints": list(GESTURE_LAYOUT.joints),
        "sources": [list(s) for s in form_sources(layout)],
        "axes": "x to the picture's left, y up, z away from the camera; any unit",
        "steps": N_STEPS,
        "least_score": LEAST_SCORE,
        "bridge": BRIDGE,
        "edge": EDGE,
        "spotting": {
            "stride": STRIDE, "wait": WAIT, "drop": DROP, "lengths": list(LENGTHS), "most_windows": MOST_WINDOWS,
            "calm": CALM,
        },
    }  # fmt: skip


class ExportedVocabulary:
    """An exported vocabulary in onnxruntime.

    Args:
        folder: of `export_vocabulary`.

    Raises:
        DependencyError: if onnxruntime is missing, or the model cannot be read.
        ConfigError: if the folder holds none.
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise DependencyError(
                "this needs the package onnxruntime: pip install 'skelact[gestures]'"
            ) from error
        folder = Path(folder)
        try:
            self.parameters: dict[str, Any] = json.loads((folder / PARAMETERS).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{folder} holds no exported vocabulary ({error}); skelact gestures export makes one"
            ) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(
                str(folder / MODEL), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # whatever the runtime raises
            raise DependencyError(f"{folder / MODEL} cannot be read: {error}") from None

    def __call__(self, joints: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Vectors ``[N, D]`` and scores ``[N, K]`` of windows ``[N, N_STEPS, V, 3]`` and ``[N, N_STEPS, V]``."""
        vector, scores = self._session.run(
            None, {"joints": joints.astype(np.float32), "present": present.astype(np.float32)}
        )
        return np.asarray(vector), np.asarray(scores)


__all__ = ["ExportedVocabulary", "export_vocabulary", "parameters"]
