"""What a run will cost: stages, forward passes and disk space, estimated from its parameters before anything starts."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.datasets.benchmark import benchmark_folder
from prefiqs.datasets.registry import BENCHMARKS
from prefiqs.faces.template import FACE_SIZE
from prefiqs.methods.registry import METHODS
from prefiqs.models.weights import card_of
from prefiqs.pipeline.params import Params
from prefiqs.pipeline.stages import StageItem

# What the studies compute, in forward passes of one face; a backward pass counts as two, a derivative along one
# direction as three.
BACKWARD, DERIVATIVE = 2, 3
TRANSFORMER = 2  # all exits in one pass, ViTNT-FIQA at all depths in another
ABLATION = 20  # networks of the ablation, rounded up
PRICE = 8  # for each ratio: all stages of the network alone, and from each stage on, with shared prefixes
COPIES_ON_DISK = 2  # a result and its copy in DVC's cache
BYTES_OF_A_PAIR = 10


def plan(params: Params, items: list[StageItem], data: Path) -> pd.DataFrame:
    """Estimate the cost of a run.

    Args:
        params: of the run.
        items: its stages, from `stage_items`.
        data: where benchmarks are, if they are built; of others, the published number of images is used.

    Returns:
        One row a stage: stage, runs, forward_passes, megabytes (of results, with the copy in DVC's cache). Passes and
        megabytes are missing where the number of images of a benchmark is not known yet.
    """
    images = {name: _images(name, params, data) for name in params.benchmarks.all}
    passes, sizes = _passes(params, images), _bytes(params, images)
    runs = Counter(item.stage for item in items)
    stages = list(dict.fromkeys(item.stage for item in items))
    rows = [(s, runs[s], passes.get(s, 0), COPIES_ON_DISK * sizes.get(s, 0) / 1e6) for s in stages]
    return pd.DataFrame(rows, columns=["stage", "runs", "forward_passes", "megabytes"])


def _images(name: str, params: Params, data: Path) -> float:
    """Number of images, NaN if it is not known yet."""
    built = benchmark_folder(name, data) / "images.npy"
    if built.is_file():
        return len(np.load(built, mmap_mode="r", allow_pickle=False))
    if source := params.source_of(name):
        return params.degrade.copies * _images(source, params, data)
    card = BENCHMARKS.get(name)
    return card.images if card and card.images else float("nan")


def _networks(params: Params, benchmark: str) -> int:
    """How many times an estimator and its pruned variants embed an image, mirrored images included."""
    flipped = benchmark in params.verification.flip_test
    mirrored = 1 + len(params.verification.specs(params.prune)) if flipped else 0
    return 1 + len(params.prune.specs) + mirrored


def _passes(params: Params, images: dict[str, float]) -> dict[str, float]:
    estimators, verifiers = len(params.models.quality), len(params.models.cross)
    paired = sum(images[name] for name in params.benchmarks.paired)
    # Of a degraded benchmark, the untouched copies are embedded already.
    degraded = {c.name: images[c.name] - images[c.source] for c in params.benchmarks.cross_quality}
    compared = sum(_cost(entry.method) for entry in params.methods.entries.values())
    ablated = params.jacobian.ablation_images * len(params.prune.ratios) * (DERIVATIVE + 1)
    precision = (1 + len(params.precision.kinds)) * (1 + len(params.precision.ratios))

    def over(benchmarks: list[str]) -> float:
        return sum(images[name] for name in benchmarks)

    return {
        "embed": estimators * sum(images[name] * _networks(params, name) for name in params.benchmarks.photos),
        "embed-degraded": estimators * sum(count * _networks(params, name) for name, count in degraded.items()),
        "verifier": verifiers * paired,
        "method": paired * compared,
        "derivatives": estimators * sum(images[n] * DERIVATIVE + ablated for n in params.jacobian.benchmarks),
        "exits": len(params.transformer.models) * TRANSFORMER * over(params.transformer.benchmarks),
        "ablation": estimators * ABLATION * over(params.ablation.benchmarks),
        "precision": estimators * precision * over(params.precision.benchmarks),
        "price": estimators * PRICE * len(params.price.ratios) * over(params.price.benchmarks),
    }


def _cost(method: str) -> int:
    forward, backward = METHODS[method].passes or (DERIVATIVE, 0)
    return forward + BACKWARD * backward


def _bytes(params: Params, images: dict[str, float]) -> dict[str, float]:
    def width(model: str) -> float:
        size = card_of(model).embedding_size  # None: only the file knows
        return 4 * size if size else float("nan")

    def embeddings(benchmarks: list[str]) -> float:
        of_an_image = sum(width(model) for model in params.models.quality)
        return sum(images[name] * _networks(params, name) for name in benchmarks) * of_an_image

    made = [c.name for c in params.benchmarks.cross_quality]
    face = FACE_SIZE * FACE_SIZE * 3
    verifiers = sum(width(model) for model in params.models.cross)
    return {
        "align": sum(images[name] * face for name in params.benchmarks.photos),
        "degrade": sum(images[name] * face + params.degrade.impostors * BYTES_OF_A_PAIR for name in made),
        "embed": embeddings(params.benchmarks.photos),
        "embed-degraded": embeddings(made),
        "verifier": sum(images[name] for name in params.benchmarks.paired) * verifiers,
    }
