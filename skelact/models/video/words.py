"""Bags of visual words: HOG, HOF and MBH in dense blocks, counted.

Laptev et al., CVPR 2008; in dense blocks Wang et al., BMVC 2009; MBH Dalal et al., ECCV 2006.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError
from skelact.models.video.base import VideoModel, VideoSettings
from skelact.nn.cells import CELLS, block_cells, cell_descriptors, hof_maps, hog_maps, length, mbh_maps
from skelact.nn.codebook import Codebook

GREY = (0.299, 0.587, 0.114)  # of red, green and blue
DIMS = {"hog": 8 * 12, "hof": 9 * 12, "mbh": 16 * 12}
OF_FLOW = ("hof", "mbh")


class WordsNet(VideoModel):
    """Histograms of words, their square roots (Hellinger's kernel), a norm and a linear layer.

    The words are learned from the training clips before the first step; nothing else in front of the norm has weights,
    so that the closed form (``train.optimiser: ridge``) trains it.

    Args:
        n_classes, channels_in, dropout: see `VideoModel`; 2 channels are flow, 1 or 3 pictures.
        sees: some of ``hog`` (of pictures), ``hof`` and ``mbh`` (of flow); none: all that the channels allow.
        words: of each of them.
        cell: side of a cell [pixels]; a block has 2 x 2 of them, in 3 steps of time.
        frames: of a cell.
        still: length of flow (as it comes in), or change of a picture from one frame to the next, below which a pixel
            counts as still. For flow it is also below which HOF counts it so.
        least: share of a block's pixels that move, for it to be counted.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        n_classes: int,
        channels_in: int = 2,
        sees: tuple[str, ...] = (),
        words: int = 300,
        cell: int = 12,
        frames: int = 4,
        still: float = 0.2,
        least: float = 0.1,
        dropout: float = 0.0,
    ) -> None:
        allowed = OF_FLOW if channels_in == 2 else ("hog",)
        if channels_in not in (1, 2, 3) or not set(sees) <= set(allowed):
            raise ConfigError(
                "words are seen in flow (2 channels: hof, mbh) or in pictures (1 or 3 channels: hog), got "
                f"{channels_in} channels and sees={list(sees)}"
            )
        if cell < 1 or frames < 1 or not still > 0 or not 0 <= least < 1:
            raise ConfigError(
                "words need a cell and frames of at least 1, still above 0 and least in 0..1, got "
                f"cell={cell}, frames={frames}, still={still} and least={least}"
            )
        chosen = tuple(kind for kind in allowed if not sees or kind in sees)
        super().__init__(
            n_classes,
            channels_in,
            words * len(chosen),
            dropout,
            least_frames=CELLS[0] * frames,
            least_size=CELLS[1] * cell,
        )
        self.cell, self.frames, self.still, self.least = cell, frames, still, least
        self.codebooks = nn.ModuleDict({kind: Codebook(words, DIMS[kind]) for kind in chosen})
        self.norm = nn.BatchNorm1d(self.n_features)

    def features(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # the nearest word is sought exactly
            exact = x if x.dtype == torch.float64 else x.float()
            # One after the other: the maps of a whole batch would be a hundred times its size.
            found = torch.cat([self.histograms(clip) for clip in exact.split(1)])
        return self.norm(found.to(x.dtype))

    def histograms(self, x: Tensor) -> Tensor:
        """Square roots of the words' shares ``[N, D]``."""
        moves = self.moving(x)
        counts = (block_cells(moves, self.cell, self.frames).mean((-2, -1)) > self.least).to(x.dtype)
        found = []
        for kind, codebook in self.codebooks.items():
            rows = cell_descriptors(self.maps_of(x, kind), self.cell, self.frames)
            found.append(codebook(rows, counts))
        return torch.cat(found, 1).sqrt()

    def maps_of(self, x: Tensor, kind: str) -> Tensor:
        """Maps ``[N, B, T, H, W]`` of one kind."""
        if kind == "hof":
            return hof_maps(x, self.still)
        return mbh_maps(x) if kind == "mbh" else hog_maps(grey_of(x))

    def moving(self, x: Tensor) -> Tensor:
        """Which pixels move, ``[N, 1, T, H, W]``; none in frames that repeat the one before, as after a clip's end."""
        changes = (x[:, :, 1:] - x[:, :, :-1]).abs()
        held = torch.cat([torch.ones_like(changes[:, :, :1]), changes], 2).amax((1, 3, 4), keepdim=True) == 0
        if self.channels_in == 2:
            size = length(x[:, :1], x[:, 1:])
        else:
            grey = grey_of(x).unsqueeze(1)
            size = (grey[:, :, 1:] - grey[:, :, :-1]).abs()
            size = torch.cat([size, size[:, :, -1:]], 2)
        return ((size >= self.still) & ~held).to(x.dtype)

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        return [("words", [self.codebooks]), ("norm", [self.norm]), ("head", [self.head])]


def grey_of(x: Tensor) -> Tensor:
    """Grey ``[N, T, H, W]`` of pictures ``[N, C, T, H, W]`` of 1 or 3 channels."""
    return x[:, 0] if x.shape[1] == 1 else torch.einsum("ncthw,c->nthw", x, x.new_tensor(GREY))


@dataclass
class WordsSettings(VideoSettings):
    """Settings of `WordsNet`; see there."""

    network = WordsNet

    name: Literal["words"] = "words"
    sees: tuple[str, ...] = ()
    words: int = 300
    cell: int = 12
    frames: int = 4
    still: float = 0.2
    least: float = 0.1
    dropout: float = 0.0
