"""Networks as ONNX, and what runs them in onnxruntime."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from skelact.errors import ConfigError, DependencyError
from skelact.transforms.device import without_looking

OPSET = 18


class _Pooling(TorchFunctionMode):
    """Poolings that ONNX lacks, in operations that it has: adaptive ones, and windows that end beyond the border."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if re.fullmatch(r"adaptive_avg_pool[123]d", name):
            return _pool_to(args[0], _bound(args, kwargs, "output_size"), int(name[-2]), torch.mean)
        if re.fullmatch(r"adaptive_max_pool[123]d", name):
            return _pool_to(args[0], _bound(args, kwargs, "output_size"), int(name[-2]), torch.amax)
        if name in ("max_pool2d", "max_pool3d") and _bound(args, kwargs, "ceil_mode", 5, False):
            return _ceil_max_pool(func, *args, **kwargs)
        return func(*args, **kwargs)


def _bound(args: tuple, kwargs: dict[str, Any], name: str, place: int = 1, otherwise: Any = None) -> Any:
    return kwargs[name] if name in kwargs else args[place] if len(args) > place else otherwise


def _pool_to(x: Tensor, size: Any, axes: int, reduce: Callable[..., Tensor]) -> Tensor:
    """Adaptive pooling, one axis after the other: from ``floor(i·n / size)`` to ``ceil((i + 1)·n / size)``."""
    wanted = [size] * axes if isinstance(size, int) else list(size)
    for axis, k in zip(range(-axes, 0), wanted, strict=True):
        n = int(x.shape[axis])
        if k is None or int(k) == n:
            continue
        k = int(k)
        spans = [(i * n // k, -((-(i + 1) * n) // k)) for i in range(k)]
        x = torch.cat([reduce(x.narrow(axis, a, b - a), axis, keepdim=True) for a, b in spans], axis)
    return x


def _ceil_max_pool(
    func: Any, x: Tensor, kernel: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = True, return_indices: bool = False,
) -> Tensor:  # fmt: skip
    """Max pooling over ``x`` with as much lowest value behind it as the last windows need, and no more windows."""
    axes = 2 if "2d" in func.__name__ else 3
    each = [
        [v] * axes if isinstance(v, int) else list(v) for v in (kernel, stride or kernel, padding, dilation)
    ]
    pads: list[int] = []
    for axis, (k, step, pad, wide) in zip(range(-axes, 0), zip(*each, strict=True), strict=True):
        n, reach = int(x.shape[axis]), wide * (k - 1) + 1
        windows = -(-(n + 2 * pad - reach) // step) + 1
        windows -= (windows - 1) * step >= n + pad  # none begins behind the border
        pads = [pad, max(0, (windows - 1) * step + reach - n - pad), *pads]
    x = functional.pad(x, pads, value=float(torch.finfo(x.dtype).min))
    return func(x, kernel, stride, 0, dilation, False)


@contextmanager
def tracing() -> Iterator[None]:
    """No gradients, no decision by values, and no words of the exporters about their own future."""
    with torch.no_grad(), without_looking(), _Pooling(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def to_onnx(model: nn.Module, sample: Sequence[Tensor], names: Sequence[str] = ("joints", "score")) -> bytes:
    """A model as ONNX; what is called ``joints`` and ``score`` may be of any number of people.

    Args:
        model: the network with what goes before it.
        sample: its inputs; joints and scores of two people, so that no axis is taken for a constant.
        names: of the inputs.

    Raises:
        ConfigError: if it has operations that ONNX has no words for.
        DependencyError: if the package onnx is missing.
    """
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise DependencyError("exporting to ONNX needs onnx: pip install 'skelact[gestures]'") from error
    for name, words in (("index_add", _index_add), ("scatter_reduce", _scatter_reduce)):
        torch.onnx.register_custom_op_symbolic(f"aten::{name}", words, OPSET)
    file = io.BytesIO()
    try:
        with tracing():
            torch.onnx.export(
                model, tuple(sample), file,  # pyright: ignore[reportArgumentType]
                input_names=list(names), output_names=["probability"],
                dynamic_axes={name: {0: "people"} for name in names if name in ("joints", "score")},
                opset_version=OPSET, dynamo=False,
            )  # fmt: skip
    except Exception as error:  # whatever the exporter raises
        raise no_words(error) from error
    return file.getvalue()


def onnx_session(made: bytes) -> Callable[..., np.ndarray]:
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
        raise no_words(error) from error

    names = [value.name for value in session.get_inputs()]

    def run(*inputs: Tensor) -> np.ndarray:
        values = {name: x.numpy() for name, x in zip(names, inputs, strict=True)}
        return np.asarray(session.run(None, values)[0])

    return run


def no_words(error: Exception) -> ConfigError:
    """What to say of a network that ONNX or its runtime does not take."""
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


_REDUCTIONS = {"amax": ("max", -1.0), "amin": ("min", 1.0), "sum": ("add", 0.0), "prod": ("mul", 1.0)}


def _scatter_reduce(
    g: Any, into: Any, dim: Any, index: Any, source: Any, reduce: Any, include_self: Any = None
) -> Any:
    """``scatter_reduce`` of an index as large as its source; PyTorch's own translation forgets how many axes there are.

    Where the values before do not count, those that get any are set to what changes nothing first.
    """
    from torch.onnx import symbolic_helper as helper

    kind = str(helper._get_const(reduce, "s", "reduce"))
    if kind not in _REDUCTIONS:
        raise ConfigError(f"a reduction by {kind}")
    word, neutral = _REDUCTIONS[kind]
    if word in ("max", "min"):
        neutral *= float(np.finfo(np.float32).max)
    axis: int = int(helper._get_const(dim, "i", "dim"))  # pyright: ignore[reportArgumentType]
    if include_self is not None and not helper._get_const(include_self, "b", "include_self"):
        start = g.op("Constant", value_t=torch.tensor([neutral]))
        start = g.op("Expand", g.op("CastLike", start, source), g.op("Shape", index))
        into = g.op("ScatterElements", into, index, start, axis_i=axis)
    out = g.op("ScatterElements", into, index, source, axis_i=axis, reduction_s=word)
    return out.setType(into.type())
