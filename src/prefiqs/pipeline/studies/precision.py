"""What reduced precision does to drift, to the ranking of the faces and to the area, at every pruning ratio."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from prefiqs.embedding.embedder import raw_embeddings
from prefiqs.embedding.vectors import normalise
from prefiqs.evaluation.tables import areas_table
from prefiqs.methods.prefiqs import drift, quality_from_drift
from prefiqs.models.loading import load_model
from prefiqs.pipeline.run import Run
from prefiqs.pruning.prune import apply_mask, select_masks
from prefiqs.pruning.spec import PruningSpec
from prefiqs.reporting.figures.curves import pauc_by_ratio
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.numbers import write_numbers
from prefiqs.reporting.tables import Table

EXACT = "fp32"


@dataclass(frozen=True)
class Setting:
    """A precision and a pruning ratio."""

    precision: str
    ratio: float


@dataclass(frozen=True, eq=False)
class PrecisionStudy:
    """PreFIQs (unstructured L1) in float32 and in reduced precisions.

    Attributes:
        table: one row a precision and ratio: medians of the drift and of its change from float32, in [0, 2]; Spearman
            correlation of the drifts with those in float32; pauc (·10³, lower is better), verified in float32.
        figure: pAUC over the ratio, one line a precision.
        rounding: by precision, how far rounding alone moves a normalised embedding (median).
    """

    table: Table
    figure: Figure
    rounding: dict[str, float]

    @property
    def by_precision(self) -> dict[str, pd.DataFrame]:
        """The rows of `table` by precision, indexed by the ratio."""
        return {kind: part.set_index("ratio") for kind, part in self.table.frame.groupby("precision", sort=False)}

    @property
    def numbers(self) -> dict[str, Any]:
        """What prose may quote."""
        parts = self.by_precision
        return {
            "rounding": self.rounding,
            "spearman": {kind: parts[kind]["spearman with fp32"].to_dict() for kind in self.rounding},
            "pauc": {kind: part["pauc"].to_dict() for kind, part in parts.items()},
        }

    def write(self, folder: str | Path) -> None:
        """Write precision (CSV, Markdown), precision.png and numbers.json."""
        self.table.write(Path(folder) / "precision")
        save_figure(self.figure, Path(folder) / "precision.png")
        write_numbers(self.numbers, folder)


def precision_study(run: Run, benchmark: str, model: str) -> PrecisionStudy:
    """Embed a benchmark in every precision; the network verifies itself, with the embeddings of the pipeline."""
    chosen, embed, images = run.params.precision, run.params.embed, np.asarray(run.benchmark(benchmark).images)
    network = load_model(model, device=embed.device)
    masks = select_masks(network, [PruningSpec(ratio) for ratio in chosen.ratios])
    networks = [network, *(apply_mask(network, mask) for mask in masks)]

    unpruned: dict[str, np.ndarray] = {}
    drifts: dict[Setting, np.ndarray] = {}
    for kind in [EXACT, *chosen.kinds]:
        raw = raw_embeddings(networks, images, embed.batch_size, embed.device, precision=kind)
        unpruned[kind], *pruned = (normalise(table) for table in raw)
        drifts |= {Setting(kind, r): drift(unpruned[kind], e) for r, e in zip(chosen.ratios, pruned, strict=True)}

    protocol = replace(run.params.edc.protocol, fmrs=run.params.edc.protocol.fmrs[:1])
    scores = {setting: quality_from_drift(d) for setting, d in drifts.items()}
    curves = run.comparison(benchmark, [model], scores).curves(protocol)
    pauc = areas_table(curves, protocol.limit).set_index("key")["pauc"]
    rows = []
    for setting, d in drifts.items():
        exact = drifts[Setting(EXACT, setting.ratio)]
        rows.append(
            {
                "precision": setting.precision,
                "ratio": setting.ratio,
                "median drift": float(np.median(d)),
                "median change of drift": float(np.median(np.abs(d - exact))),
                "spearman with fp32": float(spearmanr(d, exact).statistic),
                "pauc": pauc[setting],
            }
        )
    frame = pd.DataFrame(rows)
    digits = {"median drift": 4, "median change of drift": 4, "spearman with fp32": 4, "pauc": 2}
    caption = f"PreFIQs in reduced precision on {benchmark}, {model} scores and verifies; pAUC·10³ at FMR "
    return PrecisionStudy(
        table=Table(frame, f"{caption}{protocol.fmrs[0]:g}", digits=digits),
        figure=pauc_by_ratio(frame.rename(columns={"precision": "strategy"}), title=f"{benchmark}, {model}"),
        rounding={kind: float(np.median(drift(unpruned[EXACT], unpruned[kind]))) for kind in chosen.kinds},
    )
