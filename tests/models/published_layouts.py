"""The published networks once more, from papers and key lists alone: what a checkpoint holds, and what it computes.

Nothing here imports the package. Shapes are written down by name, weights are drawn by seed, and a forward pass is a
chain of functions on the tensors under their published names.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

WIDTHS = (64, 128, 256, 512)


def batch_norm_shapes(name: str, width: int, affine: bool = True) -> dict[str, tuple]:
    names = (("weight", "bias") if affine else ()) + ("running_mean", "running_var")
    return {f"{name}.{part}": (width,) for part in names} | {f"{name}.num_batches_tracked": ()}


def iresnet_shapes(layers: tuple[int, ...]) -> dict[str, tuple]:
    """insightface's arcface_torch names."""
    shapes = {"conv1.weight": (64, 3, 3, 3), "prelu.weight": (64,)} | batch_norm_shapes("bn1", 64)
    before = 64
    for stage, (blocks, width) in enumerate(zip(layers, WIDTHS, strict=True), start=1):
        for i in range(blocks):
            name = f"layer{stage}.{i}"
            inputs = width if i else before
            shapes |= batch_norm_shapes(f"{name}.bn1", inputs)
            shapes |= batch_norm_shapes(f"{name}.bn2", width) | batch_norm_shapes(f"{name}.bn3", width)
            shapes |= {f"{name}.conv1.weight": (width, inputs, 3, 3), f"{name}.conv2.weight": (width, width, 3, 3)}
            shapes |= {f"{name}.prelu.weight": (width,)}
            if i == 0:
                shapes |= {f"{name}.downsample.0.weight": (width, inputs, 1, 1)}
                shapes |= batch_norm_shapes(f"{name}.downsample.1", width)
        before = width
    shapes |= batch_norm_shapes("bn2", 512) | {"fc.weight": (512, 25088), "fc.bias": (512,)}
    return shapes | batch_norm_shapes("features", 512)


def iresnet_forward(state: dict[str, Tensor], x: Tensor, eps: float = 1e-5) -> Tensor:
    def norm(name: str, x: Tensor) -> Tensor:
        return batch_norm(state, name, x, eps)

    x = F.prelu(norm("bn1", F.conv2d(x, state["conv1.weight"], padding=1)), state["prelu.weight"])
    for name in dict.fromkeys(".".join(key.split(".")[:2]) for key in state if key.startswith("layer")):
        first = f"{name}.downsample.0.weight" in state
        stride = 2 if first else 1
        inner = F.conv2d(norm(f"{name}.bn1", x), state[f"{name}.conv1.weight"], padding=1)
        inner = F.prelu(norm(f"{name}.bn2", inner), state[f"{name}.prelu.weight"])
        inner = norm(f"{name}.bn3", F.conv2d(inner, state[f"{name}.conv2.weight"], stride=stride, padding=1))
        if first:
            x = norm(f"{name}.downsample.1", F.conv2d(x, state[f"{name}.downsample.0.weight"], stride=2))
        x = x + inner
    x = F.linear(norm("bn2", x).reshape(len(x), -1), state["fc.weight"], state["fc.bias"])
    return norm("features", x)


def ir_shapes(layers: tuple[int, ...], inner_norm: bool) -> dict[str, tuple]:
    """CurricularFace's names (`inner_norm` false) and AdaFace's (true)."""
    shapes = {"input_layer.0.weight": (64, 3, 3, 3), "input_layer.2.weight": (64,)}
    shapes |= batch_norm_shapes("input_layer.1", 64)
    before, number = 64, 0
    for blocks, width in zip(layers, WIDTHS, strict=True):
        for i in range(blocks):
            name, inputs = f"body.{number}", width if i else before
            if inputs != width:
                shapes |= {f"{name}.shortcut_layer.0.weight": (width, inputs, 1, 1)}
                shapes |= batch_norm_shapes(f"{name}.shortcut_layer.1", width)
            places = ("norm", "conv", "norm", "prelu", "conv", "norm") if inner_norm else (
                "norm", "conv", "prelu", "conv", "norm")  # fmt: skip
            for place, kind in enumerate(places):
                part = f"{name}.res_layer.{place}"
                if kind == "norm":
                    shapes |= batch_norm_shapes(part, width if place else inputs)
                else:
                    entering = inputs if place == 1 else width
                    shapes |= {f"{part}.weight": (width,) if kind == "prelu" else (width, entering, 3, 3)}
            number += 1
        before = width
    shapes |= batch_norm_shapes("output_layer.0", 512)
    shapes |= {"output_layer.3.weight": (512, 25088), "output_layer.3.bias": (512,)}
    return shapes | batch_norm_shapes("output_layer.4", 512, affine=False)


