"""What a run will cost, from `params.yaml` alone: stages, forward passes and disk space, before anything starts."""

from __future__ import annotations

from itertools import product
from math import prod
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from prefiqs.datasets.benchmark import benchmark_folder
from prefiqs.errors import ConfigError
from prefiqs.methods.registry import PASSES
from prefiqs.models.zoo import MODELS
from prefiqs.pipeline.params import Params, table4_ratios

# A derivative along one direction costs about three passes (`prefiqs.methods.jacobian`).
PASSES_OF_A_DERIVATIVE = 3
# All exits in one, ViTNT-FIQA at all depths in another (notebooks/11_transformer.ipynb).
PASSES_OF_A_TRANSFORMER = 2
# Networks of notebooks/13_ablation.ipynb, rounded up; and each result lies in DVC's cache, too.
ABLATION_NETWORKS, COPIES_ON_DISK = 20, 2
# Images of the published benchmarks; the .bin files hold two a pair, some of them more than once.
PUBLISHED_IMAGES = {
    "orl": 400, "lfw": 7_701, "agedb-30": 12_000, "cfp-fp": 14_000, "cfp-ff": 14_000, "calfw": 12_000, "cplfw": 12_000,
    "adience": 19_370, "xqlfw": 12_000, "ijb-c": 469_375, "synfiqa": 550_000,
}  # fmt: skip
# For each ratio, all stages alone and from each stage on, with shared prefixes (notebooks/16_price.ipynb).
PASSES_OF_A_PRICE = 8
BYTES_OF_A_FACE, BYTES_OF_A_PAIR = 112 * 112 * 3, 10


def plan(params: Params, root: str | Path, pipeline: str | Path = "dvc.yaml") -> pd.DataFrame:
    """The cost of a run with these parameters, before anything is computed.

    Args:
        params: the run's parameters.
        root: data root; a benchmark that is built there is counted, of another the published number is used.
        pipeline: the stages.

    Returns:
        One row a stage: stage, runs, forward_passes, megabytes (of results, with the copy in DVC's cache).
    """
    stages = yaml.safe_load(Path(pipeline).read_text(encoding="utf-8"))["stages"]
    images = {name: _images(name, params, root) for name in params.benchmarks.all}
    passes, size = _passes(params, images), _bytes(params, images)
    rows = [
        (name, _runs(stage, params), passes.get(name, 0), COPIES_ON_DISK * size.get(name, 0) / 1e6)
        for name, stage in stages.items()
    ]
    return pd.DataFrame(rows, columns=["stage", "runs", "forward_passes", "megabytes"])


def _runs(stage: dict, params: Params) -> int:
    def listed(reference: str) -> int:
        block, key = reference.removeprefix("${").removesuffix("}").split(".")
        return len(getattr(getattr(params, block), key))

    return prod(listed(reference) for reference in stage.get("matrix", {}).values())


def _images(name: str, params: Params, root: str | Path) -> int:
    built = benchmark_folder(name, root) / "images.npy"
    if built.is_file():
        return len(np.load(built, mmap_mode="r", allow_pickle=False))
    for degraded in params.benchmarks.cross_quality:
        if degraded.name == name:
            return params.degrade.copies * _images(degraded.source, params, root)
    if name not in PUBLISHED_IMAGES:
        raise ConfigError(
            f"Expected a known benchmark in `benchmarks`, got {name!r}; known: {', '.join(PUBLISHED_IMAGES)}."
        )
    return PUBLISHED_IMAGES[name]


def _networks(params: Params, benchmark: str) -> int:
    """How often an image is embedded by an estimator and its pruned variants, mirrored or not."""
    p, v = params.prune, params.verification
    strategies = len(p.granularities) * len(p.criteria)
    mirrored = 1 + strategies * len(table4_ratios(v.ratios, p.ratios)) if benchmark in v.flip_test else 0
    return 1 + strategies * len(p.ratios) + mirrored


def _passes(params: Params, images: dict[str, int]) -> dict[str, int]:
    estimators, verifiers = len(params.models.quality), len(params.models.cross)
    photos = {name: images[name] for name in params.benchmarks.photos}
    # Of degraded benchmarks the untouched copies are known.
    degraded = {c.name: images[c.name] - images[c.source] for c in params.benchmarks.cross_quality}
    compared = [params.methods.known[name].method for name in params.methods.compared]
    ablated = params.jacobian.ablation_images * len(params.prune.ratios) * (PASSES_OF_A_DERIVATIVE + 1)
    return {
        "embed": estimators * sum(n * _networks(params, name) for name, n in photos.items()),
        "embed-degraded": estimators * sum(n * _networks(params, name) for name, n in degraded.items()),
        "verifier": verifiers * sum(images[name] for name in params.benchmarks.paired),
        "method": sum(images[name] for name in params.benchmarks.paired) * sum(map(_cost, compared)),
        "jacobian": estimators
        * sum(images[name] * PASSES_OF_A_DERIVATIVE + ablated for name in params.jacobian.benchmarks),
        "transformer": len(params.transformer.models)
        * PASSES_OF_A_TRANSFORMER
        * sum(images[name] for name in params.transformer.benchmarks),
        "ablation": estimators * ABLATION_NETWORKS * sum(images[name] for name in params.ablation.benchmarks),
        "precision": estimators
        * (1 + len(params.precision.kinds))
        * (1 + len(params.precision.ratios))
        * sum(images[name] for name in params.precision.benchmarks),
        "price": estimators
        * PASSES_OF_A_PRICE
        * len(params.price.ratios)
        * sum(images[n] for n in params.price.benchmarks),
    }


def _cost(method: str) -> int:
    """Forward passes of one face; a backward pass takes about two."""
    forward, backward = PASSES.get(method, (PASSES_OF_A_DERIVATIVE, 0))
    return forward + 2 * backward


def _bytes(params: Params, images: dict[str, int]) -> dict[str, int]:
    widths = {name: 4 * MODELS[name].embedding_size for name in [*params.models.quality, *params.models.cross]}

    def embeddings(names: list[str]) -> int:
        pairs = product(names, params.models.quality)
        return sum(images[name] * _networks(params, name) * widths[model] for name, model in pairs)

    return {
        "align": sum(images[name] * BYTES_OF_A_FACE for name in params.benchmarks.photos),
        "degrade": sum(
            images[c.name] * BYTES_OF_A_FACE + params.degrade.impostors * BYTES_OF_A_PAIR
            for c in params.benchmarks.cross_quality
        ),
        "embed": embeddings(params.benchmarks.photos),
        "embed-degraded": embeddings([c.name for c in params.benchmarks.cross_quality]),
        "verifier": sum(images[name] for name in params.benchmarks.paired)
        * sum(widths[model] for model in params.models.cross),
    }
