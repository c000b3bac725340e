"""Small networks and faces for tests: seeded, built in milliseconds, with every kind of layer the real ones have."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from prefiqs.models.face_model import FaceModel, InputSpec
from prefiqs.models.vit import ViT, ViTFiqa

RGB = InputSpec("rgb", mean=127.5, std=128.0)
VIT_SHAPE = dict(patch=14, width=32, depth=4, heads=4, embedding_size=16, input_spec=RGB)
PRUNABLE = ("stem", "depthwise", "pointwise", "embedding")  # the layers whose weights count, in module order


class TinyNet(FaceModel):
    """Conv-BN-PReLU, depthwise conv-BN, pointwise conv-BN-PReLU, flatten-linear-BN: SFace in small, 8-d, 2,672 weights.

    Batch-norm statistics, biases and slopes are random too, so that leaving one of them out changes the embedding.
    """

    def __init__(self, seed: int = 0, spec: InputSpec = RGB):
        super().__init__(f"tiny-{seed}", spec, 8)
        self.stem, self.stem_bn, self.stem_prelu = nn.Conv2d(3, 8, 5, 4, 2), nn.BatchNorm2d(8), nn.PReLU(8)
        self.depthwise, self.depthwise_bn = nn.Conv2d(8, 8, 3, 4, 1, groups=8, bias=False), nn.BatchNorm2d(8)
        self.pointwise, self.pointwise_bn = nn.Conv2d(8, 5, 1), nn.BatchNorm2d(5)
        self.pointwise_prelu = nn.PReLU(5)
        self.embedding, self.embedding_bn = nn.Linear(5 * 7 * 7, 8), nn.BatchNorm1d(8)
        randomise(self, seed)
        self.eval()

    def forward(self, prepared: Tensor) -> Tensor:
        features = self.stem_prelu(self.stem_bn(self.stem(prepared)))
        features = self.depthwise_bn(self.depthwise(features))
        features = self.pointwise_prelu(self.pointwise_bn(self.pointwise(features)))
        return self.embedding_bn(self.embedding(features.flatten(1)))


def small_vit(seed: int = 0) -> ViT:
    """Four blocks of four heads on 8×8 patches, width 32, 16-d: a transformer without quality head."""
    return randomise(ViT(**VIT_SHAPE, name=f"small-vit-{seed}"), seed)


def small_vit_fiqa(quality_token: bool = True, seed: int = 0) -> ViTFiqa:
    """The same with a quality head, variant (T) or (C)."""
    name = f"small-vit-fiqa-{'t' if quality_token else 'c'}"
    return randomise(ViTFiqa(quality_token=quality_token, **VIT_SHAPE, name=name), seed)


@torch.no_grad()
def randomise(model: nn.Module, seed: int) -> nn.Module:
    """Draw all weights and statistics, so that activations stay of the order of 1 and every one of them matters."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        scale = 2 * value[0].numel() ** -0.5 if value.dim() > 1 else 0.3
        value.normal_(0, scale, generator=generator)
        if name.endswith("running_var") or (value.dim() == 1 and name.endswith("weight")):
            value.abs_().add_(0.5)
    return model


