"""A run of the compendium in a temporary folder: few people, small networks, and what its stages would have written.

`small_run` writes two benchmarks: `orl`, and `orl-xq`, its degraded copies. Each `write_…` function plays a stage, with
numbers from a seed; a test calls those that its study reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
from small_networks import TinyNet, small_vit_fiqa, synthetic_faces

from prefiqs.datasets.benchmark import Benchmark, save_benchmark
from prefiqs.datasets.cross_quality import build_cross_quality
from prefiqs.datasets.pairs import all_pairs, with_folds
from prefiqs.datasets.source import face_index
from prefiqs.io.arrays import write_array
from prefiqs.io.tables import write_table
from prefiqs.models.registry import ModelCard
from prefiqs.pipeline.identity import MethodId, Scores
from prefiqs.pipeline.params import Params, overlaid, read_yaml
from prefiqs.pipeline.run import Layout, Run
from prefiqs.pruning.spec import PruningSpec

ROOT = Path(__file__).parents[3]
PEOPLE, PHOTOS_EACH, WIDTH = 6, 4, 8
GRANULARITIES, CRITERIA = ("unstructured", "structured"), ("l1", "random")
HIDDEN = {"orl": False, "orl-xq": False}  # for `align.show_faces`
SMALL: dict[str, Any] = {
    "models": {"quality": ["sface"], "cross": ["mobilefacenet-512"]},
    "folds": {"count": 3, "pairs_per_fold": 5},
    "degrade": {"copies": 3, "impostors": 500},
    "prune": {"ratios": [0.4, 0.8], "strategies": {"sface": [f"{g}-{c}" for g in GRANULARITIES for c in CRITERIA]}},
    "embed": {"device": "cpu"},
    "methods": {"compared": ["pruning-margin", "ex-fiqa"], "calibration_faces": 4, "timed_faces": 4},
    "transformer": {"first_depth": 2, "exits": [1, 3, 4], "faces": 1},
    "jacobian": {"ratio": 0.4, "ablation_images": 4},
    "candidates": {"ratios": [0.4]},
    "verification": {"ratios": [0.4]},
    "edc": {"fmr": [0.1, 0.01], "random_orders": 3, "resamples": 5},
}


def small_run(root: Path, changes: Mapping[str, Any] | None = None) -> Run:
    """A run below `root`: the repository's params.yaml with `SMALL` and then `changes` in place, and its benchmarks."""
    content = overlaid(overlaid(read_yaml(ROOT / "params.yaml"), SMALL), changes or {})
    run = Run(Layout(root), Params.checked(content))
    photos = small_photos()
    degrade, folds = run.params.degrade, run.params.folds
    spoiled = build_cross_quality("orl-xq", photos, degrade.copies, degrade.strongest, degrade.impostors, degrade.seed)
    for benchmark in (photos, spoiled):
        save_benchmark(with_folds(benchmark, folds.count, folds.pairs_per_fold, folds.seed), run.layout.data)
    return run


def small_photos() -> Benchmark:
    """`orl`: `PHOTOS_EACH` faces of each of `PEOPLE`, all compared with all, without folds."""
    people = [f"s{person}" for person in range(1, PEOPLE + 1) for _ in range(PHOTOS_EACH)]
    names = [f"{person}/{i % PHOTOS_EACH + 1}.pgm" for i, person in enumerate(people)]
    return Benchmark("orl", synthetic_faces(len(people), 3), face_index(names, people), *all_pairs(np.array(people)))


def use_small_networks(monkeypatch, run: Run) -> None:
    """Let `load_model` give small networks by the names of the default run, whose weights are in the run's folder."""
    from prefiqs.models import cards, registry

    networks = {"sface": TinyNet(0), "mobilefacenet-512": TinyNet(1), "vit-prefiqs": small_vit_fiqa()}
    monkeypatch.setenv("PREFIQS_DATA", str(run.layout.data))
    for name, network in networks.items():
        network.name = name
        checkpoint = run.layout.data / "checkpoints" / f"{name}.pth"
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.write_bytes(b"")
        card = _SmallCard(name, "small", "a test", "none", lambda network=network, **_: network)
        monkeypatch.setitem(registry.MODELS, name, card)
        monkeypatch.setitem(cards.TABLE, name, {})  # it has seen nothing


