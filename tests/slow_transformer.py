"""A vision transformer in loops over faces, blocks, heads and patches, in float64: slow, obvious, without PyTorch.

Weights come under the published names from a state dict; nothing of the package is used.
"""

from __future__ import annotations

import numpy as np
from small_networks import prepared_by_hand


def slow_blocks(model, face: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """What each block of the network gives for one face: tokens t×width, and its attention heads×t×t."""
    weights = arrays(model)
    heads = model.blocks[0].attn.heads
    tokens, found = first_tokens(weights, face), []
    for i in range(len(model.blocks)):
        name = f"blocks.{i}"
        normed = layer_norm(weights, f"{name}.norm1", tokens)
        mixed, attention = attend(weights[f"{name}.attn.qkv.weight"], normed, heads)
        tokens = tokens + linear(weights, f"{name}.attn.proj", mixed)
        hidden = np.clip(linear(weights, f"{name}.mlp.fc1", layer_norm(weights, f"{name}.norm2", tokens)), 0, 6)
        tokens = tokens + linear(weights, f"{name}.mlp.fc2", hidden)
        found.append((tokens, attention))
    return found


def slow_quality(model, tokens: np.ndarray) -> float:
    """The quality that the published heads read from the tokens t×width behind any block."""
    weights = arrays(model)
    normed = layer_norm(weights, "norm", tokens)
    if "qs_token" in weights:
        read = normed[0]
    else:
        hidden = batch_norm(weights, "feature.1", weights["feature.0.weight"] @ normed.reshape(-1))
        read = batch_norm(weights, "feature.3", weights["feature.2.weight"] @ hidden)
    return float(weights["head_qs.1.weight"][0] @ batch_norm(weights, "head_qs.0", read))


def slow_exits(model, images: np.ndarray) -> np.ndarray:
    """Quality behind each block, n×depth."""
    return np.array([[slow_quality(model, tokens) for tokens, _ in slow_blocks(model, face)] for face in images])


def arrays(model) -> dict[str, np.ndarray]:
    return {name: value.double().numpy() for name, value in model.state_dict().items()}


def first_tokens(weights: dict, face: np.ndarray) -> np.ndarray:
    pixels = prepared_by_hand(face[None])[0].astype(np.float64)
    kernel = weights["patch_embed.proj.weight"]
    side = kernel.shape[-1]
    tokens = [weights["qs_token"][0, 0]] if "qs_token" in weights else []
    for row in range(0, 112 - side + 1, side):
        for column in range(0, 112 - side + 1, side):
            patch = pixels[:, row : row + side, column : column + side]
            tokens.append((kernel * patch).sum((1, 2, 3)) + weights["patch_embed.proj.bias"])
    return np.array(tokens) + weights["pos_embed"][0]


def attend(qkv: np.ndarray, normed: np.ndarray, heads: int) -> tuple[np.ndarray, np.ndarray]:
    query, key, value = (normed @ part.T for part in np.split(qkv, 3))
    size = normed.shape[1] // heads
    outputs, attention = [], []
    for head in range(heads):
        own = slice(head * size, (head + 1) * size)
        rows = []
        for token in range(len(normed)):
            powers = np.exp(key[:, own] @ query[token, own] / np.sqrt(size))
            rows.append(powers / powers.sum())
        attention.append(np.array(rows))
        outputs.append(attention[-1] @ value[:, own])
    return np.concatenate(outputs, axis=1), np.array(attention)


def linear(weights: dict, name: str, x: np.ndarray) -> np.ndarray:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def layer_norm(weights: dict, name: str, tokens: np.ndarray) -> np.ndarray:
    centred = tokens - tokens.mean(1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def batch_norm(weights: dict, name: str, x: np.ndarray, eps: float = 2e-5) -> np.ndarray:
    scaled = (x - weights[f"{name}.running_mean"]) / np.sqrt(weights[f"{name}.running_var"] + eps)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]