class Residual(nn.Module):
    """A block of an IResNet: BN-conv-BN-PReLU-conv-BN, and a strided convolution with BN as shortcut."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)
        self.bn2, self.prelu = nn.BatchNorm2d(outputs), nn.PReLU(outputs)
        self.conv2, self.bn3 = nn.Conv2d(outputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs)
        self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, 2, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, features: Tensor) -> Tensor:
        inner = self.prelu(self.bn2(self.conv1(self.bn1(features))))
        return self.bn3(self.conv2(inner)) + self.downsample(features)


class StagedNet(FaceModel):
    """An IResNet in small: four stages of one block, feature maps of 28, 14, 7, 4 and 2 (one odd, one not halved)."""

    def __init__(self, seed: int = 0):
        super().__init__(f"staged-{seed}", RGB, 8)
        self.conv1, self.bn1, self.prelu = nn.Conv2d(3, 4, 5, 4, 2, bias=False), nn.BatchNorm2d(4), nn.PReLU(4)
        for number, (inputs, outputs) in enumerate(((4, 4), (4, 6), (6, 8), (8, 10)), start=1):
            self.add_module(f"layer{number}", nn.Sequential(Residual(inputs, outputs)))
        self.bn2, self.fc, self.features = nn.BatchNorm2d(10), nn.Linear(40, 8), nn.BatchNorm1d(8)
        randomise(self, seed)
        self.eval()

    def forward(self, prepared: Tensor) -> Tensor:
        features = self.prelu(self.bn1(self.conv1(prepared)))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            features = stage(features)
        return self.features(self.fc(self.bn2(features).flatten(1)))


class HandNet(FaceModel):
    """Average colour of the face through one linear layer without bias: a network whose weights a test writes down."""

    def __init__(self, weight: list[list[float]]):
        super().__init__("hand", RGB, len(weight))
        self.linear = nn.Linear(3, len(weight), bias=False)
        self.linear.weight.data = torch.tensor(weight)
        self.eval()

    def forward(self, prepared: Tensor) -> Tensor:
        return self.linear(prepared.mean((2, 3)))


def synthetic_faces(n: int, seed: int = 0) -> np.ndarray:
    """Smooth random colour fields of differing contrast, uint8 n×112×112×3: different faces as far as TinyNet cares."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(n, 7, 7, 3)) * rng.uniform(10, 90, (n, 1, 1, 1)) + 128
    return np.clip(coarse.repeat(16, 1).repeat(16, 2), 0, 255).astype(np.uint8)


def prepared_by_hand(images: np.ndarray) -> np.ndarray:
    """What an RGB network with (x - 127.5)/128 is to be given, written without the package."""
    return ((images.astype(np.float64) - 127.5) / 128).transpose(0, 3, 1, 2).astype(np.float32)


def embedded_by_hand(model: nn.Module, images: np.ndarray) -> np.ndarray:
    """L2-normalised embeddings of an RGB network in eager PyTorch, four faces at a time."""
    with torch.no_grad():
        raw = torch.cat([model(part) for part in torch.from_numpy(prepared_by_hand(images)).split(4)]).numpy()
    return unit_rows(raw)


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Rows divided by their length."""
    return rows / np.sqrt((rows.astype(np.float64) ** 2).sum(1, keepdims=True))


def weights_of(model: nn.Module) -> np.ndarray:
    """The prunable weights of a TinyNet, in order, as one vector."""
    return np.concatenate([model.get_submodule(layer).weight.detach().numpy().ravel() for layer in PRUNABLE])


class Snapshot:
    """All that a call must leave as it was in the networks given to it: weights, flags and hooks."""

    def __init__(self, *models: nn.Module):
        self.models = models
        self.states = [copy.deepcopy(model.state_dict()) for model in models]
        self.flags = [self._flags(model) for model in models]

    @staticmethod
    def _flags(model: nn.Module) -> list:
        hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
        modules = [(name, m.training, *(len(getattr(m, kind)) for kind in hooks)) for name, m in model.named_modules()]
        return [*modules, *((name, p.requires_grad, p.grad is None) for name, p in model.named_parameters())]

    def assert_unchanged(self) -> None:
        for model, state, flags in zip(self.models, self.states, self.flags, strict=True):
            assert_same_state(model.state_dict(), state)
            assert self._flags(model) == flags


def assert_same_state(state: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Two state dicts have the same names and, bit for bit, the same tensors."""
    assert list(state) == list(expected)
    different = [name for name in state if not torch.equal(state[name], expected[name])]
    assert not different


def slow_ones_long(names: Iterable[str], *slow: str) -> list:
    """Parameters of a test that runs for each name, with the slow ones marked `long`."""
    return [pytest.param(name, marks=pytest.mark.long) if name in slow else name for name in names]
