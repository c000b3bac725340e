"""The blocks of published families of FR networks, small, through PyTorch's exporters, against ONNX Runtime."""

import numpy as np
import onnxruntime
import pytest
import torch
from small_networks import RGB, StagedNet, prepared_by_hand, randomise, small_vit, synthetic_faces, unit_rows
from torch import nn
from torch.nn import functional as F  # noqa: N812 (its usual name)

from prefiqs import embed, prune
from prefiqs.models.face_model import FaceModel
from prefiqs.models.onnx_network import load_onnx
from prefiqs.pruning.mask import embedding_layer, prunable_weights

FACES = synthetic_faces(3, seed=4)


class Chain(FaceModel):
    """Layers one after the other, random in all weights and statistics."""

    def __init__(self, *layers: nn.Module):
        super().__init__("small", RGB, 16)
        self.layers = nn.Sequential(*layers)
        randomise(self, 0)
        self.eval()

    def forward(self, prepared):
        return self.layers(prepared)


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class Squeeze(nn.Module):
    """Squeeze and excitation with some last activation."""

    def __init__(self, width: int, gate: nn.Module):
        super().__init__()
        self.gates = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, 4, 1), nn.ReLU(), nn.Conv2d(4, width, 1))
        self.gate = gate

    def forward(self, x):
        return x * self.gate(self.gates(x))


