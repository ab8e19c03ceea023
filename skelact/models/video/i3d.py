"""I3D: Inception-v1 inflated to 3D (Carreira and Zisserman, CVPR 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from skelact.errors import CheckpointError
from skelact.models.video.base import VideoModel, VideoSettings, scale
from skelact.nn.inception import SameConv3d, SameMaxPool3d, inception3d
from skelact.nn.modules import Modules

# Channels of every module: 1×1; reduction, 3×3; reduction, second 3×3; projection. Pooling lies between the rows.
MODULES = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)


class I3D(VideoModel):
    """Inflated Inception-v1; the paper's clips have 64 frames of 224×224 pixels.

    Convolutions and pooling pad as TensorFlow's "SAME" does, as in the released network.

    Args:
        n_classes, channels_in, dropout: see `VideoModel`.
        width: multiplies all channels; 1: the paper's.
        repeat_frames: pad in time with copies of the first and last frame instead of zeros: a still video then
            has exactly the response of the 2D network that was inflated.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        n_classes: int,
        channels_in: int = 3,
        width: float = 1.0,
        repeat_frames: bool = False,
        dropout: float = 0.5,
    ) -> None:
        c, rows = scale(192, width), []
        for i, counts in enumerate(MODULES):
            kernel, stride = (((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (2, 2, 2)), ((2, 2, 2), (2, 2, 2)))[i]
            parts: list[nn.Module] = [SameMaxPool3d(kernel, stride)]
            for row in counts:
                module, c_out = inception3d(c, [scale(count, width) for count in row], repeat_frames)
                parts.append(module)
                c = c_out
            rows.append(nn.Sequential(*parts))
        super().__init__(n_classes, channels_in, c, dropout)
        first, second = scale(64, width), scale(192, width)
        self.stem = nn.Sequential(
            SameConv3d(channels_in, first, 7, 2, repeat_frames),
            SameMaxPool3d((1, 3, 3), (1, 2, 2)),
            SameConv3d(first, first),
            SameConv3d(first, second, 3, repeat_frames=repeat_frames),
        )
        self.rows = Modules(rows)

    @property
    def map_channels(self) -> int:
        return self.n_features

    def maps(self, x: Tensor) -> Tensor:
        """The last module's output ``[N, D, T', H', W']``."""
        x = self.stem(x)
        for row in self.rows:
            x = row(x)
        return x

    def features(self, x: Tensor) -> Tensor:
        x = self.maps(x).mean((3, 4))
        if x.shape[2] > 1:  # average pooling over 2 frames, then the mean of what the classifier says of each
            x = (x[:, :, 1:] + x[:, :, :-1]) / 2
        return x.mean(2)

    def inflate(self, state: Mapping[str, Tensor]) -> None:
        """Begin with the weights of a 2D network: kernels repeated over their N frames and divided by N.

        Args:
            state: this network's weights by its own names, where kernels may be ``[D, C, k, k]``; a classifier for
                another number of classes, or none, leaves this one's.

        Raises:
            CheckpointError: for weights that are missing, unknown or of other sizes.
        """
        own = self.state_dict()
        head = {key for key in own if key.startswith("head.")}
        fits = all(key in state and state[key].shape == own[key].shape for key in head)
        given = {key: value for key, value in state.items() if fits or key not in head}
        strange = sorted(set(given) - set(own)) + sorted(
            key for key in set(own) - set(given) - head if not key.endswith("num_batches_tracked")
        )
        if strange:
            raise CheckpointError(
                f"these are not the 2D weights of this network; unknown or missing: {', '.join(strange[:5])}"
                f"{', ...' if len(strange) > 5 else ''} ({len(strange)} in all)"
            )
        for key, value in given.items():
            made = inflate_kernel(value, own[key].shape[2]) if own[key].ndim == 5 > value.ndim else value
            if made.shape != own[key].shape:
                raise CheckpointError(
                    f"weight '{key}' has size {list(value.shape)}, but {list(own[key].shape)} is needed; the network "
                    f"has {self.channels_in} input channels"
                )
            own[key].copy_(made)

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        rows = [(f"rows.{i}", [row]) for i, row in enumerate(self.rows)]
        return [("stem", [self.stem]), *rows, ("head", [self.head])]


def inflate_kernel(kernel: Tensor, n_frames: int) -> Tensor:
    """A 2D kernel ``[D, C, k, k]`` as a 3D one ``[D, C, n_frames, k, k]`` of the same sum over frames."""
    return kernel.unsqueeze(2).repeat(1, 1, n_frames, 1, 1) / n_frames


@dataclass
class I3DSettings(VideoSettings):
    """Settings of `I3D`; see there."""

    network = I3D

    name: Literal["i3d"] = "i3d"
    width: float = 1.0
    repeat_frames: bool = False
    dropout: float = 0.5
