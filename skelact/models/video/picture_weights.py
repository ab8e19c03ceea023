"""Networks over video that begin with weights of networks over pictures, as torchvision and packages publish them."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from skelact.errors import CheckpointError, ConfigError, choices
from skelact.io.packaged import PACKAGED, find_packaged
from skelact.models.video.base import VideoModel
from skelact.models.video.gru_rcn import GRURCN
from skelact.models.video.i3d import I3D
from skelact.models.video.pooled import PooledNet
from skelact.models.video.torchvision_weights import start_from_torchvision
from skelact.models.video.tsn import TSN, adapt_first_conv
from skelact.models.video.videolstm import ConvLSTMNet, VideoLSTM
from skelact.nn.image_towers import VGG16_COUNTS, VGG16Full, VGG16Maps
from skelact.nn.mobilenet import MobileNetV2

PICTURE_NETWORKS = ("googlenet", "vgg16", "mobilenet_v2")
CLIPS = "torchvision"  # networks over clips
GOOGLENET_STEM = {"conv1": "stem.0", "conv2": "stem.2", "conv3": "stem.3"}
GOOGLENET_PARTS = {"conv": "conv.0", "bn": "conv.1"}
GOOGLENET_HEADS = ("fc", "aux1", "aux2")


def start_from_pictures(model: VideoModel, name: str, state: Mapping[str, Tensor]) -> None:
    """Begin with weights that torchvision publishes for pictures; classifier and recurrent cells stay untrained.

    Streams of other than three channels begin with the mean over the colours (see `adapt_first_conv`). Torchvision's
    own GoogLeNet weights are for colours from -1 to 1 (its ``transform_input`` makes them so).

    Args:
        model: an `I3D` for ``googlenet``, whose kernels are inflated; a `GRURCN`, `ConvLSTMNet` or `VideoLSTM` for
            ``vgg16``; a `TSN` or `PooledNet` with that backbone for ``mobilenet_v2``; of width 1.
        name: one of `PICTURE_NETWORKS`, as torchvision calls them.
        state: torchvision's state dict; of ``mobilenet_v2`` the packaged one, too.

    Raises:
        ConfigError: for another name, or a network that does not begin with it.
        CheckpointError: for weights of another network or of other sizes.
    """
    if name not in PICTURE_NETWORKS:
        raise ConfigError(choices(name, PICTURE_NETWORKS, "network over pictures"))
    if name == "googlenet" and isinstance(model, I3D):
        own = {key: value for key, value in state.items() if key.split(".")[0] not in GOOGLENET_HEADS}
        renamed = {_googlenet_key(key): value for key, value in own.items()}
        model.inflate(_adapt(renamed, "stem.0.conv.0.weight", model.channels_in))
    elif name == "vgg16" and isinstance(model, (GRURCN, ConvLSTMNet, VideoLSTM)):
        for part in model.modules():
            if isinstance(part, VGG16Maps):
                _load(part, _vgg_maps(state), "rows.0.0.weight")
            elif isinstance(part, VGG16Full):
                keys = {"layers.2": "classifier.0", "layers.4": "classifier.3"}
                _load(part, {own: state.get(key) for own, key in _with_kinds(keys)})
    elif (
        name == "mobilenet_v2"
        and isinstance(model, (TSN, PooledNet))
        and isinstance(model.tower, MobileNetV2)
    ):
        _load(model.tower, _in_order(model.tower, state), "stem.0.weight", name)
    else:
        raise ConfigError(f"a {type(model).__name__} does not begin with weights of {name}")


def _googlenet_key(key: str) -> str:
    """A key of torchvision's GoogLeNet as `I3D`'s; unknown keys stay as they are."""
    match = re.fullmatch(r"(conv\d|inception([345])([a-e])\.branch(\d)(?:\.(\d))?)\.(conv|bn)\.(\w+)", key)
    if match is None:
        return key
    module, stage, letter, branch, inner, part, kind = match.groups()
    if stage is None:
        place = GOOGLENET_STEM.get(module, module)
    else:
        place = f"rows.{int(stage) - 3}.{ord(letter) - ord('a') + 1}.branches.{int(branch) - 1}"
        place += "" if inner is None else f".{inner}"
    return f"{place}.{GOOGLENET_PARTS[part]}.{kind}"


def _vgg_maps(state: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
    """The convolutions of torchvision's VGG-16 by the names of `VGG16Maps`."""
    keys, at = {}, 0
    for i, row in enumerate(VGG16_COUNTS):
        for j in range(len(row)):
            keys[f"rows.{i}.{2 * j}"] = f"features.{at}"
            at += 2
        at += 1  # pooling
    return {own: state.get(key) for own, key in _with_kinds(keys)}


def _adapt(state: dict[str, Tensor], first: str, channels: int) -> dict[str, Tensor]:
    """Weights whose first kernel takes ``channels``; one that does already stays."""
    if first not in state or state[first].shape[1] == channels:
        return state
    return {**state, first: adapt_first_conv(state[first], channels)}


def _with_kinds(keys: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(f"{own}.{kind}", f"{key}.{kind}") for own, key in keys.items() for kind in ("weight", "bias")]


def start_from_published(model: VideoModel, place: str) -> None:
    """Begin with published weights.

    Args:
        model: the network.
        place: ``NAME`` for weights that a package holds (``mobilenet_v2``); ``NAME:FILE`` for a state dict of
            torchvision's, of a network over pictures (`PICTURE_NETWORKS`) or over clips (``torchvision``).

    Raises:
        ConfigError: for a name of which no package is known, without a file, or another network.
        CheckpointError: for a file that is no state dict, or of another network.
        DependencyError: if the package cannot be had.
    """
    name, _, file = place.partition(":")
    state = read_weights(name, file)
    if name == CLIPS:
        start_from_torchvision(model, state)
    else:
        start_from_pictures(model, name, state)


def is_published(place: str) -> bool:
    """Whether a place is one for `start_from_published`, and no checkpoint."""
    return place.partition(":")[0] in (*PICTURE_NETWORKS, CLIPS)


def read_weights(name: str, file: str = "") -> dict[str, Tensor]:
    """A state dict out of a file, or out of a package; raises as `start_from_published`."""
    if not file and name not in PACKAGED:
        raise ConfigError(f"no package holds weights of {name}; name torchvision's file: {name}:FILE.pth")
    path = file or find_packaged(name)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise CheckpointError(f"the weights of {name} cannot be read from {path}: {error}") from None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path} holds no state dict")
    return dict(state)


def _in_order(module: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
    """Weights by the module's names, from a state dict in the same order, of which it may be the first part."""
    given = [value for key, value in state.items() if not key.startswith("classifier.")]
    own = list(module.state_dict())
    return dict(zip(own, given, strict=False)) if len(given) >= len(own) else {}


def _load(
    module: nn.Module, state: Mapping[str, Tensor | None], first: str = "", name: str = "vgg16"
) -> None:
    """Load weights, of which the one called ``first`` is adapted to the module's channels."""
    own = module.state_dict()
    made = {key: value for key, value in state.items() if value is not None}
    if first:
        made = _adapt(made, first, own[first].shape[1])
    wrong = [key for key in own if key not in made or made[key].shape != own[key].shape]
    if wrong:
        raise CheckpointError(
            f"these are not torchvision's weights of {name}, or the network has another width than 1; missing or of "
            f"another size: {', '.join(wrong[:5])} ({len(wrong)} in all)"
        )
    module.load_state_dict(made)