def conv(inputs: int, outputs: int, kernel: int | tuple = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution with its batch norm; `same` padding."""
    same = tuple(side // 2 for side in kernel) if isinstance(kernel, tuple) else kernel // 2
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, same, groups=groups, bias=False), nn.BatchNorm2d(outputs)
    )


def mobilefacenet() -> FaceModel:
    """Inverted residuals, a global depthwise convolution, a linear layer without bias and its batch norm."""
    inverted = [conv(8, 16), nn.PReLU(16), conv(16, 16, 3, groups=16), nn.PReLU(16), conv(16, 8)]
    reduced = [conv(8, 16), nn.PReLU(16), conv(16, 16, 3, 4, groups=16), nn.PReLU(16), conv(16, 12)]
    pooled = [nn.Conv2d(12, 12, 7, groups=12, bias=False), nn.BatchNorm2d(12), nn.Flatten()]
    embedding = [nn.Linear(12, 16, bias=False), nn.BatchNorm1d(16)]
    return Chain(conv(3, 8, 5, 4), nn.PReLU(8), Residual(*inverted), *reduced, *pooled, *embedding)


class ShortcutByPooling(nn.Module):
    """AdaFace's block: where the width stays, the shortcut is a pooling of one pixel; here with SE."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.shortcut = nn.MaxPool2d(1, stride) if inputs == outputs else conv(inputs, outputs, 1, stride)
        self.residual = nn.Sequential(
            nn.BatchNorm2d(inputs), conv(inputs, outputs, 3), nn.PReLU(outputs), conv(outputs, outputs, 3, stride),
            Squeeze(outputs, nn.Sigmoid()),
        )  # fmt: skip

    def forward(self, x):
        return self.shortcut(x) + self.residual(x)


def adaface() -> FaceModel:
    blocks = [ShortcutByPooling(8, 8, 2), ShortcutByPooling(8, 10, 2)]
    output = [nn.BatchNorm2d(10), nn.Dropout(0.4), nn.Flatten(), nn.Linear(490, 16), nn.BatchNorm1d(16, affine=False)]
    return Chain(conv(3, 8, 5, 4), nn.PReLU(8), *blocks, *output)


class UnitAndLength(nn.Module):
    """What AdaFace gives: the normalised embedding, and its length before."""

    def __init__(self, model: FaceModel):
        super().__init__()
        self.model = model

    def forward(self, prepared):
        raw = self.model(prepared)
        length = torch.norm(raw, 2, 1, True)
        return torch.div(raw, length), length


class Ghost(nn.Module):
    """Half of the channels are made of the others by a cheap depthwise convolution; version 2 weights them by region.

    The regions are seen at half the resolution, along rows and columns, and enlarged again.
    """

    def __init__(self, inputs: int, outputs: int, regions: bool):
        super().__init__()
        half = outputs // 2 + 1
        self.primary, self.act = conv(inputs, half), nn.PReLU(half)
        self.cheap, self.outputs = conv(half, half, 3, groups=half), outputs
        rows, columns = conv(outputs, outputs, (1, 5), groups=outputs), conv(outputs, outputs, (5, 1), groups=outputs)
        self.regions = nn.Sequential(nn.AvgPool2d(2, 2), conv(inputs, outputs), rows, columns) if regions else None

    def forward(self, x):
        first = self.act(self.primary(x))
        made = torch.cat([first, self.cheap(first)], 1)[:, : self.outputs]
        if self.regions is None:
            return made
        weights = torch.sigmoid(self.regions(x))
        return made * F.interpolate(weights, size=made.shape[-2:], mode="nearest")


def ghostfacenet(regions: bool) -> FaceModel:
    bottleneck = [Ghost(8, 16, regions), Squeeze(16, nn.Hardsigmoid()), Ghost(16, 8, False)]
    head = [conv(8, 12, 3, 4), nn.PReLU(12), nn.Conv2d(12, 12, 7, groups=12, bias=False), nn.BatchNorm2d(12)]
    embedding = [nn.Dropout(0.2), nn.Conv2d(12, 16, 1, bias=False), nn.Flatten(), nn.BatchNorm1d(16)]
    return Chain(conv(3, 8, 5, 4), nn.PReLU(8), Residual(*bottleneck), *head, *embedding)


class ChannelNorm(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Positions(nn.Module):
    """Sines and cosines of rows and columns, which are counted by cumulative sums, and a projection."""

    def __init__(self, width: int):
        super().__init__()
        self.project = nn.Conv2d(8, width, 1)

    def forward(self, n: int, height: int, width: int):
        seen = ~torch.zeros(n, height, width, dtype=torch.bool)
        order = torch.arange(4, dtype=torch.int64)
        periods = 100 ** (2 * torch.div(order, 2, rounding_mode="floor") / 4)
        parts = []
        for axis, last in ((1, np.s_[:, -1:, :]), (2, np.s_[:, :, -1:])):
            counted = seen.cumsum(axis, dtype=torch.float32)
            angles = (6.28 * counted / (counted[last] + 1e-6))[:, :, :, None] / periods
            waves = angles[:, :, :, 0::2].sin(), angles[:, :, :, 1::2].cos()
            parts.append(torch.stack(waves, dim=4).flatten(3))
        return self.project(torch.cat(parts, dim=3).permute(0, 3, 1, 2))


class LowRank(nn.Sequential):
    """A linear layer of low rank."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(nn.Linear(inputs, 3, bias=False), nn.Linear(3, outputs))


class CrossCovariance(nn.Module):
    """Attention between channels, by the cosine of queries and keys."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads, self.temperature = heads, nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv, self.proj = LowRank(width, 3 * width), LowRank(width, width)

    def forward(self, x):
        n, count, width = x.shape
        q, k, v = self.qkv(x).reshape(n, count, 3, self.heads, -1).permute(2, 0, 3, 4, 1).unbind(0)
        attention = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1) * self.temperature
        return self.proj((attention.softmax(-1) @ v).permute(0, 3, 1, 2).reshape(n, count, width))


class SplitTranspose(nn.Module):
    """EdgeNeXt's block: a cascade of depthwise convolutions, attention, and a mixing of channels."""

    def __init__(self, width: int):
        super().__init__()
        part = width // 3
        self.convs = nn.ModuleList(nn.Conv2d(part, part, 3, padding=1, groups=part) for _ in range(2))
        self.positions = Positions(width)
        self.norm_attention, self.attention = nn.LayerNorm(width, eps=1e-6), CrossCovariance(width, 2)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(LowRank(width, 24), nn.GELU(), LowRank(24, width))
        self.gamma_attention, self.gamma = nn.Parameter(torch.ones(width)), nn.Parameter(torch.ones(width))

    def forward(self, x):
        shortcut, (n, width, height, columns) = x, x.shape
        *pieces, rest = x.split(width // 3, 1)
        made = [self.convs[0](pieces[0])]
        made.append(self.convs[1](made[0] + pieces[1]))
        x = torch.cat([*made, rest], 1).reshape(n, width, height * columns).permute(0, 2, 1)
        x = x + self.positions(n, height, columns).reshape(n, -1, x.shape[1]).permute(0, 2, 1)
        x = x + self.gamma_attention * self.attention(self.norm_attention(x))
        x = self.gamma * self.mlp(self.norm(x.reshape(n, height, columns, width)))
        return shortcut + x.permute(0, 3, 1, 2)


def edgeface() -> FaceModel:
    stem = [nn.Conv2d(3, 12, 8, 8), ChannelNorm(12, eps=1e-6)]
    head = [nn.AdaptiveAvgPool2d(1), ChannelNorm(12, eps=1e-6), nn.Flatten(), LowRank(12, 16)]
    return Chain(*stem, SplitTranspose(12), *head)


FAMILIES = {
    "iresnet": StagedNet, "adaface": adaface, "mobilefacenet": mobilefacenet, "vit": small_vit, "edgeface": edgeface,
    "ghostfacenet-v1": lambda: ghostfacenet(False), "ghostfacenet-v2": lambda: ghostfacenet(True),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("exporter", "batch"),
    [
        ("classic", None),
        *(pytest.param(*made, marks=pytest.mark.long) for made in (("classic", 1), ("classic", 3), ("new", 1))),
    ],
)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family(tmp_path, family, exporter, batch):
    """Embeddings are the runtime's, for any number of faces; unfolded weights are pruned like the module's."""
    model, path = FAMILIES[family](), tmp_path / f"{family}.onnx"
    module = UnitAndLength(model) if family == "adaface" else model
    options = {"external_data": False} if exporter == "new" else {"opset_version": 17}
    if exporter == "classic":  # which then does not fold the batch norms
        options["training"] = torch.onnx.TrainingMode.PRESERVE
        options["dynamic_axes"] = None if batch else {"x": {0: "n"}}
    example = torch.ones(batch or 2, 3, 112, 112)
    torch.onnx.export(module, (example,), path, input_names=["x"], dynamo=exporter == "new", **options)
    network = load_onnx(family, RGB, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    parts = np.split(prepared_by_hand(FACES), len(FACES) // (batch or 3))
    expected = unit_rows(np.concatenate([session.run(None, {"x": part})[0] for part in parts]))
    for count in (1, 3):
        np.testing.assert_allclose(embed(network, FACES[:count]), expected[:count], atol=1e-5)
    if exporter == "new":  # which folds the batch norms, so that the weights are others
        return
    of_file = network.get_submodule(embedding_layer(network)).weight
    assert torch.equal(of_file, model.get_submodule(embedding_layer(model)).weight)
    assert sorted(w.numel() for w in prunable_weights(network).values()) == sorted(
        w.numel() for w in prunable_weights(model).values()
    )
    pruned = [embed(prune(one, 0.3), FACES) for one in (network, model)]
    np.testing.assert_allclose(*pruned, atol=1e-5)
    assert np.linalg.norm(pruned[0] - expected, axis=1).min() > 1e-3
