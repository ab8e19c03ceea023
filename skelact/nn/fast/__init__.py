"""Optimised inference and training forms of modules, blocks and networks, with the same results.

`skelact.nn` and `skelact.models` contain the plain definitions. `table` lists the modules that have optimised
forms, `gate` decides where they apply. Modules without a form run unchanged.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from skelact.nn.block import Blocks
from skelact.nn.conv3d import Bottleneck3d, ConvNorm3d
from skelact.nn.fast.blocks import PackedBlocks
from skelact.nn.fast.cuda_graph import ShapeGraphs
from skelact.nn.fast.form import frozen
from skelact.nn.fast.gate import FULL_PRECISION
from skelact.nn.fast.table import TRAINING, fold_block
from skelact.nn.fast.video import VideoForm, fold_pictures


class InferenceForm(nn.Module):
    """A network's inference form, without gradients; see `inference_form`.

    On a GPU, shapes that come again run as CUDA graphs where that is measured faster.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.model, self.dtype = model, dtype
        self.graphs = ShapeGraphs()
        self.eval()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> InferenceForm:
        self.graphs.clear()
        return super()._apply(fn, recurse)

    def train(self, mode: bool = True) -> InferenceForm:
        """Stay in evaluation mode, the only mode of an inference form."""
        return super().train(False)

    def forward(
        self,
        x: Tensor,
        owner: Tensor | None = None,
        score: Tensor | None = None,
        n_clips: int | None = None,
        pictures: Mapping[str, Tensor] | None = None,
        there: Mapping[str, Tensor] | None = None,
        places: Mapping | None = None,
    ) -> Tensor:
        """Logits ``[N, n_classes]`` in float32 at least; arguments as for the network."""
        if sees_pictures(self.model):
            more = () if places is None else (places,)
            out = self.model(x, owner, score, n_clips, pictures, there, *more)
        else:
            out = self.graphs(self.model, x, owner, score, n_clips)
        return out if out.dtype in FULL_PRECISION else out.float()


class ClipForm(InferenceForm):
    """The inference form of a network over clips of pictures, without gradients; see `inference_form`."""

    def forward(self, x: Tensor, *further: Tensor) -> Tensor:  # type: ignore[override]
        """Logits ``[N, n_classes]`` of clips ``[N, C, T, H, W]`` in float32 at least; arguments as for the network."""
        return self.model(x, *further)


def sees_pictures(model: nn.Module) -> bool:
    """Whether a network takes streams of pictures beside skeletons."""
    return bool(getattr(model, "takes_pictures", False))


def over_clips(model: nn.Module) -> bool:
    """Whether a network takes clips of one stream of pictures ``[N, C, T, H, W]``."""
    return hasattr(model, "features_and_logits")


def inference_form(model: nn.Module, dtype: torch.dtype = torch.float32) -> InferenceForm:
    """Make a network's inference form: norms folded into weights, cache-sized packs of people on the CPU.

    Args:
        model: a network; its weights are copied, so later training does not change the form.
        dtype: of the arithmetic. For half precision (float16, bfloat16), input norm and classifier stay in
            float32, except in networks without blocks.

    Returns:
        a module with the network's arguments.
    """
    model = frozen(plain_form(copy.deepcopy(model)))
    if over_clips(model):
        model = model.to(dtype) if dtype in FULL_PRECISION else model
        return ClipForm(VideoForm(model, dtype).requires_grad_(False), dtype)
    blocks = any(isinstance(module, Blocks) for module in model.modules())
    if dtype in FULL_PRECISION or not (blocks or sees_pictures(model)):
        model = model.to(dtype)
    _fold_inside(model, dtype)
    if sees_pictures(model):
        encoders = model.get_submodule("encoders")
        for name, encoder in encoders.named_children():
            if over_clips(encoder):
                encoders.add_module(name, VideoForm(encoder, dtype))
    return InferenceForm(model.requires_grad_(False), dtype)


def _fold_inside(module: nn.Module, dtype: torch.dtype) -> None:
    for name, child in module.named_children():
        if isinstance(child, Blocks):
            setattr(module, name, PackedBlocks([fold_block(block, dtype) for block in child], dtype))
        elif type(child) in (ConvNorm3d, Bottleneck3d):
            setattr(module, name, fold_pictures(child, dtype))
        elif not over_clips(child):  # those become a `VideoForm` as a whole
            _fold_inside(child, dtype)


def for_training(model: nn.Module) -> nn.Module:
    """Switch a network's modules to their training forms, in place; weights and their names are unchanged.

    Where the gate is closed (autocast, compilers, evaluation; on a GPU for all forms but the fixed graph
    convolution's), the plain definition runs.
    """
    for module in model.modules():
        if type(module) in TRAINING:
            module.__class__ = TRAINING[type(module)]
    return model


def plain_form(model: nn.Module) -> nn.Module:
    """Undo `for_training`, in place."""
    plain: dict[type[nn.Module], type[nn.Module]] = {form: kind for kind, form in TRAINING.items()}
    for module in model.modules():
        if type(module) in plain:
            module.__class__ = plain[type(module)]
    return model
