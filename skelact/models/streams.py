"""`StreamNetwork`: the base class of networks that see streams of pictures beside skeletons, or instead of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from skelact.layouts import SkeletonLayout, get_layout
from skelact.nn.present import Flags, read_flags, take_present
from skelact.transforms.places import Places


class StreamNetwork(nn.Module):
    """Base class of networks of several streams.

    Args:
        layout, n_classes, channels_in: of the skeletons, see `SkeletonModel`.
        encoders: networks that see one stream each, by its name.
    """

    takes_pictures = True

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int,
        encoders: Mapping[str, nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.layout, self.n_classes, self.channels_in = get_layout(layout), n_classes, channels_in
        self.encoders = nn.ModuleDict(encoders or {})

    @property
    def streams(self) -> Sequence[str]:
        """The streams' names."""
        return list(self.encoders)

    @property
    def like(self) -> Tensor:
        """A weight, for type and device."""
        return next(self.parameters())

    def forward(
        self,
        x: Tensor,
        owner: Tensor,
        score: Tensor,
        n_clips: int,
        pictures: Mapping[str, Tensor] | None = None,
        there: Mapping[str, Sequence[bool]] | None = None,
        places: Mapping[str, Places] | None = None,
    ) -> Tensor:
        """Classify clips.

        Args:
            x, owner, score, n_clips: skeletons, see `SkeletonModel.forward`.
            pictures: ``[N, C, T, H, W]`` by stream; clips that lack a stream hold any numbers there.
            there: by stream, which of the N clips have it, on the host (a tensor on a GPU is waited for); a stream
                without an entry is there in all clips if it is among the pictures, and in none otherwise.
            places: by stream, where the joints are in the pictures, see `skelact.transforms.places.Places`.

        Returns:
            logits ``[N, n_classes]``.
        """
        raise NotImplementedError

    def present(
        self,
        name: str,
        pictures: Mapping[str, Tensor] | None,
        there: Mapping[str, Sequence[bool]] | None,
        n_clips: int,
    ) -> tuple[Tensor | None, Flags]:
        """A stream's pictures of the M clips that have it ``[M, C, T, H, W]`` (None: no clip has), and which have."""
        given = (pictures or {}).get(name)
        flags = read_flags((there or {}).get(name, [True] * n_clips))
        if given is None or not any(flags):
            return None, (False,) * n_clips
        return take_present(given, flags), flags

    def extra_loss(self, label: Tensor) -> Tensor | None:
        """An additional term of the training loss, see `SkeletonModel.extra_loss`."""
        return None

    def set_progress(self, share: float) -> None:
        """Tell the encoders the completed share of training."""
        for encoder in self.encoders.values():
            set_progress = getattr(encoder, "set_progress", None)
            if set_progress is not None:
                set_progress(share)
