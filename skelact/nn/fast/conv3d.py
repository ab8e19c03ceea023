"""3D convolutions with folded batch norms, for inference."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from skelact.nn.conv3d import ConvNorm3d


def fold_norm(module: ConvNorm3d) -> nn.Module:
    """A `ConvNorm3d` in evaluation mode with its norm folded into the convolution."""
    conv, norm, *rest = module
    assert isinstance(conv, nn.Conv3d) and isinstance(norm, nn.BatchNorm3d)
    return nn.Sequential(fuse_conv_bn_eval(conv, norm), *rest)
