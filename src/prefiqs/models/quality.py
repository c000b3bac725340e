"""Trained quality networks: an aligned face in, one number out, higher = better.

To the package they are networks with an embedding of size 1, which the method `quality-network` reads as it is.

Sources: `CRFiqa`: Boutros et al., "CR-FIQA: Face Image Quality Assessment by Learning Sample Relative Classifiability",
CVPR 2023. `QualityFace`: the package qualityface of PyPI, a MobileNetV2 (Sandler et al., CVPR 2018) with one output.
Any other can come as a finished graph (`models.graph`). Layer names are those of the published checkpoints.
"""

from torch import Tensor, nn

from prefiqs.models.face_model import ARCFACE_INPUT, FaceModel, InputSpec
from prefiqs.models.iresnet import IResNet

# Of MobileNetV2, stage by stage: how much wider a block is inside, its outputs, number of blocks, stride of the first.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_FIRST_WIDTH, _LAST_WIDTH = 32, 1280
_QUALITYFACE_SIDE = 128  # pixels of the faces that it was trained on


class CRFiqa(IResNet):
    """An IResNet whose embedding goes through one more linear layer to a quality; takes what `IResNet` takes."""

    def __init__(self, *args, **shape):
        super().__init__(*args, **shape)
        self.qs = nn.Linear(self.embedding_size, 1)
        self.embedding_size = 1

    def forward(self, prepared: Tensor) -> Tensor:
        """Float32 n×3×112×112, prepared by `input_spec`, to qualities n×1."""
        return self.qs(super().forward(prepared))


class QualityFace(FaceModel):
    """Faces enlarged to 128×128, MobileNetV2 without its classifier, the mean over the grid, and one linear layer."""

    def __init__(self, name: str = "qualityface", input_spec: InputSpec = ARCFACE_INPUT):
        super().__init__(name, input_spec, 1)
        self.enlarge = nn.Upsample((_QUALITYFACE_SIDE, _QUALITYFACE_SIDE), mode="bilinear")
        layers, width = [_conv(3, _FIRST_WIDTH, 3, 2)], _FIRST_WIDTH
        for wider, outputs, blocks, stride in _STAGES:
            for i in range(blocks):
                layers.append(_InvertedResidual(width, outputs, 1 if i else stride, wider))
                width = outputs
        features = nn.Sequential(*layers, _conv(width, _LAST_WIDTH, 1))
        self.backbone = nn.ModuleDict({"net": nn.ModuleDict({"features": features})})
        self.classify = nn.Linear(_LAST_WIDTH, 1)
        self.eval()

    def forward(self, prepared: Tensor) -> Tensor:
        """Float32 n×3×112×112, prepared by `input_spec`, to qualities n×1."""
        features = self.backbone["net"]["features"](self.enlarge(prepared))  # type: ignore[index]
        return self.classify(features.mean((2, 3)))


class _InvertedResidual(nn.Module):
    """A pointwise, a depthwise and a pointwise convolution, added to their input where the shape stays."""

    def __init__(self, inputs: int, outputs: int, stride: int, wider: int):
        super().__init__()
        inside = wider * inputs
        self.conv = nn.Sequential(
            *([_conv(inputs, inside, 1)] if wider > 1 else []),
            _conv(inside, inside, 3, stride, groups=inside),
            nn.Conv2d(inside, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.stays = stride == 1 and inputs == outputs

    def forward(self, features: Tensor) -> Tensor:
        return features + self.conv(features) if self.stays else self.conv(features)


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Module:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU6())
