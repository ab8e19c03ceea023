"""Networks, one file per paper family, composed of the blocks of `skelact.nn`.

Each family has a settings class whose ``build`` makes the network; `MODELS` is the one table of them.
"""

from __future__ import annotations

from skelact.models.agcn import AGCN, AAGCNSettings, AGCNSettings
from skelact.models.base import SkeletonModel
from skelact.models.ctrgcn import CTRGCN, CTRGCNSettings
from skelact.models.dgstgcn import DGSTGCN, DGSTGCNSettings
from skelact.models.gat import STGAT, STGATSettings
from skelact.models.msg3d import MSG3D, MSG3DSettings
from skelact.models.posec3d import PoseC3D, PoseC3DSettings
from skelact.models.protogcn import ProtoGCN, ProtoGCNSettings
from skelact.models.published import from_published
from skelact.models.pyg import PyGGCN, PyGGCNSettings
from skelact.models.sequence import TCN, GRUSettings, LSTMSettings, RecurrentNet, TCNSettings
from skelact.models.shiftgcn import ShiftGCN, ShiftGCNSettings
from skelact.models.skateformer import SkateFormer, SkateFormerSettings
from skelact.models.skelactnet import SkelactNet, SkelactNetSettings
from skelact.models.stalstm import STALSTM, STALSTMSettings
from skelact.models.stgcn import STGCN, STGCNSettings
from skelact.models.stgcnpp import STGCNPlusPlus, STGCNPlusPlusSettings

MODELS = {
    "skelactnet": SkelactNetSettings,
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
    "stalstm": STALSTMSettings,
    "posec3d": PoseC3DSettings,
    "lstm": LSTMSettings,
    "gru": GRUSettings,
    "tcn": TCNSettings,
}
ModelSettings = (
    SkelactNetSettings
    | STGCNSettings
    | AGCNSettings
    | AAGCNSettings
    | ShiftGCNSettings
    | MSG3DSettings
    | CTRGCNSettings
    | STGCNPlusPlusSettings
    | DGSTGCNSettings
    | ProtoGCNSettings
    | STGATSettings
    | PyGGCNSettings
    | SkateFormerSettings
    | STALSTMSettings
    | PoseC3DSettings
    | LSTMSettings
    | GRUSettings
    | TCNSettings
)

__all__ = [
    "AGCN",
    "CTRGCN",
    "DGSTGCN",
    "MODELS",
    "MSG3D",
    "STALSTM",
    "STGAT",
    "STGCN",
    "TCN",
    "AAGCNSettings",
    "AGCNSettings",
    "CTRGCNSettings",
    "DGSTGCNSettings",
    "GRUSettings",
    "LSTMSettings",
    "MSG3DSettings",
    "ModelSettings",
    "PoseC3D",
    "PoseC3DSettings",
    "ProtoGCN",
    "PyGGCN",
    "PyGGCNSettings",
    "ProtoGCNSettings",
    "RecurrentNet",
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
    "from_published",
]
