"""Decoders that write one word after the other and attend to a memory of frames or glosses."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError, choices

DECODERS = ("transformer", "gru")


def positions(n: int, width: int, like: Tensor) -> Tensor:
    """Sines and cosines of positions ``[n, width]`` (Vaswani et al., NeurIPS 2017)."""
    place = torch.arange(n, device=like.device, dtype=like.dtype)[:, None]
    rate = torch.exp(
        torch.arange(0, width, 2, device=like.device, dtype=like.dtype) * (-math.log(10000.0) / width)
    )
    out = like.new_zeros(n, width)
    out[:, 0::2] = (place * rate).sin()
    out[:, 1::2] = (place * rate).cos()[:, : width // 2]
    return out


class TransformerDecoder(nn.Module):
    """Transformer decoder (Vaswani et al., NeurIPS 2017), norms first, with sinusoidal positions.

    Args:
        n_words: K, the special tokens among them.
        width: D of the memory.
        layers, heads: of attention.
        dropout: a probability.
    """

    def __init__(
        self, n_words: int, width: int, layers: int = 2, heads: int = 4, dropout: float = 0.1
    ) -> None:
        super().__init__()
        if width % heads or width % 2:
            raise ConfigError(f"width must be even and a multiple of heads, got {width} and {heads}")
        self.embed = nn.Embedding(n_words, width)
        nn.init.normal_(self.embed.weight, std=width**-0.5)
        layer = nn.TransformerDecoderLayer(
            width, heads, 2 * width, dropout, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerDecoder(layer, layers, nn.LayerNorm(width))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, n_words)

    def forward(self, words: Tensor, memory: Tensor, real: Tensor) -> Tensor:
        """Logits ``[N, L, K]`` of the word after each of ``words [N, L]``.

        Args:
            words: indices, beginning with the begin token.
            memory: ``[N, T, D]``.
            real: ``[N, T]`` booleans, False where the memory is padding.
        """
        width = memory.shape[2]
        x = self.embed(words) * math.sqrt(width) + positions(words.shape[1], width, memory)
        mask = torch.ones(words.shape[1], words.shape[1], dtype=torch.bool, device=words.device).triu(1)
        return self.head(self.layers(self.dropout(x), memory, tgt_mask=mask, memory_key_padding_mask=~real))


class GRUDecoder(nn.Module):
    """A GRU with attention by dot products (Luong et al., EMNLP 2015: global, "dot" after a linear map).

    Args:
        n_words, width, layers, dropout: as `TransformerDecoder`.
    """

    def __init__(
        self, n_words: int, width: int, layers: int = 1, heads: int = 1, dropout: float = 0.1
    ) -> None:
        super().__init__()
        del heads  # attention here has one
        self.embed = nn.Embedding(n_words, width)
        self.cell = nn.GRU(width, width, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.query = nn.Linear(width, width, bias=False)
        self.join = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, n_words)

    def forward(self, words: Tensor, memory: Tensor, real: Tensor) -> Tensor:
        """See `TransformerDecoder.forward`."""
        weight = real.to(memory.dtype)[..., None]
        first = (memory * weight).sum(1) / weight.sum(1).clamp_min(1)
        states, _ = self.cell(self.dropout(self.embed(words)), first.repeat(self.cell.num_layers, 1, 1))
        match = self.query(states) @ memory.transpose(1, 2) / math.sqrt(memory.shape[2])
        share = match.masked_fill(~real[:, None], -torch.inf).softmax(-1)
        both = torch.cat([states, share @ memory], -1)
        return self.head(self.dropout(self.join(both).tanh()))


def make_decoder(name: str, n_words: int, width: int, layers: int, heads: int, dropout: float) -> nn.Module:
    """A decoder by name; raises `ConfigError` for a name that is not in `DECODERS` or impossible sizes."""
    if name not in DECODERS:
        raise ConfigError(choices(name, DECODERS, "decoder"))
    if min(n_words, width, layers, heads) < 1 or not 0 <= dropout < 1:
        raise ConfigError(
            "a decoder needs words, width, layers and heads of at least 1 and dropout in 0..1, got "
            f"{n_words}, {width}, {layers}, {heads} and {dropout}"
        )
    kind = TransformerDecoder if name == "transformer" else GRUDecoder
    return kind(n_words, width, layers, heads, dropout)
