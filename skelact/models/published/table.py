"""The table of published releases, and reading their files safely."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from skelact.errors import CheckpointError, choices
from skelact.models.base import SkeletonModel
from skelact.models.published.agcn import AAGCN_RELEASE, AGCN_RELEASE
from skelact.models.published.ctrgcn import CTRGCN_RELEASE
from skelact.models.published.dgstgcn import DGSTGCN_RELEASE
from skelact.models.published.msg3d import MSG3D_RELEASE
from skelact.models.published.posec3d import POSEC3D_RELEASE
from skelact.models.published.protogcn import PROTOGCN_RELEASE
from skelact.models.published.release import Release
from skelact.models.published.shiftgcn import SHIFTGCN_RELEASE
from skelact.models.published.stgcn import STGCN_RELEASE
from skelact.models.published.stgcnpp import STGCNPP_RELEASE

PUBLISHED: dict[str, Release] = {
    "stgcn": STGCN_RELEASE,
    "2s_agcn": AGCN_RELEASE,
    "aagcn": AAGCN_RELEASE,
    "msg3d": MSG3D_RELEASE,
    "shiftgcn": SHIFTGCN_RELEASE,
    "ctrgcn": CTRGCN_RELEASE,
    "stgcnpp_pyskl": STGCNPP_RELEASE,
    "dgstgcn_pyskl": DGSTGCN_RELEASE,
    "protogcn": PROTOGCN_RELEASE,
    "posec3d_pyskl": POSEC3D_RELEASE,
}


def find_release(name: str) -> Release:
    """The release of this name.

    Raises:
        CheckpointError: if there is none.
    """
    if name not in PUBLISHED:
        raise CheckpointError(choices(name, PUBLISHED, "published model"))
    return PUBLISHED[name]


def from_published(name: str, state_dict: Mapping[str, Tensor], layout: str | None = None) -> SkeletonModel:
    """The network of a published checkpoint, from the authors' key names.

    Its logits are those of the authors' implementation. Where that pads every clip to two people with
    zeros and averages over both, so does the network (``padded_people``), whatever people it is given.

    Args:
        name: one of `PUBLISHED`.
        state_dict: the authors' state dict; a prefix ``module.`` and the like are taken off.
        layout: the skeleton layout; None: the usual one with as many joints (25: ``ntu25``, ...).

    Returns:
        the network in evaluation mode, in the type of the weights.

    Raises:
        CheckpointError: for an unknown name, or listing every key that is missing, unexpected or mis-shaped.
        LayoutError: if the layout has another number of joints.
    """
    return find_release(name).build(name, state_dict, layout)[0]


def read_published(path: str | Path) -> dict[str, Tensor]:
    """The state dict in a ``.pth``, ``.pt`` or ``.safetensors`` file; no pickled code is run.

    Raises:
        CheckpointError: if the file is missing, damaged, or holds no state dict.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(str(path))
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # both readers raise many kinds for damaged files
        raise CheckpointError(
            f"{path} cannot be read as plain weights ({str(error).splitlines()[0]}); no code in such files is run: "
            "save the state dict alone with torch.save(model.state_dict(), FILE)"
        ) from error
    for key in ("state_dict", "model_state_dict", "model", "weights", "net"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not any(isinstance(v, Tensor) for v in content.values()):
        raise CheckpointError(f"{path} holds no state dict (names and tensors), but {type(content).__name__}")
    return dict(content)
