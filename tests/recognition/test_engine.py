"""The inference engine: one loop for batches, clips and windows, in evaluation mode, and one row per clip."""

from __future__ import annotations

import pytest
import torch
from small_sets import random_set
from torch import Tensor, nn

from skelact.datasets.gather import Sampling
from skelact.datasets.pipeline import Pipeline
from skelact.errors import ConfigError
from skelact.models import STGCNSettings
from skelact.recognition.engine import call_model, compute_logits, predict_logits, window_logits

PIPELINE = Pipeline(Sampling(n_frames=8, crop=(0.5, 1.0)))
CLIPS = torch.arange(7)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    network = STGCNSettings(channels=(8, 8), stride_blocks=(1,), dropout=0.5).build("ntu25", 3, 3)
    nn.init.normal_(network.head.weight, 0, 10)  # a new network says nearly the same of everything
    return network


def test_clips_in_any_batches_and_views(model: nn.Module) -> None:
    data = random_set("ntu25")
    model.train()
    said = []
    logits = predict_logits(model, data, CLIPS, PIPELINE, 3, 2, lambda *words: said.append(words))
    assert model.training and logits.shape == (7, 2, 3)  # it trains on; dropout took no part
    assert said == [(n, 7, "evaluating") for n in (3, 6, 7)]
    assert torch.allclose(logits, predict_logits(model, data, CLIPS, PIPELINE, 64, 2), atol=1e-5)
    model.eval()
    for view in (0, 1):
        batch = PIPELINE(data, CLIPS, view=(view, 2))
        assert torch.allclose(logits[:, view], call_model(model, batch), atol=1e-5)
    assert not torch.allclose(logits[:, 0], logits[:, 1], atol=1e-3)
    assert predict_logits(model, data, CLIPS[:0], PIPELINE).shape[0] == 0


def test_the_window_that_is_the_whole_clip_is_the_clip(model: nn.Module) -> None:
    data, said = random_set("ntu25", n=1), []
    begins = torch.tensor([0.0, 4.0, 10.0])
    whole = window_logits(model, data, begins[:1], 20.0, 30.0, PIPELINE)
    assert torch.allclose(whole, predict_logits(model, data, CLIPS[:1], PIPELINE)[:, 0], atol=1e-5)
    windows = window_logits(model, data, begins, 10.0, 30.0, PIPELINE, 2, lambda *words: said.append(words))
    assert windows.shape == (3, 3) and said == [(2, 3, "recognising"), (3, 3, "recognising")]
    assert not torch.allclose(windows[0], windows[2], atol=1e-4)


def test_arithmetic_is_the_networks(model: nn.Module) -> None:
    seen: list[torch.dtype] = []

    class Watch(nn.Linear):
        def forward(self, x: Tensor, *_: object) -> Tensor:  # type: ignore[override]
            seen.append(x.dtype)
            return super().forward(x.mean((1, 2)).to(self.weight.dtype))

    data = random_set("ntu25", n=2)
    alone = random_set("ntu25", n=1)
    for dtype, expected in ((torch.float64, torch.float64), (torch.bfloat16, torch.float32)):
        logits = compute_logits(
            Watch(3, 2).to(dtype), lambda some, view: PIPELINE(alone, CLIPS[:1], view=view), 1
        )
        assert seen[-1] == expected and logits.dtype == torch.float32
    with pytest.raises(ConfigError, match=r"logits \[clips, classes\], here of 2 clips, got \[3, 2\]"):
        call_model(Watch(3, 2), PIPELINE(data, CLIPS[:2]))  # one row for each of three people
    with pytest.raises(ConfigError, match="got tuple"):
        call_model(lambda *_: (1, 2), PIPELINE(data, CLIPS[:2]))  # type: ignore[arg-type, return-value]
