"""Weights that torchvision publishes for the same networks, by its key names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from skelact.errors import CheckpointError, ConfigError, choices
from skelact.models.video.base import VideoModel
from skelact.models.video.r2plus1d import R2Plus1d
from skelact.models.video.resnet3d import ResNet3d
from skelact.models.video.torchvision_network import TorchvisionNet
from skelact.models.video.tsn import adapt_first_conv

STEMS = {
    "r3d_18": {"stem.0": "stem.0", "stem.1": "stem.1"},
    "r2plus1d_18": {"stem.0": "stem.0.0", "stem.1": "stem.0.1", "stem.3": "stem.1.0", "stem.4": "stem.1.1"},
}
# Inside a block: convolutions 1 and 2 are the path's, each with its norm.
INNER = {
    "r3d_18": {"0": "0", "1": "1"},
    "r2plus1d_18": {"0.0": "0.0", "0.1": "0.1", "0.3": "1.0", "1": "1.1"},
}


def from_torchvision(name: str, state: Mapping[str, Tensor]) -> VideoModel:
    """The network of a state dict of torchvision, with its weights.

    Args:
        name: ``r3d_18`` (a `ResNet3d` with shortcut B) or ``r2plus1d_18`` (an `R2Plus1d`), as torchvision calls them.
        state: its state dict; the number of classes and of input channels is read from it.

    Raises:
        ConfigError: for another name.
        CheckpointError: for weights that are not those of the network.
    """
    if name not in STEMS:
        raise ConfigError(choices(name, STEMS, "network of torchvision"))
    for key in ("stem.0.weight", "fc.weight"):
        if key not in state:
            raise CheckpointError(f"this is no state dict of torchvision's {name}: it has no '{key}'")
    n_classes, channels_in = state["fc.weight"].shape[0], state["stem.0.weight"].shape[1]
    if name == "r3d_18":
        model: VideoModel = ResNet3d(n_classes, channels_in, 18, "B", stem_frames=3, stem_pool=False)
    else:
        model = R2Plus1d(n_classes, channels_in, 18, middle="block")
    renamed = {_rename(name, key): value for key, value in state.items()}
    own = model.state_dict()
    wrong = [key for key in own if key not in renamed or renamed[key].shape != own[key].shape]
    wrong += [key for key in renamed if key not in own]
    if wrong:
        raise CheckpointError(
            f"this is no state dict of torchvision's {name}; missing, unknown or of another size: "
            f"{', '.join(wrong[:5])} ({len(wrong)} in all)"
        )
    model.load_state_dict(renamed)
    return model


def start_from_torchvision(model: VideoModel, state: Mapping[str, Tensor]) -> None:
    """Begin with weights that torchvision publishes for clips; a classifier for other classes stays untrained.

    Streams of other than three channels begin with the mean over the colours (see `adapt_first_conv`).

    Args:
        model: a `TorchvisionNet`, or a `ResNet3d` or `R2Plus1d` of the same layers as torchvision's.
        state: torchvision's state dict.

    Raises:
        ConfigError: for another network.
        CheckpointError: for weights of another network.
    """
    if isinstance(model, TorchvisionNet):
        renamed, first = {_inside(key): value for key, value in state.items()}, f"inside.{model.first}.weight"
        if model.name == "s3d":  # its classifier is a convolution of 1 × 1 × 1
            renamed = {k: v.flatten(1) if k == "head.weight" else v for k, v in renamed.items()}
        what = model.name
    elif isinstance(model, ResNet3d | R2Plus1d):
        what = "r3d_18" if isinstance(model, ResNet3d) else "r2plus1d_18"
        renamed = {_rename(what, key): value for key, value in state.items()}
        first = _rename(what, "stem.0.weight")
    else:
        raise ConfigError(f"a {type(model).__name__} does not begin with torchvision's weights of clips")
    own = model.state_dict()
    if first in renamed and renamed[first].shape[1] != model.channels_in:
        renamed[first] = adapt_first_conv(renamed[first], model.channels_in)
    heads = ("head.weight", "head.bias")
    if any(key in renamed and renamed[key].shape != own[key].shape for key in heads):
        renamed |= {key: own[key] for key in heads}
    wrong = [key for key in own if key not in renamed or renamed[key].shape != own[key].shape]
    wrong += [key for key in renamed if key not in own]
    if wrong:
        raise CheckpointError(
            f"these are not torchvision's weights of {what}, or the network has other layers; missing, unknown or of "
            f"another size: {', '.join(wrong[:5])} ({len(wrong)} in all)"
        )
    model.load_state_dict(renamed)


def _inside(key: str) -> str:
    """A key of torchvision's as `TorchvisionNet`'s."""
    match = re.fullmatch(r"(fc|classifier\.1|head|head\.1)\.(weight|bias)", key)
    return f"head.{match.group(2)}" if match else f"inside.{key}"


def _rename(name: str, key: str) -> str:
    """A key of torchvision's as this library's; unknown keys stay as they are."""
    module, _, kind = key.rpartition(".")
    if module == "fc":
        return f"head.{kind}"
    if module in STEMS[name]:
        return f"{STEMS[name][module]}.{kind}"
    match = re.fullmatch(r"layer(\d)\.(\d+)\.(conv(\d)|downsample)\.([\d.]+)", module)
    if match is None:
        return key
    stage, block, part, which, inner = match.groups()
    block = f"rows.{int(stage) - 1}.{block}"
    if part == "downsample":
        return f"{block}.shortcut.{inner}.{kind}"
    return f"{block}.path.{int(which) - 1}.{INNER[name].get(inner, inner)}.{kind}"
