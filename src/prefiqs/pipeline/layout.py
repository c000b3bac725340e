"""Every path of the compendium, in one place."""

from dataclasses import dataclass
from pathlib import Path

from prefiqs.pruning.spec import PruningSpec


@dataclass(frozen=True)
class Layout:
    """Paths below the root of a compendium.

    `data/` holds what the pipeline computes and reads back: one folder a stage and item, and below `data/results` one
    folder a stage and item with what people read. `reports/` holds published copies of these, one folder a run.
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
        return self.data / "scores" / benchmark / model

    def method_scores(self, benchmark: str, name: str) -> Path:
        """Folder with the scores of a compared method, `name` as in `methods.known` of params.yaml."""
        return self.data / "methods" / benchmark / name

    def derivatives(self, benchmark: str, model: str) -> Path:
        """Folder with the Jacobian drift of a benchmark."""
        return self.data / "derivatives" / benchmark / model

    def exits(self, benchmark: str, model: str) -> Path:
        """Folder with the scores of a transformer behind each of its blocks, and attention maps."""
        return self.data / "exits" / benchmark / model

    def results(self, stage: str, *item: str) -> Path:
        """Folder with what a stage shows of one item: executed notebook, tables, figures, numbers.json."""
        return self.data.joinpath("results", stage, *item)

    def report(self, run: str) -> Path:
        """Folder with the published results of a run."""
        return self.root / "reports" / run
