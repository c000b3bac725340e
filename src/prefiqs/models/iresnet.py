"""The residual networks of ArcFace and of most FR networks after it: IResNet, and its relatives in other layer names.

Source: Duta et al., "Improved Residual Networks for Image and Video Recognition", ICPR 2020. `IResNet` has the layer
names and widths of insightface's `arcface_torch`, shared by ElasticFace and MagFace. `IR` has those of Huang et al.,
"CurricularFace", CVPR 2020, and Kim et al., "AdaFace: Quality Adaptive Margin for Face Recognition", CVPR 2022; their
networks also return the norm or the last feature map, and AdaFace's normalises: here it is the raw embedding alone.
"""

from collections.abc import Sequence
from itertools import product

from torch import Tensor, nn

from prefiqs.models.face_model import ARCFACE_INPUT, FaceModel, InputSpec

_WIDTHS, _GRID, _EMBEDDING = (64, 128, 256, 512), 7, 512
_MOST_BLOCKS = 60  # in one stage of the published networks


def _conv(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class IResNetBlock(nn.Module):
    """BN - conv - BN - PReLU - conv - BN, added to a shortcut; the first block of a stage halves the grid."""

    def __init__(self, inputs: int, outputs: int, stride: int, eps: float):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs, eps)
        self.conv1 = _conv(inputs, outputs)
        self.bn2 = nn.BatchNorm2d(outputs, eps)
        self.prelu = nn.PReLU(outputs)
        self.conv2 = _conv(outputs, outputs, stride)
        self.bn3 = nn.BatchNorm2d(outputs, eps)
        self.downsample = nn.Sequential()
        if stride > 1:
            self.downsample.extend([_conv(inputs, outputs, stride, kernel=1), nn.BatchNorm2d(outputs, eps)])

    def forward(self, features: Tensor) -> Tensor:
        """Features n×inputs×h×w to n×outputs×h/stride×w/stride."""
        inner = self.prelu(self.bn2(self.conv1(self.bn1(features))))
        return self.bn3(self.conv2(inner)) + self.downsample(features)


class IResNet(FaceModel):
    """IResNet with `layers` blocks in its four stages: 112×112 in, 512-d embedding out.

    The head is BN - flatten - linear (the embedding) - BN; the authors' dropout before it is idle in eval mode. `eps`
    of all batch norms is 1e-5 with insightface's PyTorch networks and ElasticFace, 2e-5 with its MXNet networks and
    MagFace.
    """

    def __init__(
        self, layers: Sequence[int], name: str = "iresnet", input_spec: InputSpec = ARCFACE_INPUT, eps: float = 1e-5
    ):
        super().__init__(name, input_spec, _EMBEDDING)
        width = _WIDTHS[0]
        self.conv1 = _conv(3, width)
        self.bn1 = nn.BatchNorm2d(width, eps)
        self.prelu = nn.PReLU(width)
        for number, (outputs, blocks) in enumerate(zip(_WIDTHS, layers, strict=True), start=1):
            inner = (IResNetBlock(outputs, outputs, 1, eps) for _ in range(blocks - 1))
            self.add_module(f"layer{number}", nn.Sequential(IResNetBlock(width, outputs, 2, eps), *inner))
            width = outputs
        self.bn2 = nn.BatchNorm2d(width, eps)
        self.fc = nn.Linear(width * _GRID * _GRID, _EMBEDDING)
        self.features = nn.BatchNorm1d(_EMBEDDING, eps)
        self.eval()

    def forward(self, prepared: Tensor) -> Tensor:
        """Float32 n×3×112×112, prepared by `input_spec`, to raw embeddings n×512."""
        features = self.prelu(self.bn1(self.conv1(prepared)))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            features = stage(features)  # type: ignore[operator]
        return self.features(self.fc(self.bn2(features).flatten(1)))


def _mxnet_names() -> dict[str, str]:
    """Our name of each tensor by that in the MXNet networks that insightface published with ArcFace."""
    layers = {"conv0": "conv1", "bn0": "bn1", "relu0": "prelu", "bn1": "bn2", "pre_fc1": "fc", "fc1": "features"}
    parts = {"bn1": "bn1", "conv1": "conv1", "bn2": "bn2", "relu1": "prelu", "conv2": "conv2", "bn3": "bn3"}
    parts |= {"conv1sc": "downsample.0", "sc": "downsample.1"}
    for stage, block, part in product(range(1, 5), range(_MOST_BLOCKS), parts):
        layers[f"stage{stage}_unit{block + 1}_{part}"] = f"layer{stage}.{block}.{parts[part]}"
    tensors = {"weight": "weight", "bias": "bias", "gamma": "weight", "gamma.fixed": "weight", "beta": "bias"}
    tensors |= {"moving_mean": "running_mean", "moving_var": "running_var"}
    return {f"{layer}_{tensor}": f"{layers[layer]}.{tensors[tensor]}" for layer in layers for tensor in tensors}


MXNET_NAMES = _mxnet_names()


class IRBlock(nn.Module):
    """BN - conv - [BN] - PReLU - conv - BN; the shortcut is a convolution where the width changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, inner_norm: bool):
        super().__init__()
        if inputs != outputs:
            shortcut: nn.Module = nn.Sequential(_conv(inputs, outputs, stride, kernel=1), nn.BatchNorm2d(outputs))
        else:
            # The authors take the maximum of single pixels; the mean of one pixel is the same, and simple to derive.
            shortcut = nn.AvgPool2d(1, stride) if stride > 1 else nn.Identity()
        self.shortcut_layer = shortcut
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            _conv(inputs, outputs),
            *([nn.BatchNorm2d(outputs)] if inner_norm else []),
            nn.PReLU(outputs),
            _conv(outputs, outputs, stride),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Features n×inputs×h×w to n×outputs×h/stride×w/stride."""
        return self.res_layer(features) + self.shortcut_layer(features)


class IR(FaceModel):
    """IR network with `layers` blocks in its four stages: 112×112 in, 512-d embedding out.

    `inner_norm`: whether a batch norm follows the first convolution of a block (AdaFace) or not (CurricularFace).
    """

    def __init__(
        self, layers: Sequence[int], inner_norm: bool, name: str = "ir", input_spec: InputSpec = ARCFACE_INPUT
    ):
        super().__init__(name, input_spec, _EMBEDDING)
        width = _WIDTHS[0]
        self.input_layer = nn.Sequential(_conv(3, width), nn.BatchNorm2d(width), nn.PReLU(width))
        self.body = nn.Sequential()
        for outputs, blocks in zip(_WIDTHS, layers, strict=True):
            for i in range(blocks):
                self.body.append(IRBlock(width, outputs, 1 if i else 2, inner_norm))
                width = outputs
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.Dropout(0.4),  # nothing in eval mode; holds its number among the published names
            nn.Flatten(),
            nn.Linear(width * _GRID * _GRID, _EMBEDDING),
            nn.BatchNorm1d(_EMBEDDING, affine=False),
        )
        self.eval()

    def forward(self, prepared: Tensor) -> Tensor:
        """Float32 n×3×112×112, prepared by `input_spec`, to raw embeddings n×512."""
        return self.output_layer(self.body(self.input_layer(prepared)))