class _SmallCard(ModelCard):
    def load(self, path: Path):
        """The network as it was built, whatever the file holds."""
        return self.network()


def write_embeddings(
    run: Run,
    benchmark: str,
    model: str,
    specs: Sequence[PruningSpec] | None = None,
    mirrored: bool = False,
) -> None:
    """Raw embeddings of a network and its prunings (by default the whole grid; [] for a verifier).

    A person is a direction, an image strays from it by its severity, a pruned network by its ratio.
    """
    images = run.benchmark(benchmark)
    centres = {person: _rng("person", person).normal(size=WIDTH) for person in np.unique(images.subjects)}
    severity = images.index["severity"].to_numpy()[:, None]
    person = np.array([centres[subject] for subject in images.subjects])
    plain = person + (0.3 + severity) * _rng(benchmark, model, mirrored).normal(size=person.shape)
    for spec in [None, *(run.params.prune.specs if specs is None else specs)]:
        moved = (
            (0.2 + severity) * spec.ratio * _rng(benchmark, model, mirrored, spec.key).normal(size=plain.shape)
            if spec
            else 0
        )
        write_array((plain + moved).astype(np.float32), run.layout.embeddings(benchmark, model, spec, mirrored))


def write_scores(run: Run, benchmark: str, model: str = "sface") -> None:
    """Scores of PreFIQs under every pruned network, and of the norm: the lower, the more degraded, with noise."""
    methods = [MethodId.of_spec(model, spec) for spec in run.params.prune.specs]
    _made_up(run, benchmark, [*methods, MethodId.of("norm", model)]).write(run.layout.scores(benchmark, model))


def write_method_scores(run: Run, benchmark: str) -> None:
    """Scores of the compared methods; ex-fiqa's network was trained on the images."""
    for name, entry in run.params.methods.entries.items():
        _made_up(run, benchmark, [entry.id], entry.method == "ex-fiqa").write(run.layout.method_scores(benchmark, name))


def write_derivatives(run: Run, benchmark: str, model: str = "sface") -> None:
    """Jacobian and discrete drift of all faces at `jacobian.ratio`, and of three faces at every ratio: nearly equal."""
    images, ratio = run.benchmark(benchmark), run.params.jacobian.ratio
    severity, rng = images.index["severity"].to_numpy(), _rng("derivatives", benchmark)
    discrete = ratio * (0.1 + 0.3 * severity + 0.1 * rng.random(len(severity)))
    jacobian = discrete * (1 + 0.2 * rng.normal(size=len(severity)) * ratio)
    scores = {
        MethodId.of("jacobian", model, ratio=ratio): -jacobian,
        MethodId.of_spec(model, PruningSpec(ratio)): -discrete,
    }
    folder = run.layout.derivatives(benchmark, model)
    Scores.of(images.names, scores, lambda _: False).write(folder)
    rows = [(r, face, *rng.random(2)) for r in run.params.prune.ratios for face in (0, 5, 9)]
    write_table(pd.DataFrame(rows, columns=["ratio", "face", "jacobian", "discrete"]), folder / "ablation.parquet")


def _made_up(run: Run, benchmark: str, methods: Sequence[MethodId], trained_on: bool = False) -> Scores:
    images = run.benchmark(benchmark)
    severity = images.index["severity"].to_numpy()
    scores = {method: 1 - severity + 0.3 * _rng(benchmark, method.key).normal(size=len(severity)) for method in methods}
    return Scores.of(images.names, scores, lambda _: trained_on)


def _rng(*words: object) -> np.random.Generator:
    return np.random.default_rng(crc32(repr(words).encode()))
