"""Forward and backward passes of training; on a GPU, by CUDA graphs for shapes of batches that come again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from skelact.datasets.batch import SkeletonBatch
from skelact.models.base import SkeletonModel
from skelact.nn.small_maps import float32_small_maps
from skelact.recognition.engine import call_model
from skelact.training.losses import training_loss

log = logging.getLogger(__name__)

AFTER = 2  # steps with a shape before it is captured; they also measure and compile what must be
MOST = 16  # shapes that are captured
PRECISIONS = ("32-true", "bf16-mixed")


class Passes:
    """The loss of a batch, its logits, and the gradients of all weights.

    A network of many small kernels leaves a GPU waiting for the next launch. With ``graphs``, the passes of a shape
    are captured at its third batch and replayed afterwards as one launch; they do the same work, kernel by kernel.
    All captured shapes share the device's memory for what they compute in between. A shape that cannot be captured,
    because the network waits for the device, runs as it is written, and so does a network whose buffers are replaced
    rather than written into, since a graph would go on reading the old ones.

    Args:
        fabric: of the training, for its backward pass.
        model: as fabric set it up.
        plain: the network inside.
        criterion: of logits and labels.
        graphs: whether to capture; see `may_capture`.
    """

    def __init__(
        self,
        fabric: Any,
        model: nn.Module,
        plain: nn.Module,
        criterion: Callable[[Tensor, Tensor], Tensor],
        graphs: bool = False,
    ) -> None:
        self.fabric, self.model, self.plain, self.criterion = fabric, model, plain, criterion
        self.graphs = graphs
        self._seen: dict[tuple[Any, ...], int] = {}
        self._captured: dict[tuple[Any, ...], _Captured | None] = {}
        self._pool: Any = None
        self._places: list[int] = []

    def start_epoch(self) -> None:
        """Forget what was captured if the network changes with the progress of training."""
        own = getattr(type(self.plain), "set_progress", SkeletonModel.set_progress)
        if own is not SkeletonModel.set_progress:
            self._captured.clear()
            self._seen.clear()

    def __call__(self, batch: SkeletonBatch) -> tuple[Tensor, Tensor]:
        """``(loss, logits [N, K])``, both without history; the gradients lie in the network's weights."""
        if not self.graphs or batch.pictures or batch.places:
            return self._run(batch)
        key = tuple(tuple(x.shape) for x in (batch.x, batch.score, batch.label))
        captured = self._captured.get(key)
        if captured is None and key not in self._captured and self._is_due(key):
            captured = self._captured[key] = self._capture(batch)
        return self._run(batch) if captured is None else captured.replay(batch)

    def _run(self, batch: SkeletonBatch) -> tuple[Tensor, Tensor]:
        for parameter in self.plain.parameters():
            parameter.grad = None
        with float32_small_maps(self.fabric.device, self.fabric.strategy.precision.precision):
            logits = call_model(self.model, batch)
        loss = training_loss(self.plain, logits, batch.label, self.criterion)
        self.fabric.backward(loss)
        return loss.detach(), logits.detach()

    def _is_due(self, key: tuple[Any, ...]) -> bool:
        places = [value.data_ptr() for value in self.plain.buffers()]
        if self._places and places != self._places:
            log.info(
                "steps are not captured as CUDA graphs: a buffer of the network is replaced in every step"
            )
            self.graphs = False
            return False
        self._places = places
        self._seen[key] = self._seen.get(key, 0) + 1
        return self._seen[key] > AFTER and len(self._captured) < MOST

    def _capture(self, batch: SkeletonBatch) -> _Captured | None:
        stream = torch.cuda.current_stream(batch.x.device)
        try:
            if self._pool is None:
                self._pool = torch.cuda.graph_pool_handle()
            return _Captured(self._run, batch, self.plain, self._pool)
        except RuntimeError as error:
            torch.cuda.set_stream(stream)
            log.warning("no CUDA graph of a step with this shape: %s: %s", type(error).__name__, error)
            return None


def may_capture(device: torch.device, precision: str, world_size: int) -> bool:
    """Whether steps may be captured: one process, a GPU, and a precision that needs no look at the gradients."""
    return device.type == "cuda" and world_size == 1 and precision in PRECISIONS


class _Captured:
    """The passes of one shape, with memory of their own for batch, answer and gradients."""

    def __init__(
        self,
        run: Callable[[SkeletonBatch], tuple[Tensor, Tensor]],
        batch: SkeletonBatch,
        model: nn.Module,
        pool: Any,
    ) -> None:
        self.batch = batch.replace(**{name: getattr(batch, name).clone() for name in _INPUTS})
        self.graph = torch.cuda.CUDAGraph()
        # other threads, which make batches meanwhile, are not part of it
        with (
            torch.cuda.device(batch.x.device),
            torch.cuda.graph(self.graph, pool=pool, capture_error_mode="thread_local"),
        ):
            self.loss, self.logits = run(self.batch)
        self.gradients = [(parameter, parameter.grad) for parameter in model.parameters()]

    def replay(self, batch: SkeletonBatch) -> tuple[Tensor, Tensor]:
        for name in _INPUTS:
            getattr(self.batch, name).copy_(getattr(batch, name), non_blocking=True)
        self.graph.replay()
        for parameter, gradient in self.gradients:
            parameter.grad = gradient
        return self.loss.clone(), self.logits.clone()


_INPUTS = ("x", "score", "owner", "label")
