"""Small networks of every family, and a ragged batch, for tests."""

from __future__ import annotations

import torch

from skelact.models import MODELS

ROWS = {"channels": (8, 16, 16), "stride_blocks": (1,)}
SMALL = {
    "skelactnet": ROWS,
    "interactionnet": ROWS,
    "stgcn": ROWS,
    "ctrgcn": ROWS,
    "stgcnpp": ROWS,
    "dgstgcn": ROWS,
    "protogcn": {**ROWS, "n_prototypes": 5},
    "agcn": ROWS,
    "aagcn": ROWS,
    "shiftgcn": ROWS,
    "msg3d": {"channels": (8, 14, 16), "stride_blocks": (1,), "n_scales": 4, "n_window_scales": 3},
    "stgat": ROWS,
    "pyggcn": {**ROWS, "conv": "GATv2Conv", "options": {"heads": 2, "concat": False}},
    "skateformer": {"channels": (16, 32), "depth": 1, "heads": 8, "drop_path": 0.0},
    "stalstm": {"hidden": 12},
    "raggedgat": {"spatial": (8, 12), "channels": (16,), "dropout": 0.0},
    "conv_transformer": {"channels": 12, "stages": 1, "kernel": 5},
    "spoter": {"channels": 12, "n_heads": 3, "depth": 2, "hidden": 16},
    "posec3d": {"width": 4, "depths": (1, 1, 1), "size": 24},
    "lstm": {"hidden": 12, "layers": 2},
    "gru": {"hidden": 12, "layers": 2},
    "tcn": {"channels": (12, 16)},
}
# of widths at which inference takes other paths
WIDE = {"channels": (16, 128, 128, 256), "stride_blocks": (1,)}
LAYOUT_NAMES = ["ntu25", "coco17", "natops8", "pose_hands75"]


def build(name: str, layout: str = "ntu25", n_classes: int = 5, **changes):
    torch.manual_seed(0)
    model = MODELS[name](**{**SMALL[name], **changes}).build(layout, n_classes, 3)
    model.train()
    with torch.no_grad():
        for value in model.parameters():  # whatever starts at 0 takes part
            value.add_(torch.randn_like(value), alpha=0.05)
        # norms with statistics of their own
        model(torch.randn(6, 16, len(model.layout), 3))
    return model.eval()


def clip_batch(n_joints: int, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    owner = torch.tensor([0, 0, 1, 2, 2, 2])
    x = torch.randn(6, 16, n_joints, 3, generator=generator)
    score = (torch.rand(6, 16, n_joints, generator=generator) > 0.1).float()
    return x, owner, score