def ir_forward(state: dict[str, Tensor], x: Tensor, layers: tuple[int, ...], inner_norm: bool) -> Tensor:
    def norm(name: str, x: Tensor) -> Tensor:
        return batch_norm(state, name, x, 1e-5)

    x = F.conv2d(x, state["input_layer.0.weight"], padding=1)
    x = F.prelu(norm("input_layer.1", x), state["input_layer.2.weight"])
    number, last = 0, 4 + inner_norm
    for blocks in layers:
        for i in range(blocks):
            name, stride = f"body.{number}", 1 if i else 2
            inner = F.conv2d(norm(f"{name}.res_layer.0", x), state[f"{name}.res_layer.1.weight"], padding=1)
            if inner_norm:
                inner = norm(f"{name}.res_layer.2", inner)
            inner = F.prelu(inner, state[f"{name}.res_layer.{last - 2}.weight"])
            inner = F.conv2d(inner, state[f"{name}.res_layer.{last - 1}.weight"], stride=stride, padding=1)
            shortcut = F.max_pool2d(x, 1, stride)
            if f"{name}.shortcut_layer.0.weight" in state:
                shortcut = F.conv2d(x, state[f"{name}.shortcut_layer.0.weight"], stride=stride)
                shortcut = norm(f"{name}.shortcut_layer.1", shortcut)
            x = norm(f"{name}.res_layer.{last}", inner) + shortcut
            number += 1
    x = norm("output_layer.0", x).reshape(len(x), -1)
    return norm("output_layer.4", F.linear(x, state["output_layer.3.weight"], state["output_layer.3.bias"]))


