"""Several samples in time and several crops of each: what a network sees in evaluation, and how answers are joined."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from skelact.datasets.clip_sampling import ClipSampling, Framing
from skelact.datasets.gather import Sampling
from skelact.datasets.pictures import PictureInput, PictureSet
from skelact.datasets.pipeline import Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.layouts import get_layout
from skelact.recognition.checkpoint import Card
from skelact.recognition.engine import predict_logits
from skelact.recognition.ensemble import Ensemble, Member
from skelact.skeleton import Skeleton

SEEN = PictureInput(ClipSampling("dense", 1), Framing((4, 8)), 10, crop=4, test_crops="three")
CARD = Card(get_layout("ntu25").to_dict(), 3, "m", ["a", "b"], 10.0, {}, {})


class Reader(nn.Module):
    """Logits are the picture's first and last column, in grey values: which moment and which crop is seen."""

    takes_pictures = True

    def forward(
        self, x: Tensor, owner: Tensor, score: Tensor, n_clips: int, pictures: dict, there: dict
    ) -> Tensor:
        grey = (pictures["depth"][:, 0, 0, 0] * 0.22803 + 0.43216) * 255
        return grey[:, [0, -1]].round()


def a_set() -> SkeletonSet:
    """Two clips of ten pictures, of which column c of picture t is 20·t + c."""
    made = np.random.default_rng(0)
    clips = [
        Skeleton(made.normal(size=(1, 10, 25, 3)), None, "ntu25", 10, label="a", id=name)
        for name in ("a", "b")
    ]
    data = SkeletonSet.from_skeletons(clips)
    value = 20 * torch.arange(10)[:, None] + torch.arange(8)
    frames = value.to(torch.uint8)[:, None, :, None].expand(10, 4, 8, 1).repeat(2, 1, 1, 1)
    pictures = PictureSet("depth", frames, torch.tensor([10, 10]), 10.0)
    data.pictures = {seen.kept_as("depth"): pictures for seen in (SEEN, replace(SEEN, test_crops="ten"))}
    return data


def test_every_sample_is_seen_in_every_crop() -> None:
    data, pipeline, clips = (
        a_set(),
        Pipeline(Sampling(crop=(1.0, 1.0)), pictures={"depth": SEEN}),
        torch.arange(2),
    )
    got = predict_logits(Reader(), data, clips, pipeline, views=2, crops=True)
    moments = (got[0, :, 0] // 20).tolist()
    assert got.shape == (2, 6, 2) and moments == [2, 2, 2, 7, 7, 7]
    assert (got[1] % 20).tolist() == 2 * [[0, 3], [2, 5], [4, 7]]
    middle = predict_logits(Reader(), data, clips, pipeline, views=2)
    assert torch.equal(middle, got[:, 1::3])  # as validation sees it
    ten = Pipeline(Sampling(crop=(1.0, 1.0)), pictures={"depth": replace(SEEN, test_crops="ten")})
    got = predict_logits(Reader(), data, clips, ten, crops=True)
    assert torch.equal(got[:, 5:], got[:, :5].flip(-1)) and len(got[0].unique(dim=0)) == 6


def test_members_with_other_crops_meet_sample_by_sample() -> None:
    data, clips = a_set(), torch.arange(2)
    pipelines = [
        Pipeline(Sampling(crop=(1.0, 1.0)), pictures={"depth": replace(SEEN, test_crops=c)})
        for c in ("centre", "three", "ten")
    ]
    members = [Member(str(p.n_crops), Reader(), CARD, p, Reader()) for p in pipelines]
    both = Ensemble(members[:2], [1.0, 1.0], CARD)
    one, three = both.member_logits(data, clips, views=2)
    assert both.n_crops == 3 and one.shape == three.shape == (2, 6, 2)
    assert torch.equal(one, three[:, [1, 1, 1, 4, 4, 4]])
    assert both.combine([one, three]).shape == (2, 6, 2)
    every = Ensemble(members, [1.0] * 3, CARD)
    assert every.n_crops == 30 and {z.shape for z in every.member_logits(data, clips)} == {(2, 30, 2)}
