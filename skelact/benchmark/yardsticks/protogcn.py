"""ProtoGCN in the field's usual form, with the topologies that its second loss needs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelact.benchmark.yardsticks.dgstgcn import UsualBlock
from skelact.benchmark.yardsticks.usual import UsualNetwork, blocks_of, usual_norm, usual_point
from skelact.models.base import GraphModel
from skelact.models.protogcn import ProtoGCN
from skelact.nn.block import Block
from skelact.nn.spatial.prototype import ClassContrast


class UsualProtoGCN(UsualNetwork):
    """`ProtoGCN` in the usual form."""

    def __init__(self, model: ProtoGCN) -> None:
        super().__init__(model, [UsualBlock(block) for block in blocks_of(model, Block)])
        ours, contrast = model.prototypes, model.contrast
        assert contrast is not None
        self.query = nn.Linear(ours.query.in_features, ours.query.out_features, bias=False)
        self.query.load_state_dict(ours.query.state_dict())
        self.memory = nn.Linear(ours.memory.in_features, ours.memory.out_features, bias=False)
        self.memory.load_state_dict(ours.memory.state_dict())
        self.dropout = nn.Dropout(ours.dropout.p)
        self.post, self.post_norm = usual_point(ours.post.weight, ours.post.bias), usual_norm(ours.norm)
        self.contrast = ClassContrast(contrast.project.in_features, model.n_classes)
        self.contrast.load_state_dict(contrast.state_dict())
        self.weight = model.contrast_weight
        self.rebuilt: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(x)
        topology = self.blocks[-1].kept
        assert isinstance(topology, Tensor)
        n, (_, c, v, _) = len(x), topology.shape
        topology = topology.view(n, -1, c, v, v).mean(1).view(n, c, v * v)
        rebuilt = []
        for clip in topology:  # clip by clip, as released
            answer = self.dropout(self.memory(torch.softmax(self.query(clip.T), -1)))
            rebuilt.append(answer.T.reshape(c, v, v))
        maps = torch.relu(self.post_norm(self.post(torch.stack(rebuilt))))
        self.rebuilt, self.logits = maps.mean(1).flatten(1), logits.detach()
        return logits

    def extra_loss(self, label: Tensor) -> Tensor:
        """The contrast between classes."""
        return self.weight * self.contrast(self.rebuilt, label, self.logits)


def usual_protogcn(model: GraphModel) -> UsualProtoGCN:
    """`ProtoGCN` in the usual form."""
    assert isinstance(model, ProtoGCN)
    return UsualProtoGCN(model)
