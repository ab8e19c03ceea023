"""Bags of words as a network: what it counts, in what it sees."""

from __future__ import annotations

import pytest
import torch

from skelact.errors import ConfigError
from skelact.models.video import WordsNet, create_video_model
from skelact.nn.cells import block_cells, cell_descriptors, hof_maps, hog_maps, mbh_maps


def small(channels: int = 2, **settings) -> WordsNet:
    torch.manual_seed(0)
    model = create_video_model("words", 3, channels, **{"words": 7, "cell": 4, "frames": 2, **settings})
    assert isinstance(model, WordsNet)
    return model.eval()


def clip(channels: int = 2, t: int = 13) -> torch.Tensor:
    return torch.randn(2, channels, t, 17, 21, generator=torch.Generator().manual_seed(4))


def test_histograms_of_flow_are_those_of_blocks_that_move() -> None:
    model, x = small(still=1.0, least=0.6), clip()
    moving = (x.square().sum(1, keepdim=True).sqrt() >= 1.0).float()
    share = block_cells(moving, 4, 2).mean((2, 3))
    expected = []
    for kind, maps in (("hof", hof_maps(x, 1.0)), ("mbh", mbh_maps(x))):
        rows, words = cell_descriptors(maps, 4, 2), model.codebooks[kind].words
        nearest = torch.cdist(rows, words).argmin(-1)  # type: ignore[arg-type]
        found = torch.zeros(2, 7)
        for n in range(2):
            for at in torch.nonzero(share[n] > 0.6).flatten().tolist():
                found[n, nearest[n, at]] += 1
        assert 0 < found.sum() < share.numel()  # some, not all
        expected.append((found / found.sum(1, keepdim=True)).sqrt())
    assert torch.allclose(model.histograms(x), torch.cat(expected, 1), atol=1e-6)


def test_pictures_are_seen_where_they_change() -> None:
    model, x = small(3, still=0.5), clip(3)
    x[:, :, :, :, 9:] = x[:, :, :1, :, 9:]  # the right half stands still
    grey = 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2]
    change = grey.diff(dim=1).abs()
    moving = (torch.cat([change, change[:, -1:]], 1) >= 0.5).float()[:, None]
    counts = (block_cells(moving, 4, 2).mean((2, 3)) > 0.1).float()
    assert 0 < counts.mean() < 1
    rows = cell_descriptors(hog_maps(grey), 4, 2)
    assert torch.allclose(model.histograms(x), model.codebooks["hog"](rows, counts).sqrt(), atol=1e-6)
    assert small(1).histograms(clip(1)).shape == (2, 7)


def test_what_is_held_after_the_end_is_not_counted() -> None:
    model, x = small(), clip(t=12)
    held = torch.cat([x, x[:, :, -1:].expand(-1, -1, 12, -1, -1)], 2)
    assert torch.allclose(model.histograms(held), model.histograms(x), atol=1e-6)
    assert model.histograms(torch.zeros_like(x)).abs().max() == 0


def test_every_setting_is_used() -> None:
    x = clip()
    base = small().histograms(x)
    for name, value in (("cell", 5), ("frames", 3), ("still", 1.5), ("least", 0.985), ("words", 9)):
        other = small(**{name: value}).histograms(x)
        assert other.shape != base.shape or (other - base).abs().max() > 1e-3, name
    assert small(sees=("mbh",)).n_features == 7 and list(small(sees=("mbh",)).codebooks) == ["mbh"]


def test_the_words_are_sought_exactly_in_mixed_precision() -> None:
    model, x = small(words=50), clip()
    with torch.autocast("cpu", torch.bfloat16):
        found = model.forward_features(x)
    assert torch.allclose(found.float(), model.forward_features(x), atol=1e-2)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"got 3 channels and sees=\['hof'\]"):
        small(3, sees=("hof",))
    with pytest.raises(ConfigError, match="got 4 channels"):
        small(4)
    for name, value in (("cell", 0), ("frames", 0), ("still", 0.0), ("least", 1.0)):
        with pytest.raises(ConfigError, match=f"{name}={value}"):
            small(**{name: value})
