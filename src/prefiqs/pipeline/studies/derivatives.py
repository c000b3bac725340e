"""The expensive part of Table 2: exact derivatives of the embedding along the pruning direction."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.embedding.embedder import Embedder
from prefiqs.embedding.vectors import drift, normalise
from prefiqs.io.tables import write_table
from prefiqs.methods.jacobian import jacobian_drift
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import load_model
from prefiqs.pipeline.identity import MethodId, Scores
from prefiqs.pipeline.run import Run
from prefiqs.pruning.prune import apply_mask, select_masks
from prefiqs.pruning.spec import PruningSpec


@dataclass(frozen=True, eq=False)
class DerivativesStudy:
    """Jacobian drift ‖J·Δθ‖ and discrete drift D of the faces of a benchmark, by unstructured L1 pruning.

    scores: minus the drifts of all faces at `jacobian.ratio`. ablation: the drifts of a few faces at every ratio of the
    grid: ratio, face (row of the benchmark), jacobian, discrete. Not a `Study`: the stage would depend on its module.
    """

    scores: Scores
    ablation: pd.DataFrame
    data: Path

    def write(self, folder: str | Path) -> None:
        """Write both into `data`, which later stages read; `folder` gets nothing."""
        self.scores.write(self.data)
        write_table(self.ablation, self.data / "ablation.parquet")


def derivatives_study(run: Run, benchmark: str, model: str) -> DerivativesStudy:
    """Differentiate the embedding of every face at `jacobian.ratio`, and of a few faces at every ratio of the grid."""
    params, everything = run.params, np.arange(len(run.benchmark(benchmark).images))
    network, ratio = load_model(model, device=params.embed.device), params.jacobian.ratio
    whole = _drifts(run, benchmark, network, [PruningSpec(ratio)], everything)
    scores = {
        MethodId.of("jacobian", model, ratio=ratio): -whole["jacobian"],
        MethodId.of_spec(model, PruningSpec(ratio)): -whole["discrete"],
    }
    count = min(params.jacobian.ablation_images, len(everything))
    subset = np.linspace(0, len(everything) - 1, count).astype(int)
    return DerivativesStudy(
        scores=run.identified(benchmark, scores),
        ablation=_drifts(run, benchmark, network, [PruningSpec(r) for r in params.prune.ratios], subset),
        data=run.layout.derivatives(benchmark, model),
    )


def _drifts(
    run: Run, benchmark: str, network: FaceModel, specs: Sequence[PruningSpec], rows: np.ndarray
) -> pd.DataFrame:
    """Both drifts of some faces, pruned network by pruned network."""
    images, embed = np.asarray(run.benchmark(benchmark).images), run.params.embed
    some = images if len(rows) == len(images) else images[rows]
    pruned = [apply_mask(network, mask) for mask in select_masks(network, specs)]
    derivatives = jacobian_drift(network, pruned, some, device=embed.device)
    unpruned = normalise(run.raw_embeddings(benchmark, network.name)[rows])
    tables = []
    for spec, variant, jacobian in zip(specs, pruned, derivatives, strict=True):
        if spec in run.params.prune.specs:
            moved = run.raw_embeddings(benchmark, network.name, spec)[rows]
        else:
            [moved] = Embedder([variant], embed.batch_size, embed.device)(some)
        discrete = drift(unpruned, normalise(moved))
        tables.append(pd.DataFrame({"ratio": spec.ratio, "face": rows, "jacobian": jacobian, "discrete": discrete}))
    return pd.concat(tables, ignore_index=True)
