"""IResNet, the residual network of ArcFace and of most FR networks after it, in insightface's layer names.

Source: Duta et al., "Improved Residual Networks for Image and Video Recognition", ICPR 2020; layer names and widths of
insightface's `arcface_torch`, shared by ElasticFace and MagFace. A block is BN - conv - BN - PReLU - conv - BN; the
head is BN - flatten - linear (the embedding) - BN. The authors' dropout before the linear layer is idle in eval mode.
"""

from torch import Tensor, nn

from prefiqs.models.face_model import ARCFACE_INPUT, FaceModel, InputSpec

# Blocks in each of the four stages, by the number in the network's name.
IRESNET_LAYERS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 14, 3),
    100: (3, 13, 30, 3),
    200: (6, 26, 60, 6),
}
_WIDTHS = (64, 128, 256, 512)
_GRID, _EMBEDDING = 7, 512


class Block(nn.Module):
    """One residual block; a stride shrinks the grid in the second convolution and in the shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, eps: float):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs, eps)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs, eps)
        self.prelu = nn.PReLU(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs, eps)
        self.downsample = nn.Sequential()
        if stride > 1:
            self.downsample.append(nn.Conv2d(inputs, outputs, 1, stride, bias=False))
            self.downsample.append(nn.BatchNorm2d(outputs, eps))

    def forward(self, features: Tensor) -> Tensor:
        """Features n×inputs×h×w to n×outputs×h/stride×w/stride."""
        inner = self.prelu(self.bn2(self.conv1(self.bn1(features))))
        return self.bn3(self.conv2(inner)) + self.downsample(features)


class IResNet(FaceModel):
    """IResNet with `layers` blocks in its four stages: 112×112 in, 512-d embedding out.

    `eps` of all batch norms is 1e-5 with insightface and ElasticFace, 2e-5 with MagFace.
    """

    def __init__(
        self,
        layers: tuple[int, int, int, int],
        name: str = "iresnet",
        input_spec: InputSpec = ARCFACE_INPUT,
        eps: float = 1e-5,
    ):
        super().__init__(name, input_spec, _EMBEDDING)
        width = _WIDTHS[0]
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width, eps)
        self.prelu = nn.PReLU(width)
        for number, (outputs, blocks) in enumerate(zip(_WIDTHS, layers, strict=True), start=1):
            stage = [Block(width, outputs, 2, eps), *(Block(outputs, outputs, 1, eps) for _ in range(blocks - 1))]
            self.add_module(f"layer{number}", nn.Sequential(*stage))
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
