"""Sequence to sequence: frames to words, and glosses to words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError, DataError
from skelact.layouts import SkeletonLayout
from skelact.models.language.decoder import make_decoder, positions
from skelact.models.language.encoder import FrameEncoder, mean_frames
from skelact.models.settings import FamilySettings


class MotionToText(nn.Module):
    """A `FrameEncoder` whose answers are the memory of a decoder, and what people look like beside them.

    Args:
        layout, channels_in: see `FrameEncoder`.
        n_words: K of the decoder.
        width: of the encoder and the memory.
        stride: frames whose mean is one place of the memory.
        encoder_layers, hidden, recurrent_layers, causal: see `FrameEncoder`.
        decoder, decoder_layers, heads, dropout: see `skelact.models.language.decoder`.
        pictures: F, features of pictures beside each frame; 0: joints alone.
    """

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_words: int,
        channels_in: int = 3,
        width: int = 96,
        stride: int = 4,
        encoder_layers: int = 5,
        hidden: int = 96,
        recurrent_layers: int = 1,
        causal: bool = False,
        decoder: str = "transformer",
        decoder_layers: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
        pictures: int = 0,
    ) -> None:
        super().__init__()
        if stride < 1:
            raise ConfigError(f"stride must be at least 1, got {stride}")
        self.encoder = FrameEncoder(
            layout, width, channels_in, width, encoder_layers, hidden, recurrent_layers, dropout, causal
        )
        self.stride, self.n_words = stride, n_words
        self.decoder = make_decoder(decoder, n_words, width, decoder_layers, heads, dropout)
        self.see = (
            nn.Sequential(nn.LayerNorm(pictures), nn.Dropout(dropout), nn.Linear(pictures, width))
            if pictures
            else None
        )

    @property
    def layout(self) -> SkeletonLayout:
        """Of the joints."""
        return self.encoder.layout

    def encode(
        self, x: Tensor, score: Tensor, real: Tensor, looks: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The memory ``[N, S, D]`` of ``x [N, T, V, C]``, and which of its places are real ``[N, S]``.

        With ``looks [N, T, F]`` the places of the pictures follow those of the motion.

        Raises:
            DataError: if the network sees pictures and there are none.
        """
        memory = self.encoder(x, None, score, real=real)[-1]
        memory, there = mean_frames(memory, real, self.stride)
        place = positions(memory.shape[1], memory.shape[2], memory)
        if self.see is None:
            return memory + place, there
        if looks is None:
            raise DataError("this network sees pictures beside joints; give it the video of every recording")
        seen, _ = mean_frames(self.see(looks), real, self.stride)
        return torch.cat([memory + place, seen + place], 1), torch.cat([there, there], 1)

    def forward(
        self, x: Tensor, score: Tensor, real: Tensor, words: Tensor, looks: Tensor | None = None
    ) -> Tensor:
        """Logits ``[N, L, K]`` of the word after each of ``words [N, L]``.

        Args:
            x, score, real: ``[N, T, V, C]``, ``[N, T, V]`` (0 = missing), ``[N, T]`` (False beyond a recording's end).
            words: indices that begin with the begin token.
            looks: ``[N, T, F]`` what the people look like.
        """
        return self.decoder(words, *self.encode(x, score, real, looks))


@dataclass
class MotionToTextSettings(FamilySettings):
    """Settings of `MotionToText`; see there."""

    network: ClassVar[type[nn.Module]] = MotionToText

    name: Literal["motion2text"] = "motion2text"
    width: int = 96
    stride: int = 4
    encoder_layers: int = 5
    hidden: int = 96
    recurrent_layers: int = 1
    causal: bool = False
    decoder: Literal["transformer", "gru"] = "transformer"
    decoder_layers: int = 2
    heads: int = 4
    dropout: float = 0.1
    pictures: int = 0

    def build(self, layout: SkeletonLayout | str, n_words: int, channels_in: int) -> MotionToText:
        """Make the network for a layout, a number of words and of input channels."""
        return MotionToText(layout, n_words, channels_in, **self.arguments())


class GlossToText(nn.Module):
    """Transformer encoder over glosses and a decoder over words.

    Args:
        n_glosses: their number, the blank (which pads here) among them.
        n_words: K of the decoder.
        width, layers, heads, dropout: of both.
        decoder: see `skelact.models.language.decoder`.
    """

    def __init__(
        self,
        n_glosses: int,
        n_words: int,
        width: int = 96,
        layers: int = 2,
        heads: int = 4,
        decoder: str = "transformer",
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.decoder = make_decoder(decoder, n_words, width, layers, heads, dropout)
        if width % heads or width % 2:
            raise ConfigError(f"width must be even and a multiple of heads, got {width} and {heads}")
        self.embed = nn.Embedding(n_glosses, width)
        layer = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.n_glosses, self.n_words = n_glosses, n_words

    def encode(self, glosses: Tensor) -> tuple[Tensor, Tensor]:
        """The memory ``[N, L, D]`` of ``glosses [N, L]`` (0 beyond a sentence's end), and which places are real."""
        real = glosses > 0
        real = real | (
            torch.arange(glosses.shape[1], device=glosses.device) == 0
        )  # attention needs one place
        x = self.embed(glosses) + positions(glosses.shape[1], self.embed.embedding_dim, self.embed.weight)
        return self.encoder(x, src_key_padding_mask=~real), real

    def forward(self, glosses: Tensor, words: Tensor) -> Tensor:
        """Logits ``[N, L, K]`` of the word after each of ``words``."""
        return self.decoder(words, *self.encode(glosses))


@dataclass
class GlossToTextSettings(FamilySettings):
    """Settings of `GlossToText`; see there."""

    network: ClassVar[type[nn.Module]] = GlossToText

    name: Literal["gloss2text"] = "gloss2text"
    width: int = 96
    layers: int = 2
    heads: int = 4
    decoder: Literal["transformer", "gru"] = "transformer"
    dropout: float = 0.1

    def build(self, n_glosses: int, n_words: int) -> GlossToText:
        """Make the network for numbers of glosses and words."""
        return GlossToText(n_glosses, n_words, **self.arguments())
