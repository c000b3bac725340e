"""Methods beside a plain forward pass in the same engine, once compiled."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from benchmarks.embedding import batch_again
from benchmarks.harness import Figure, dearer

import prefiqs
from prefiqs.embedding.derivatives import derivative_engine
from prefiqs.embedding.engines import model_engines, torch_engine
from prefiqs.methods import jacobian
from prefiqs.methods.ex_fiqa import Exits
from prefiqs.models.face_model import FaceModel
from prefiqs.models.registry import MODELS

IMAGES = 192


def run() -> Iterator[Figure]:
    """The Jacobian drift, alone and of several ratios, and all exits of transformers."""
    model = prefiqs.load_model("sface", device="cpu")
    plain = bare(model, 16)
    for ratios in ([0.1], [0.1, 0.4, 0.8]):
        pruned = [prefiqs.prune(model, ratio) for ratio in ratios]
        function = jacobian.normalised_jvp(model, *pruned)
        size = jacobian.BATCH_SIZE
        engine = derivative_engine(function, model.device, size, "Jacobian drift")
        wanted = "≤ 4" if len(ratios) == 1 else ""
        yield dearer(f"Jacobian drift, sface, {len(ratios)} ratio{'s' * (len(ratios) > 1)}",
                     "a forward pass in the same engine", partial(batch_again, engine, size, IMAGES // size), plain,
                     wanted)  # fmt: skip
    reference = torch_engine(jacobian.normalised_jvp(model, prefiqs.prune(model, 0.1)))
    yield dearer("Jacobian drift, sface, torch.func.jvp in eager PyTorch", "a forward pass in eager PyTorch",
                 partial(batch_again, reference, 4, 8), partial(batch_again, torch_engine(model), 4, 8))  # fmt: skip
    torch.manual_seed(0)
    for name in ("vit-prefiqs", "vit-fiqa-c"):
        card = MODELS[name]
        untrained = name == "vit-fiqa-c"
        vit = card.network(name=name, input_spec=card.input_spec) if untrained else prefiqs.load_model(name)
        exits = Exits(vit, list(range(1, len(vit.blocks) + 1)))
        yield dearer(f"EX-FIQA, all exits, {name}", "a forward pass of the same network",
                     bare(exits, 16), bare(vit, 16), "≤ 1.15", turns=5)  # fmt: skip


def bare(model: FaceModel, batch_size: int):
    """Pass over `IMAGES` images in memory in the CPU engine."""
    return partial(batch_again, model_engines([model], batch_size)[0], batch_size, IMAGES // batch_size)
