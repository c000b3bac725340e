"""What reduced precision does to drift, to the ranking of the faces and to the area, at every pruning ratio."""

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from prefiqs.embedding.embedder import Embedder
from prefiqs.embedding.vectors import drift, normalise, quality_from_drift
from prefiqs.evaluation.tables import areas_table
from prefiqs.models.loading import load_model
from prefiqs.pipeline.run import Run
from prefiqs.pruning.prune import apply_mask, select_masks
from prefiqs.pruning.spec import PruningSpec
from prefiqs.reporting.figures.areas import lines_by_ratio
from prefiqs.reporting.study import Figure, Study, Table, saved_as

EXACT = "fp32"


class PrecisionStudy(Study):
    """PreFIQs (unstructured L1) in float32 and in reduced precisions; pAUC·10³ (lower is better), verified in float32.

    by_precision: the rows of `table`, indexed by the ratio. numbers: `rounding` is how far rounding alone moves a
    normalised embedding (median).
    """

    table: Table = saved_as("precision")
    figure: Figure = saved_as("precision")
    by_precision: dict[str, pd.DataFrame]


def precision_study(run: Run, benchmark: str, model: str) -> PrecisionStudy:
    """Embed a benchmark in every precision; the network verifies itself, with the embeddings of the pipeline."""
    chosen, embed, images = run.params.precision, run.params.embed, np.asarray(run.benchmark(benchmark).images)
    network = load_model(model, device=embed.device)
    masks = select_masks(network, [PruningSpec(ratio) for ratio in chosen.ratios])
    networks = [network, *(apply_mask(network, mask) for mask in masks)]

    unpruned: dict[str, np.ndarray] = {}
    drifts: dict[tuple[str, float], np.ndarray] = {}
    for kind in [EXACT, *chosen.kinds]:
        raw = Embedder(networks, embed.batch_size, embed.device, kind)(images)
        unpruned[kind], *pruned = (normalise(table) for table in raw)
        drifts |= {(kind, r): drift(unpruned[kind], e) for r, e in zip(chosen.ratios, pruned, strict=True)}

    protocol = run.params.edc.at_first_fmr
    scores = {setting: quality_from_drift(moved) for setting, moved in drifts.items()}
    areas = areas_table(run.comparison(benchmark, [model], scores).curves(protocol), protocol.limit)
    frame = pd.DataFrame(drifts.keys(), columns=["precision", "ratio"])
    exact = [drifts[EXACT, ratio] for ratio in frame["ratio"]]
    pairs = list(zip(drifts.values(), exact, strict=True))
    frame["median drift"] = [np.median(moved) for moved, _ in pairs]
    frame["median change of drift"] = [np.median(np.abs(moved - before)) for moved, before in pairs]
    frame["spearman with fp32"] = [spearmanr(moved, before).statistic for moved, before in pairs]
    frame["pauc"] = areas["pauc"]  # in the order of the scores
    parts = {kind: part.set_index("ratio") for kind, part in frame.groupby("precision", sort=False)}
    caption = f"PreFIQs in reduced precision on {benchmark}, {model}, same-model; pAUC·10³ at FMR {protocol.fmrs[0]:g}"
    return PrecisionStudy(
        Table(frame, caption, digits={**dict.fromkeys(frame.columns[2:5], 4), "pauc": 2}),
        lines_by_ratio(frame.rename(columns={"precision": "strategy"}), "pauc", caption, {}),
        parts,
        numbers={
            "rounding": {kind: float(np.median(drift(unpruned[EXACT], unpruned[kind]))) for kind in chosen.kinds},
            "spearman": {kind: parts[kind]["spearman with fp32"].to_dict() for kind in chosen.kinds},
            "pauc": {kind: part["pauc"].to_dict() for kind, part in parts.items()},
        },
    )
