"""Visual words: the nearest of a codebook's vectors, which are learned by k-means before the training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError
from skelact.nn.kmeans import fit_codebook

MOST = 12_000  # descriptors that words are learned from
OF_A_CLIP = 150


class Codebook(nn.Module):
    """Words ``[K, D]``; random ones until `finish_learning`.

    Args:
        n_words: K.
        dims: D of a descriptor of length 1.

    Raises:
        ConfigError: for no words.
    """

    words: Tensor
    learned: Tensor  # whether they are

    def __init__(self, n_words: int, dims: int) -> None:
        super().__init__()
        if n_words < 1:
            raise ConfigError(f"a codebook has at least 1 word, got {n_words}")
        self.register_buffer("words", nn.functional.normalize(torch.rand(n_words, dims), dim=-1))
        self.register_buffer("learned", torch.tensor(False))
        self._seen: list[Tensor] | None = None
        self._generator = torch.Generator()

    def begin_learning(self, seed: int = 0) -> None:
        """Keep a sample of what is seen from here on."""
        self._seen = []
        self._generator.manual_seed(seed)

    def finish_learning(self, seed: int = 0) -> None:
        """Take k-means' centres of what was seen as words.

        Raises:
            ConfigError: if less was seen than there are words.
        """
        seen = torch.cat(self._seen or [self.words[:0]])
        self._seen = None
        if len(seen) < len(self.words):
            raise ConfigError(
                f"{len(self.words)} words cannot be learned from {len(seen)} blocks that move; take fewer words, "
                "or more or longer clips"
            )
        seen = seen[torch.randperm(len(seen), generator=self._generator)[:MOST]]
        words = torch.from_numpy(fit_codebook(seen.numpy(), len(self.words), seed))
        self.words.copy_(words)
        self.learned.fill_(True)

    def forward(self, x: Tensor, counts: Tensor) -> Tensor:
        """How often each word occurs.

        Args:
            x: descriptors ``[N, n, D]``.
            counts: ``[N, n]`` which of them count, 0 or 1.

        Returns:
            ``[N, K]``, the shares of those that count; 0 where none does.
        """
        if self._seen is not None:
            for rows, chosen in zip(x.detach(), counts, strict=True):
                found = rows[chosen > 0].float().cpu()
                some = torch.randperm(len(found), generator=self._generator)[:OF_A_CLIP]
                self._seen.append(found[some])
        words = self.words.to(x)
        nearest = (x @ words.T - words.square().sum(-1) / 2).argmax(-1)
        found = x.new_zeros(len(x), len(words)).scatter_add(1, nearest, counts.to(x))
        return found / counts.sum(1, keepdim=True).clamp_min(1)
