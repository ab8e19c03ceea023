"""A segmentation network live gives what it gives for the whole recording, at any rate of frames."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from untrimmed import recording

from skelact.datasets.frame_input import FrameInput, FrameTarget
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import ConfigError, DataError
from skelact.models.segmentation import GRUSegmenterSettings, MSTCNSettings
from skelact.recognition.checkpoint import Card
from skelact.recognition.live_segmentation import LiveSegmenter
from skelact.recognition.segmentation import Segmenter
from skelact.skeleton import Skeleton

NETWORKS = {
    "mstcn": MSTCNSettings(channels=(8,), stages=2, layers=4, width=8, causal=True),
    "gru": GRUSegmenterSettings(hidden=12),
}


def segmenter(kind: str, clip: Skeleton, causal: bool = True) -> Segmenter:
    torch.manual_seed(0)
    shown, target = FrameInput(fps=13, streams=("joint", "bone", "velocity")), FrameTarget(delay=0.2)
    model = NETWORKS[kind].build(clip.layout, 3, shown.channels(3)).double()
    model.causal = causal
    for p in model.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return Segmenter(
        model, Card(clip.layout.to_dict(), 3, "unknown", ["a", "b", "c"], 13, {}, {}), shown, target
    )


def uneven() -> Skeleton:
    clip = recording("a", 3, n=90)
    rng = np.random.default_rng(0)
    time = np.cumsum(rng.uniform(0.02, 0.09, 90)) + 7.0 * (np.arange(90) >= 50)
    score = (rng.uniform(size=clip.score.shape) > 0.15).astype(np.float32)
    score[:, 30:33] = 0
    score[:, 0] = 1
    return clip.with_(time=time - time[0], score=score)


@pytest.mark.parametrize("kind", NETWORKS)
def test_live_is_the_whole_recording(kind: str) -> None:
    clip = uneven()
    made = segmenter(kind, clip)
    whole = made.scores(SkeletonSet.from_skeletons([clip]), 0)
    live = LiveSegmenter(made)
    assert clip.time is not None
    found = [s for t in range(90) for s in live.push(float(clip.time[t]), clip.xyz[0, t], clip.score[0, t])]
    assert len(found) == len(whole.sampled)
    assert np.abs(np.stack([s.probability for s in found]) - whole.at_samples).max() < 1e-3
    assert np.allclose([s.time for s in found], whole.sampled - 0.2, atol=1e-6)
    assert np.allclose([s.known for s in found], whole.known)
    assert whole.at_samples.std(0).max() > 0.01


def test_what_does_not_fit_is_refused() -> None:
    clip = uneven()
    live = LiveSegmenter(segmenter("gru", clip))
    live.push(0.0, clip.xyz[0, 0], clip.score[0, 0])
    with pytest.raises(DataError, match="does not come after"):
        live.push(0.0, clip.xyz[0, 1], clip.score[0, 1])
    with pytest.raises(DataError, match="6 joints"):
        live.push(1.0, clip.xyz[0, 1, :5], clip.score[0, 1])
    with pytest.raises(ConfigError, match="later frames"):
        LiveSegmenter(segmenter("gru", clip, causal=False))
