"""Networks, one file per paper family, composed of the blocks of `skelact.nn`.

Each family has a settings class whose ``build`` makes the network; `MODELS` is the one table of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from skelact.errors import ConfigError, choices
from skelact.models.agcn import AGCN, AAGCNSettings, AGCNSettings
from skelact.models.base import SkeletonModel
from skelact.models.conv_transformer import ConvTransformer, ConvTransformerSettings
from skelact.models.ctrgcn import CTRGCN, CTRGCNSettings
from skelact.models.dgstgcn import DGSTGCN, DGSTGCNSettings
from skelact.models.fusion import FusionNet, FusionSettings
from skelact.models.gat import STGAT, STGATSettings
from skelact.models.interactionnet import InteractionNet, InteractionNetSettings
from skelact.models.msg3d import MSG3D, MSG3DSettings
from skelact.models.own import OWN, use_model
from skelact.models.patch_as_node import PatchAsNode, PatchAsNodeSettings
from skelact.models.posec3d import PoseC3D, PoseC3DSettings
from skelact.models.protogcn import ProtoGCN, ProtoGCNSettings
from skelact.models.published import from_published
from skelact.models.pyg import PyGGCN, PyGGCNSettings
from skelact.models.raggedgat import RaggedGAT, RaggedGATSettings
from skelact.models.rgbpose_conv3d import RGBPoseConv3d, RGBPoseConv3dSettings
from skelact.models.sequence import TCN, GRUSettings, LSTMSettings, RecurrentNet, TCNSettings
from skelact.models.settings import LayoutSettings, NetworkSettings
from skelact.models.shiftgcn import ShiftGCN, ShiftGCNSettings
from skelact.models.skateformer import SkateFormer, SkateFormerSettings
from skelact.models.skelactnet import SkelactNet, SkelactNetSettings
from skelact.models.spoter import SPOTER, SPOTERSettings
from skelact.models.stalstm import STALSTM, STALSTMSettings
from skelact.models.stgcn import STGCN, STGCNSettings
from skelact.models.stgcnpp import STGCNPlusPlus, STGCNPlusPlusSettings
from skelact.models.video import VIDEO_MODELS
from skelact.settings import Chosen

MODELS: dict[str, type[NetworkSettings]] = {
    "skelactnet": SkelactNetSettings,
    "interactionnet": InteractionNetSettings,
    "stgcn": STGCNSettings,
    "agcn": AGCNSettings,
    "aagcn": AAGCNSettings,
    "shiftgcn": ShiftGCNSettings,
    "msg3d": MSG3DSettings,
    "ctrgcn": CTRGCNSettings,
    "stgcnpp": STGCNPlusPlusSettings,
    "dgstgcn": DGSTGCNSettings,
    "protogcn": ProtoGCNSettings,
    "stgat": STGATSettings,
    "pyggcn": PyGGCNSettings,
    "skateformer": SkateFormerSettings,
    "raggedgat": RaggedGATSettings,
    "conv_transformer": ConvTransformerSettings,
    "spoter": SPOTERSettings,
    "stalstm": STALSTMSettings,
    "posec3d": PoseC3DSettings,
    "lstm": LSTMSettings,
    "gru": GRUSettings,
    "tcn": TCNSettings,
}

# Networks of several streams, which are not made for skeletons alone.
JOINT_MODELS: dict[str, type[LayoutSettings]] = {
    "fusion": FusionSettings,
    "patch_as_node": PatchAsNodeSettings,
    "rgbpose_conv3d": RGBPoseConv3dSettings,
}


def find_settings(values: Mapping) -> type[LayoutSettings]:
    """The settings class of the network that plain values name; without a name ST-GCN's.

    Raises:
        ConfigError: for a network that is neither in `MODELS` nor in use (see `use_model`).
    """
    name = str(values.get("name", "stgcn"))
    known: dict[str, type[LayoutSettings]] = {**MODELS, **JOINT_MODELS, **OWN}
    if name not in known and ":" in name:
        raise ConfigError(
            f"'{name}' is a class of its user's own, and its code is run only if it is asked for by name: give "
            f"--model {name} (in Python: skelact.models.use_model('{name}'))"
        )
    if name in VIDEO_MODELS:
        raise ConfigError(
            f"'{name}' sees pictures, and is named as the network of a stream: "
            f"model: {{name: fusion, streams: {{rgb: {{name: {name}}}}}}}"
        )
    if name not in known:
        raise ConfigError(choices(name, known, "model") + " A class of your own is written module:Class.")
    return known[name]


ModelSettings = Annotated[LayoutSettings, Chosen(find_settings)]

__all__ = [
    "AGCN",
    "CTRGCN",
    "DGSTGCN",
    "JOINT_MODELS",
    "MODELS",
    "MSG3D",
    "SPOTER",
    "STALSTM",
    "STGAT",
    "STGCN",
    "TCN",
    "AAGCNSettings",
    "AGCNSettings",
    "CTRGCNSettings",
    "ConvTransformer",
    "ConvTransformerSettings",
    "DGSTGCNSettings",
    "FusionNet",
    "FusionSettings",
    "GRUSettings",
    "InteractionNet",
    "InteractionNetSettings",
    "LSTMSettings",
    "MSG3DSettings",
    "LayoutSettings",
    "ModelSettings",
    "NetworkSettings",
    "PatchAsNode",
    "PatchAsNodeSettings",
    "PoseC3D",
    "PoseC3DSettings",
    "ProtoGCN",
    "PyGGCN",
    "PyGGCNSettings",
    "ProtoGCNSettings",
    "RGBPoseConv3d",
    "RGBPoseConv3dSettings",
    "RaggedGAT",
    "RaggedGATSettings",
    "RecurrentNet",
    "SPOTERSettings",
    "STALSTMSettings",
    "STGATSettings",
    "STGCNPlusPlus",
    "STGCNPlusPlusSettings",
    "STGCNSettings",
    "ShiftGCN",
    "ShiftGCNSettings",
    "SkateFormer",
    "SkateFormerSettings",
    "SkelactNet",
    "SkelactNetSettings",
    "SkeletonModel",
    "TCNSettings",
    "find_settings",
    "from_published",
    "use_model",
]
