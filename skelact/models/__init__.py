"""Networks, one file per paper family, which only arrange the blocks of nn.

Each family has a settings class whose ``build`` makes the network; `MODELS` is the one table of them.
"""

from __future__ import annotations

from skelact.models.agcn import AGCN, AAGCNSettings, AGCNSettings
from skelact.models.ctrgcn import CTRGCNSettings
from skelact.models.dgstgcn import DGSTGCNSettings
from skelact.models.gat import STGATSettings
from skelact.models.msg3d import MSG3D, MSG3DSettings
from skelact.models.posec3d import PoseC3DSettings
from skelact.models.protogcn import ProtoGCNSettings
from skelact.models.sequence import GRUSettings, LSTMSettings, TCNSettings
from skelact.models.shiftgcn import ShiftGCNSettings
from skelact.models.skateformer import SkateFormerSettings
from skelact.models.skelactnet import SkelactNetSettings
from skelact.models.stalstm import STALSTMSettings
from skelact.models.stgcn import STGCN, STGCNSettings
from skelact.models.stgcnpp import STGCNPlusPlusSettings

MODELS = {
    "skelactnet": SkelactNetSettings,
    "stgcn": STGCNSettings,
    "agcn": AGCNSettings,
    "aagcn": AAGCNSettings,
    "msg3d": MSG3DSettings,
    "shiftgcn": ShiftGCNSettings,
    "ctrgcn": CTRGCNSettings,
    "stgcnpp": STGCNPlusPlusSettings,
    "dgstgcn": DGSTGCNSettings,
    "protogcn": ProtoGCNSettings,
    "stgat": STGATSettings,
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
    | MSG3DSettings
    | ShiftGCNSettings
    | CTRGCNSettings
    | STGCNPlusPlusSettings
    | DGSTGCNSettings
    | ProtoGCNSettings
    | STGATSettings
    | SkateFormerSettings
    | STALSTMSettings
    | PoseC3DSettings
    | LSTMSettings
    | GRUSettings
    | TCNSettings
)  # fmt: skip

__all__ = ["MODELS", "STGCN", "ModelSettings", "STGCNSettings"]
