"""The IR networks of CurricularFace and AdaFace: IResNet's relatives in other layer names, and not interchangeable.

Source: Huang et al., "CurricularFace", CVPR 2020; Kim et al., "AdaFace: Quality Adaptive Margin for Face Recognition",
CVPR 2022. A block is BN - conv - [BN] - PReLU - conv - BN; AdaFace has the batch norm in brackets, CurricularFace has
not. The authors' networks return more than the embedding (its norm; the last feature map), and AdaFace's normalises it:
here it is the raw embedding alone.
"""

from torch import Tensor, nn

from prefiqs.models.face_model import ARCFACE_INPUT, FaceModel, InputSpec

# Blocks in each of the four stages, by the number in the network's name.
IR_LAYERS = {18: (2, 2, 2, 2), 50: (3, 4, 14, 3), 101: (3, 13, 30, 3)}
_WIDTHS = (64, 128, 256, 512)
_GRID, _EMBEDDING = 7, 512


class Block(nn.Module):
    """One residual block; the shortcut is a convolution where the width changes, else it only drops pixels."""

    def __init__(self, inputs: int, outputs: int, stride: int, inner_norm: bool):
        super().__init__()
        if inputs != outputs:
            self.shortcut_layer: nn.Module = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        else:
            # The authors take the maximum of single pixels; the mean of one pixel is the same, and simple to derive.
            self.shortcut_layer = nn.AvgPool2d(1, stride) if stride > 1 else nn.Identity()
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
            *([nn.BatchNorm2d(outputs)] if inner_norm else []),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False),
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
        self,
        layers: tuple[int, int, int, int],
        inner_norm: bool,
        name: str = "ir",
        input_spec: InputSpec = ARCFACE_INPUT,
    ):
        super().__init__(name, input_spec, _EMBEDDING)
        width = _WIDTHS[0]
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width)
        )
        self.body = nn.Sequential()
        for outputs, blocks in zip(_WIDTHS, layers, strict=True):
            for i in range(blocks):
                self.body.append(Block(width, outputs, 1 if i else 2, inner_norm))
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
