"""torchvision's own networks over video, for their published weights: 3D ResNets, S3D, Video Swin, MViT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from skelact.errors import ConfigError, DependencyError, choices
from skelact.models.video.base import VideoModel, VideoSettings

# by torchvision's name: first convolution, classifier, channels of the features, least frames and pixels
NETWORKS: dict[str, tuple[str, str, int, int, int]] = {
    "r3d_18": ("stem.0", "fc", 512, 1, 1),
    "mc3_18": ("stem.0", "fc", 512, 1, 1),
    "r2plus1d_18": ("stem.0", "fc", 512, 1, 1),
    "s3d": ("features.0.0.0", "classifier", 1024, 9, 193),
    "swin3d_t": ("patch_embed.proj", "head", 768, 2, 4),
    "swin3d_s": ("patch_embed.proj", "head", 768, 2, 4),
    "swin3d_b": ("patch_embed.proj", "head", 1024, 2, 4),
    "mvit_v1_b": ("conv_proj", "head", 768, 16, 224),
    "mvit_v2_s": ("conv_proj", "head", 768, 16, 224),
}


class TorchvisionNet(VideoModel):
    """One of torchvision's networks, whose state dict it takes (see `skelact.models.video.start_from_torchvision`).

    Sources: Tran et al., CVPR 2018 (``r3d_18``, ``mc3_18``, ``r2plus1d_18``); Xie et al., ECCV 2018 (``s3d``); Liu et
    al., CVPR 2022 (``swin3d``); Fan et al., ICCV 2021, and Li et al., CVPR 2022 (``mvit``). ``mvit`` takes clips of
    exactly 16 frames of 224 × 224 pixels.

    Args:
        n_classes, channels_in, dropout: see `VideoModel`.
        network: one of `NETWORKS`.

    Raises:
        ConfigError: for another name.
        DependencyError: if torchvision is not installed.
    """

    def __init__(
        self, n_classes: int, channels_in: int = 3, network: str = "mc3_18", dropout: float = 0.0
    ) -> None:
        if network not in NETWORKS:
            raise ConfigError(choices(network, NETWORKS, "network of torchvision"))
        try:
            from torchvision.models import video
        except (ImportError, RuntimeError) as error:  # RuntimeError: it was built for another torch
            there = "" if isinstance(error, ModuleNotFoundError) else f" (the installed one says: {error})"
            raise DependencyError(
                f"{network} is torchvision's own network and needs it: pip install 'skelact[vision]'{there}"
            ) from None
        first, classifier, n_features, frames, size = NETWORKS[network]
        super().__init__(n_classes, channels_in, n_features, dropout, frames, size)
        self.name, self.first = network, first
        self.inside: nn.Module = getattr(video, network)(weights=None)
        setattr(self.inside, classifier, nn.Identity())
        if channels_in != 3:
            self.inside.set_submodule(first, _with_channels(self.inside.get_submodule(first), channels_in))

    def check_input(self, x: Tensor) -> None:
        super().check_input(x)
        if self.name.startswith("mvit") and tuple(x.shape[2:]) != (16, 224, 224):
            raise ConfigError(
                f"{self.name} takes clips of exactly 16 frames of 224 x 224 pixels, got {list(x.shape[2:])}: sampling: "
                "{segments: 16}, framing: {size: [224, 224]}, crop: 224"
            )

    def features(self, x: Tensor) -> Tensor:
        return self.inside(x)

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        return [*((name, [part]) for name, part in self.inside.named_children()), ("head", [self.head])]


def _with_channels(conv: Any, channels: int) -> nn.Module:
    """A convolution like ``conv`` for another number of input channels."""
    return nn.Conv3d(
        channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, bias=conv.bias is not None
    )


@dataclass
class TorchvisionSettings(VideoSettings):
    """Settings of `TorchvisionNet`; see there."""

    network = TorchvisionNet

    name: Literal["torchvision"] = "torchvision"
    of: Literal[
        "r3d_18",
        "mc3_18",
        "r2plus1d_18",
        "s3d",
        "swin3d_t",
        "swin3d_s",
        "swin3d_b",
        "mvit_v1_b",
        "mvit_v2_s",
    ] = "mc3_18"
    dropout: float = 0.0

    def build(self, n_classes: int, channels_in: int = 3) -> TorchvisionNet:
        """Make the network for a number of classes and of channels of a frame."""
        return TorchvisionNet(n_classes, channels_in, self.of, self.dropout)