def vit_shapes(patch: int, width: int, depth: int, mlp_ratio: int = 4) -> dict[str, tuple]:
    """Names of insightface's ViT and of CVLface's, without their prefixes."""
    count, hidden = (112 // patch) ** 2, mlp_ratio * width
    shapes = {"pos_embed": (1, count, width)}
    shapes |= {"patch_embed.proj.weight": (width, 3, patch, patch), "patch_embed.proj.bias": (width,)}
    for i in range(depth):
        parts = {
            "norm1.weight": (width,), "norm1.bias": (width,), "norm2.weight": (width,), "norm2.bias": (width,),
            "attn.qkv.weight": (3 * width, width), "attn.proj.weight": (width, width), "attn.proj.bias": (width,),
            "mlp.fc1.weight": (hidden, width), "mlp.fc1.bias": (hidden,),
            "mlp.fc2.weight": (width, hidden), "mlp.fc2.bias": (width,),
        }  # fmt: skip
        shapes |= {f"blocks.{i}.{part}": shape for part, shape in parts.items()}
    shapes |= {"norm.weight": (width,), "norm.bias": (width,), "feature.0.weight": (width, count * width)}
    shapes |= batch_norm_shapes("feature.1", width) | {"feature.2.weight": (512, width)}
    return shapes | batch_norm_shapes("feature.3", 512)


def vit_fiqa_shapes(quality_token: bool, patch: int, width: int, depth: int) -> dict[str, tuple]:
    """ViT-FIQA's names: those of insightface's ViT, and what `vitfiqa_token.pt` or `vitfiqa_crfiqa.pt` hold beside."""
    read, count = (width, (112 // patch) ** 2 + 1) if quality_token else (512, (112 // patch) ** 2)
    shapes = vit_shapes(patch, width, depth) | {"pos_embed": (1, count, width)}
    shapes |= {"qs_token": (1, 1, width)} if quality_token else {}
    return shapes | batch_norm_shapes("head_qs.0", read) | {"head_qs.1.weight": (1, read)}


def vit_forward(state: dict[str, Tensor], x: Tensor, patch: int, heads: int) -> Tensor:
    return vit_embedding(state, layer_norm(state, "norm", vit_tokens(state, x, patch, heads)))


def vit_fiqa_forward(state: dict[str, Tensor], x: Tensor, patch: int, heads: int) -> tuple[Tensor, Tensor]:
    """Embedding n×d and quality n."""
    normed = layer_norm(state, "norm", vit_tokens(state, x, patch, heads))
    token, patches = (normed[:, 0], normed[:, 1:]) if "qs_token" in state else (None, normed)
    embedding = vit_embedding(state, patches)
    read = batch_norm(state, "head_qs.0", embedding if token is None else token, 2e-5)
    return embedding, (read * state["head_qs.1.weight"]).sum(1)


def vit_tokens(state: dict[str, Tensor], x: Tensor, patch: int, heads: int) -> Tensor:
    """Tokens behind the last block; patches are cut and attention is taken head by head, in loops."""
    side = 112 // patch
    kernel = state["patch_embed.proj.weight"].flatten(1)
    cut = [
        x[:, :, patch * r : patch * (r + 1), patch * c : patch * (c + 1)].flatten(1)
        for r in range(side)
        for c in range(side)
    ]
    tokens = torch.stack(cut, 1) @ kernel.T + state["patch_embed.proj.bias"]
    if "qs_token" in state:
        tokens = torch.cat([state["qs_token"].repeat(len(x), 1, 1), tokens], 1)
    tokens = tokens + state["pos_embed"]
    for name in dict.fromkeys(".".join(key.split(".")[:2]) for key in state if key.startswith("blocks.")):
        normed = layer_norm(state, f"{name}.norm1", tokens)
        attended = normed_attention(state, name, normed, heads)[0]
        tokens = tokens + F.linear(attended, state[f"{name}.attn.proj.weight"], state[f"{name}.attn.proj.bias"])
        normed = layer_norm(state, f"{name}.norm2", tokens)
        hidden = F.linear(normed, state[f"{name}.mlp.fc1.weight"], state[f"{name}.mlp.fc1.bias"]).clamp(0, 6)
        tokens = tokens + F.linear(hidden, state[f"{name}.mlp.fc2.weight"], state[f"{name}.mlp.fc2.bias"])
    return tokens


def vit_embedding(state: dict[str, Tensor], normed: Tensor) -> Tensor:
    hidden = batch_norm(state, "feature.1", normed.reshape(len(normed), -1) @ state["feature.0.weight"].T, 2e-5)
    return batch_norm(state, "feature.3", hidden @ state["feature.2.weight"].T, 2e-5)


def normed_attention(state: dict[str, Tensor], block: str, normed: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """What the heads of a block give, side by side, and their weights n×heads×t×t."""
    width = normed.shape[-1]
    query, key, value = (normed @ part.T for part in state[f"{block}.attn.qkv.weight"].split(width))
    outputs, weights = [], []
    for head in range(heads):
        own = slice(head * width // heads, (head + 1) * width // heads)
        scores = query[..., own] @ key[..., own].transpose(1, 2) / (width // heads) ** 0.5
        weights.append(scores.exp() / scores.exp().sum(-1, keepdim=True))
        outputs.append(weights[-1] @ value[..., own])
    return torch.cat(outputs, -1), torch.stack(weights, 1)


def batch_norm(state: dict[str, Tensor], name: str, x: Tensor, eps: float) -> Tensor:
    mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    return F.batch_norm(x, mean, variance, state.get(f"{name}.weight"), state.get(f"{name}.bias"), eps=eps)


def layer_norm(state: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], 1e-5)


def drawn(shapes: dict[str, tuple], seed: int = 0) -> dict[str, Tensor]:
    """Random tensors of these shapes, so that activations stay of the order of 1 and every single one matters."""
    generator = torch.Generator().manual_seed(seed)

    def draw(name: str, shape: tuple) -> Tensor:
        if name.endswith("num_batches_tracked"):
            return torch.tensor(25)
        if name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
            # Small variances too: there the batch norm's eps can be seen.
            return 10 ** (2 * torch.rand(shape, generator=generator) - 2) if "running" in name else (
                torch.rand(shape, generator=generator) + 0.3)  # fmt: skip
        value = torch.randn(shape, generator=generator)
        is_weight = len(shape) > 1 and not name.endswith(("pos_embed", "mask_token", "qs_token"))
        return value * (value[0].numel() ** -0.5 if is_weight else 0.3)

    return {name: draw(name, shape) for name, shape in shapes.items()}
