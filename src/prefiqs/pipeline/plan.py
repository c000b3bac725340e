"""What a run will cost: stages, forward passes and disk space, estimated from its parameters before anything starts."""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import product
from math import nan
from pathlib import Path

import pandas as pd

from prefiqs.datasets.benchmark import benchmark_folder
from prefiqs.datasets.registry import BENCHMARKS
from prefiqs.faces.template import FACE_SIZE
from prefiqs.io.arrays import read_array
from prefiqs.methods.registry import METHODS
from prefiqs.models.registry import card_of
from prefiqs.pipeline.params import Params, StageItem

# In forward passes of one face: a backward pass counts as two, a derivative along one direction as three.
BACKWARD, DERIVATIVE = 2, 3
TRANSFORMER = 3  # one pass for all exits, one for ViTNT-FIQA at all depths, one for ATTN-FIQA in all blocks
ABLATION = 20  # networks of the ablation, rounded up
CANDIDATES = 4  # a face, its mirror image, and a gradient down to the middle of the network
COPIES_ON_DISK = 2  # a result and its copy in DVC's cache
BYTES_OF_A_FACE, BYTES_OF_A_PAIR = 3 * FACE_SIZE**2, 10


def plan(params: Params, items: Iterable[StageItem], data: Path) -> pd.DataFrame:
    """Estimate the cost of a run: `items` are its stages; `data` is where benchmarks are, if they are built.

    Returns one row per stage: stage, runs, forward_passes, megabytes (of results, with the copy in DVC's cache). Passes
    and megabytes are missing where a benchmark is neither built nor of a published size.
    """
    images = {name: _images(name, params, data) for name in params.benchmarks.all}
    passes, sizes = _passes(params, images), _bytes(params, images)
    runs = Counter(item.stage for item in items)  # in the order of dvc.yaml
    rows = [(s, runs[s], passes.get(s, 0), COPIES_ON_DISK * sizes.get(s, 0) / 1e6) for s in runs]
    return pd.DataFrame(rows, columns=["stage", "runs", "forward_passes", "megabytes"])


def _images(name: str, params: Params, data: Path) -> float:
    """Number of images, NaN if it is not known yet."""
    built = benchmark_folder(name, data) / "images.npy"
    if built.is_file():
        return len(read_array(built, mapped=True))
    if source := params.source_of(name):
        return params.degrade.copies * _images(source, params, data)
    return (BENCHMARKS[name].images if name in BENCHMARKS else None) or nan


def _networks(params: Params, benchmark: str, model: str) -> int:
    """How many times an estimator and its pruned variants embed an image, mirrored images included."""
    specs, flipped = params.prune.specs_of(model), benchmark in params.verification.flip_test
    return 1 + len(specs) + (1 + len(params.verification.specs(specs)) if flipped else 0)


def _passes(params: Params, images: dict[str, float]) -> dict[str, float]:
    # Of a degraded benchmark, the untouched copies are embedded already.
    degraded = {made.name: images[made.name] - images[made.source] for made in params.benchmarks.cross_quality}
    compared = sum(_cost(entry.method) for entry in params.methods.entries.values())
    ablated = params.jacobian.ablation_images * len(params.prune.ratios) * (DERIVATIVE + 1)
    precision = (1 + len(params.precision.kinds)) * (1 + len(params.precision.ratios))

    def over(benchmarks: list[str]) -> float:
        return sum(images[name] for name in benchmarks)

    def embedded(counts: Mapping[str, float]) -> float:
        return sum(counts[name] * _networks(params, name, m) for name, m in product(counts, params.models.quality))

    paired = over(params.benchmarks.paired)
    by_an_estimator = {
        "derivatives": sum(images[name] * DERIVATIVE + ablated for name in params.jacobian.benchmarks),
        "ablation": ABLATION * over(params.ablation.benchmarks),
        "precision": precision * over(params.precision.benchmarks),
        "contributions": CANDIDATES * over(params.candidates.benchmarks),
    }
    return {stage: len(params.models.quality) * passes for stage, passes in by_an_estimator.items()} | {
        "embed": embedded({name: images[name] for name in params.benchmarks.photos}),
        "embed-degraded": embedded(degraded),
        "verifier": len(params.models.cross) * paired,
        "method": paired * compared,
        "exits": len(params.transformer.models) * TRANSFORMER * over(params.transformer.benchmarks),
    }


def _cost(method: str) -> int:
    forward, backward = METHODS[method].passes or (DERIVATIVE, 0)
    return forward + BACKWARD * backward


def _bytes(params: Params, images: dict[str, float]) -> dict[str, float]:
    def embeddings(models: list[str], benchmarks: list[str], pruned: bool = True) -> float:
        widths = {model: card_of(model).embedding_size or nan for model in models}  # None: only the file knows
        tables = {pair: _networks(params, *pair) if pruned else 1 for pair in product(benchmarks, models)}
        return 4 * sum(images[name] * widths[model] * count for (name, model), count in tables.items())

    photos, made = params.benchmarks.photos, [made.name for made in params.benchmarks.cross_quality]
    return {
        "align": sum(images[name] * BYTES_OF_A_FACE for name in photos),
        "degrade": sum(images[name] * BYTES_OF_A_FACE + params.degrade.impostors * BYTES_OF_A_PAIR for name in made),
        "embed": embeddings(params.models.quality, photos),
        "embed-degraded": embeddings(params.models.quality, made),
        "verifier": embeddings(params.models.cross, params.benchmarks.paired, pruned=False),
    }
