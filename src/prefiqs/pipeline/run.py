"""A run of the compendium: its parameters, its paths, and what its stages have computed so far."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from prefiqs.assets.location import compendium_root
from prefiqs.datasets.benchmark import Benchmark, load_benchmark
from prefiqs.datasets.pairs import with_all_genuine_pairs
from prefiqs.datasets.registry import BENCHMARKS
from prefiqs.errors import ConfigError, InputError
from prefiqs.evaluation.comparison import Comparison
from prefiqs.evaluation.templates import pool_templates
from prefiqs.io.arrays import read_array
from prefiqs.io.scores import read_published_scores
from prefiqs.methods.registry import METHODS
from prefiqs.models.cards import seen_by
from prefiqs.pipeline.identity import MethodId, Scores
from prefiqs.pipeline.params import Params
from prefiqs.pruning.spec import PruningSpec


@dataclass(frozen=True)
class Layout:
    """Every path of a compendium, below its root.

    `data/` has what the pipeline computes and reads back, one folder per stage and item, and below `data/results` what
    people read. `reports/` has published copies of these, one folder per run.
    """

    root: Path

    @property
    def data(self) -> Path:
        """Weights, benchmarks, embeddings, scores and results; made by the pipeline, never committed."""
        return self.root / "data"

    def mask(self, model: str, spec: PruningSpec) -> Path:
        """What a pruned network lacks."""
        return self.data / "pruned" / model / f"{spec.key}.safetensors"

    def embeddings(self, benchmark: str, model: str, spec: PruningSpec | None = None, mirrored: bool = False) -> Path:
        """Raw embeddings of a benchmark, one .npy a network (None: unpruned) and view."""
        name = f"{spec.key if spec else 'unpruned'}{'.mirrored' if mirrored else ''}.npy"
        return self.data / "embeddings" / benchmark / model / name

    def scores(self, benchmark: str, model: str) -> Path:
        """Folder with the scores of PreFIQs under every pruned network, and of the embedding norm."""
        return self.data / "methods" / benchmark / f"_{model}"  # no compared method has such a name

    def method_scores(self, benchmark: str, name: str) -> Path:
        """Folder with the scores of a compared method, `name` as in `methods.known` of params.yaml."""
        return self.data / "methods" / benchmark / name

    def derivatives(self, benchmark: str, model: str) -> Path:
        """Folder with the Jacobian drift of a benchmark."""
        return self.data / "derivatives" / benchmark / model

    def contributions(self, benchmark: str, model: str) -> Path:
        """Folder with the scores of every candidate of the study of training-free scores."""
        return self.data / "contributions" / benchmark / model

    def exits(self, benchmark: str, model: str) -> Path:
        """Folder with the scores of a transformer behind each of its blocks."""
        return self.data / "exits" / benchmark / model

    def results(self, stage: str, *item: str) -> Path:
        """Folder with what a stage shows of one item: executed notebook, tables, figures, numbers.json."""
        return self.data.joinpath("results", stage, *item)

    def report(self, run: str) -> Path:
        """Folder with the published results of a run."""
        return self.root / "reports" / run


@dataclass(frozen=True)
class Run:
    """What every study starts from."""

    layout: Layout
    params: Params

    def benchmark(self, name: str) -> Benchmark:
        """A benchmark that the pipeline has built; for a pair set, the benchmark of its faces with its pairs."""
        benchmark = load_benchmark(self.params.faces_of(name), self.layout.data)
        for made in self.params.benchmarks.pair_sets:
            if made.name == name:
                return with_all_genuine_pairs(benchmark, made.across, made.impostors, made.seed)
        return benchmark

    def raw_embeddings(
        self, benchmark: str, model: str, spec: PruningSpec | None = None, mirrored: bool = False
    ) -> np.ndarray:
        """Raw embeddings, float32 n×d, of the unpruned network or a pruned one."""
        return read_array(self.layout.embeddings(self.params.faces_of(benchmark), model, spec, mirrored))

    def verifiers(self, model: str) -> list[str]:
        """The networks that verify when `model` estimates quality: itself, the other estimators, `models.cross`."""
        return list(dict.fromkeys([model, *self.params.models.quality, *self.params.models.cross]))

    def comparison(self, benchmark: str, verifiers: Sequence[str], scores: Mapping[Any, np.ndarray]) -> Comparison:
        """Quality scores of a benchmark's images, by key, with the similarities of unpruned verifiers.

        Its bootstrap draws what `edc.resampled` says, but always pairs where templates are compared.
        """
        faces = self.benchmark(benchmark)
        embeddings = {
            verifier: pool_templates(self.raw_embeddings(benchmark, verifier), faces.templates)
            for verifier in verifiers
        }
        by_people = self.params.edc.resampled == "people" and faces.templates is None
        people = faces.subjects if by_people else None
        return Comparison(embeddings, faces.pairs, faces.genuine, scores, faces.templates, people)

    def shows_faces_of(self, benchmark: str) -> bool:
        """Whether faces of a benchmark may be drawn."""
        return self.params.align.show_faces.get(benchmark, False)

    def is_known(self, benchmark: str, method: MethodId) -> bool:
        """Whether a method knows a benchmark's images, so that its results there are marked.

        Its network was trained on them, as the network's card says, or it was chosen on them, as its own card says.
        """
        if not method.network:
            return False
        seen = (*seen_by(method.network), *METHODS[method.method].chosen_on)
        return self.params.faces_of(benchmark) in seen

    def identified(self, benchmark: str, scores: Mapping[MethodId, np.ndarray]) -> Scores:
        """Scores of a benchmark's images, marked where the method knows them."""
        return Scores.of(self.benchmark(benchmark).names, scores, partial(self.is_known, benchmark))

    def all_scores(self, benchmark: str, model: str) -> Scores:
        """Every score there is of a benchmark: PreFIQs and the norm of `model`, compared methods, score files of other
        tools, and the true severity of degraded images.

        If a method runs on several networks: its scores on `model`, else by its first entry in `methods.compared`. The
        label of a method on another network than `model` names this network.
        """
        benchmark, compared = self.params.faces_of(benchmark), dict[MethodId, str]()
        entries = self.params.methods.entries
        for name, entry in entries.items():
            if entry.id.on_any_network not in compared or entry.model == model:
                compared[entry.id.on_any_network] = name
        scores = Scores.read(self.layout.scores(benchmark, model))
        for method, name in compared.items():
            found, own = Scores.read(self.layout.method_scores(benchmark, name)), entries[name].id
            if own.network != model and own != method:
                found = replace(found, methods=found.methods.assign(label=f"{own.label} ({own.network})"))
            scores = scores.joined(found)
        images = self.benchmark(benchmark)
        known = self.external_scores(benchmark)
        severity = images.index["severity"].to_numpy()
        if severity.max() > 0:
            known[MethodId.severity()] = -severity
        return scores.joined(Scores.of(images.names, known, lambda _: False)) if known else scores

    def external_scores(self, benchmark: str) -> dict[MethodId, np.ndarray]:
        """Scores of other tools, higher = better, by method, from data/external/METHOD_BENCHMARK.txt."""
        external, names = self.params.external, self.benchmark(benchmark).names
        supervision = dict.fromkeys(external.supervised, "supervised")
        supervision |= dict.fromkeys(external.semi_supervised, "semi-supervised")
        known = [*BENCHMARKS, *self.params.benchmarks.all]
        found = read_published_scores(self.layout.data / "external", benchmark, names, external.lower_is_better, known)
        if taken := found.keys() & METHODS.keys():
            raise InputError(
                f"The scores of {min(taken)!r} on {benchmark} in {self.layout.data / 'external'} have the name of a "
                "method of PreFIQs. Rename the file."
            )
        return {MethodId(m, supervised=supervision.get(m, "unsupervised")): s for m, s in found.items()}


def check_run_name(root: Path, name: str) -> None:
    """Raise `ConfigError` if reports/NAME is for a preset, or shows no run at all, so that no other run replaces it."""
    if (root / "presets" / f"{name}.yaml").is_file():
        raise ConfigError(f"reports/{name} is for the preset {name!r} as it is; choose another name.")
    if (shown := root / "reports" / name).is_dir() and not (shown / "manifest.json").is_file():
        raise ConfigError(f"reports/{name} is not of a run; choose another name.")


def open_run(start: str | Path | None = None) -> Run:
    """The run whose compendium holds the folder `start` (by default the current one).

    Raises `ConfigError` if none does, or if `check_run_name` does.
    From then on, this process reads weights and benchmarks from the data of the compendium, which DVC tracks.
    """
    root = compendium_root(Path(start) if start else None)
    if root is None:
        raise ConfigError(f"{Path(start or '.').absolute()} is not in a PreFIQs repository (no .prefiqs-root found).")
    run = Run(Layout(root), Params.read(root / "params.yaml"))
    check_run_name(root, run.params.run)
    os.environ["PREFIQS_DATA"] = str(run.layout.data)
    return run
