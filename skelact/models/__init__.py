"""Networks, one file per paper family, which only arrange the blocks of nn.

Each family has a settings class whose ``build`` makes the network; `MODELS` is the one table of them.
"""

from __future__ import annotations

from skelact.models.stgcn import STGCN, STGCNSettings

MODELS = {"stgcn": STGCNSettings}
ModelSettings = STGCNSettings  # a union of settings classes as soon as there are several

__all__ = ["MODELS", "STGCN", "ModelSettings", "STGCNSettings"]
