"""The training loop: a small ViT-FIQA (T) learns the embeddings of its teacher, and classifiability as quality.

The loss of a batch is 1 − cosine to the teacher's embeddings, plus the mean squared difference of the two matrices of
similarities within the batch, plus the smooth L1 distance of the quality token's output to CR where that is known.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from prefiqs.errors import InputError
from prefiqs.io.atomic import whole_file
from prefiqs.models.vit import ViTFiqa
from student.settings import Network, Optimise


def build_student(network: Network, embedding_size: int, generator: torch.Generator) -> ViTFiqa:
    """A ViT-FIQA (T) with random weights: truncated normal of deviation 0.02, as in the published training."""
    student = ViTFiqa(quality_token=True, patch=network.patch, width=network.width, depth=network.depth,
                      heads=network.heads, embedding_size=embedding_size, name="vit-prefiqs")  # fmt: skip
    for module in student.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.trunc_normal_(module.weight, std=0.02, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for tokens in (student.pos_embed, student.qs_token):
        nn.init.trunc_normal_(tokens, std=0.02, generator=generator)
    return student


def distil(
    student: ViTFiqa,
    faces: np.ndarray,
    targets: np.ndarray,
    quality: np.ndarray,
    settings: Optimise,
    folder: Path,
    watch: Callable[[ViTFiqa], dict[str, float]] = lambda student: {},
) -> list[dict[str, float]]:
    """Train `student` in place; what was done is kept in `folder`, and a run that was stopped goes on from there.

    Args:
        faces: uint8 n×112×112×3, RGB; may be a memory map.
        targets: the teacher's embeddings of these faces, normalised, n×d.
        quality: target of the quality token, n; NaN where there is none.
        watch: called at every checkpoint with the student in eval mode; what it gives is kept in the log.

    Returns the log, one row a checkpoint: step, the mean losses since the last one, and what `watch` gave.

    Raises `InputError` if there are fewer faces than a batch has, or if the run in `folder` had another network, other
    settings or another number of faces.
    """
    if len(faces) < settings.batch_size:
        raise InputError(
            f"{len(faces)} faces are fewer than a batch of {settings.batch_size}; choose a smaller batch_size."
        )
    optimiser, checkpoint = _optimiser(student, settings), folder / "checkpoint.pt"
    made_with = {"network": repr(student), "settings": settings.model_dump(), "faces": len(faces)}
    log = _resumed(checkpoint, student, optimiser, made_with)
    start = int(log[-1]["step"]) if log else 0
    sums: dict[str, float] = {}
    for step in range(start, settings.steps):
        rows = batch_rows(len(faces), settings.batch_size, step, settings.seed)
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * rate_at(step, settings)
        losses = _losses(student.train(), student.prepare(faces[rows]), torch.from_numpy(targets[rows]),
                         torch.from_numpy(quality[rows]), settings)  # fmt: skip
        optimiser.zero_grad(set_to_none=True)
        losses["loss"].backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimiser.step()
        sums = {name: sums.get(name, 0.0) + loss.item() for name, loss in losses.items()}
        done = step + 1
        if done % settings.checkpoint == 0 or done == settings.steps:
            count = done - (log[-1]["step"] if log else 0)
            row = {"step": done} | {name: total / count for name, total in sums.items()}
            log.append(row | watch(student.eval()))
            sums = {}
            _save(checkpoint, student, optimiser, made_with, log)
    student.eval()
    return log


def save_weights(student: nn.Module, path: Path) -> None:
    """Write the weights as safetensors in half precision, which halves the published file."""
    state = {name: value.half() if value.is_floating_point() else value for name, value in student.state_dict().items()}
    with whole_file(path) as partial:
        save_file(state, partial)


def batch_rows(n: int, size: int, step: int, seed: int) -> np.ndarray:
    """The rows of a step: every epoch runs through a permutation of its own; int `size`, ascending for the disk."""
    epoch, place = divmod(step, n // size)
    order = np.random.default_rng([seed, epoch]).permutation(n)
    return np.sort(order[place * size : (place + 1) * size])


def rate_at(step: int, settings: Optimise) -> float:
    """Share of the learning rate at a step: linear warm-up, then a half cosine down to 0."""
    if step < settings.warm_up:
        return (step + 1) / settings.warm_up
    progress = (step - settings.warm_up) / max(1, settings.steps - settings.warm_up)
    return 0.5 * (1 + float(np.cos(np.pi * progress)))


def _losses(student: ViTFiqa, prepared: Tensor, target: Tensor, quality: Tensor, s: Optimise) -> dict[str, Tensor]:
    # The fused attention of PyTorch is slow backwards on a CPU: for tokens this few, plain products take half the time.
    with torch.autocast(prepared.device.type, torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        tokens = student.tokens(prepared)
        for block in student.blocks:
            tokens = block(tokens)
        embedding, predicted = student.head(tokens), student.quality(tokens)
    embedding, known = F.normalize(embedding.float()), ~quality.isnan()
    cosine = (1 - (embedding * target).sum(1)).mean()
    similarity = F.mse_loss(embedding @ embedding.T, target @ target.T)
    rated = F.smooth_l1_loss(predicted.float()[known], quality[known], reduction="sum") / known.sum().clamp(min=1)
    loss = cosine + s.similarity * similarity + s.quality * rated
    return {"loss": loss, "cosine": cosine, "similarity": similarity, "quality": rated}


def _optimiser(student: nn.Module, settings: Optimise) -> torch.optim.Optimizer:
    """AdamW; biases, norms and position embeddings do not decay."""
    named = dict(student.named_parameters())
    plain = [p for name, p in named.items() if p.dim() < 2 or name in ("pos_embed", "qs_token")]
    decayed = [p for name, p in named.items() if p.dim() >= 2 and name not in ("pos_embed", "qs_token")]
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings.rate, betas=(0.9, 0.99), fused=True)


def _save(path: Path, student: nn.Module, optimiser: torch.optim.Optimizer, made_with: dict, log: list[dict]) -> None:
    states = {"student": student.state_dict(), "optimiser": optimiser.state_dict()}
    with whole_file(path) as partial:
        torch.save(states | {"made_with": made_with, "log": log}, partial)


def _resumed(path: Path, student: nn.Module, optimiser: torch.optim.Optimizer, made_with: dict) -> list[dict]:
    """Load the last checkpoint, if there is one, and return its log."""
    if not path.is_file():
        return []
    content = torch.load(path, weights_only=True)
    if other := [name for name, value in made_with.items() if content["made_with"][name] != value]:
        raise InputError(
            f"The run in {path.parent} has another {' and '.join(other)}. Delete that folder to start again."
        )
    student.load_state_dict(content["student"])
    optimiser.load_state_dict(content["optimiser"])
    return content["log"]
