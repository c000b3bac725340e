"""SFace, the FR network of the OpenCV Zoo, as a plain PyTorch module.

Source: Zhong et al., "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition", IEEE TIP 2021; weights
`face_recognition_sface_2021dec.onnx` of the OpenCV Zoo (Apache-2.0). The network is a MobileNet-v1 chain of
depthwise-separable convolutions with batch norm and PReLU, then BN - flatten - linear (the embedding) - BN.
"""

from collections import OrderedDict

from torch import Tensor, nn

from prefiqs.models.face_model import FaceModel, InputSpec

_INPUT = InputSpec("rgb", mean=127.5, std=128.0)

# Width and stride of the thirteen depthwise-separable blocks behind the first convolution.
_BLOCKS = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]
_FIRST_WIDTH, _GRID, _EMBEDDING = 32, 7, 128
_CONV_BN_EPS, _HEAD_BN_EPS = 1e-3, 2e-5


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
            bn=nn.BatchNorm2d(outputs, eps=_CONV_BN_EPS),
            prelu=nn.PReLU(outputs),
        )
    )


class SFace(FaceModel):
    """The SFace network: 112×112 RGB in, 128-d embedding out, 9.67 M weights of which 9.61 M can be pruned."""

    def __init__(self, name: str = "sface", input_spec: InputSpec = _INPUT):
        super().__init__(name, input_spec, _EMBEDDING)
        self.stem = _conv(3, _FIRST_WIDTH, 3)
        self.blocks = nn.ModuleList()
        width = _FIRST_WIDTH
        for outputs, stride in _BLOCKS:
            depthwise = _conv(width, width, 3, stride, groups=width)
            self.blocks.append(nn.Sequential(OrderedDict(depthwise=depthwise, pointwise=_conv(width, outputs, 1))))
            width = outputs
        self.head_bn = nn.BatchNorm2d(width, eps=_HEAD_BN_EPS)
        self.embedding = nn.Linear(width * _GRID * _GRID, _EMBEDDING)
        self.embedding_bn = nn.BatchNorm1d(_EMBEDDING, eps=_HEAD_BN_EPS)
        self.eval()

    def forward(self, prepared: Tensor) -> Tensor:
        """Float32 n×3×112×112, prepared by `input_spec`, to raw embeddings n×128."""
        features = self.stem(prepared)
        for block in self.blocks:
            features = block(features)
        return self.embedding_bn(self.embedding(self.head_bn(features).flatten(1)))


def _onnx_names() -> dict[str, str]:
    """Our name of each tensor by that in the ONNX file: `conv_4_dw_relu_gamma` is `blocks.2.depthwise.prelu.weight`."""
    parts = {"conv_1": "stem"}
    for i in range(len(_BLOCKS)):
        parts |= {f"conv_{i + 2}_dw": f"blocks.{i}.depthwise", f"conv_{i + 2}": f"blocks.{i}.pointwise"}
    kinds = {"conv2d": "conv", "batchnorm": "bn", "relu": "prelu"}
    layers = {f"{part}_{kind}": f"{parts[part]}.{kinds[kind]}" for part in parts for kind in kinds}
    layers |= {"bn1": "head_bn", "pre_fc1": "embedding", "fc1": "embedding_bn"}
    tensors = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}
    tensors |= {"moving_mean": "running_mean", "moving_var": "running_var"}
    return {f"{layer}_{tensor}": f"{layers[layer]}.{tensors[tensor]}" for layer in layers for tensor in tensors}


ONNX_NAMES = _onnx_names()
