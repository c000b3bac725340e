"""EX-FIQA behind every block of a vision transformer, ViTNT-FIQA at every depth, and where the quality token looks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from prefiqs.io.arrays import write_array
from prefiqs.io.tables import write_table
from prefiqs.methods._vit import exit_gflops, token_attention
from prefiqs.methods.ex_fiqa import exfiqa_scores, fuse_exits
from prefiqs.methods.vitnt_fiqa import vitnt_depths
from prefiqs.models.loading import load_model
from prefiqs.pipeline.identity import MethodId
from prefiqs.pipeline.run import Run, was_trained_on
from prefiqs.pipeline.scores import Scores
from prefiqs.reporting.figures.early_exits import attention_grid
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.tables import Table

UNIFORM = "uniform"
CURVE_COLUMNS = ["key", "kind", "block", "weighting", "gflops"]
FUSIONS: tuple[Literal["mean", "depth"], ...] = ("mean", "depth")


class Reading(NamedTuple):
    """Scores of n faces by one way to read quality from a transformer; fields as in `ExitsStudy.curve`."""

    method: MethodId
    kind: str
    block: int
    weighting: str | None
    scores: np.ndarray


@dataclass(frozen=True, eq=False)
class ExitsStudy:
    """What one forward pass of a vision transformer says about the quality of n faces.

    Attributes:
        folder: where the next stage reads the scores.
        scores: of every exit, every fusion of exits, and ViTNT-FIQA at every depth; higher = better.
        curve: one row a key of `scores`. kind: "exit", "fusion" or "depth". block: the last that is run. weighting: of
            the exits in a fusion, or of the patches in ViTNT-FIQA ("uniform", or by attention, "last" or "mean");
            missing for an exit. gflops: what one face costs.
        shown: the faces whose attention is drawn, worst first: row in the benchmark, name, score (EX-FIQA-FW).
        attention: float32 shown×L×g×g, how much of its attention the quality token pays to each patch in each block.
        by_block: what each of the L blocks costs, and how alike its scores and those of the last block rank the faces.
        figure: `attention` over the faces, or over grey tiles where faces may not be drawn.
    """

    folder: Path
    scores: Scores
    curve: pd.DataFrame
    shown: pd.DataFrame
    attention: np.ndarray
    by_block: Table
    figure: Figure

    @property
    def gflops(self) -> float:
        """GFLOPs of a whole pass."""
        return float(self.curve["gflops"].max())

    def write(self, folder: str | Path) -> None:
        """Write by_block (CSV, Markdown) and attention.png, and what the next stage reads to `self.folder`."""
        self.by_block.write(Path(folder) / "by_block")
        save_figure(self.figure, Path(folder) / "attention.png")
        self.scores.write(self.folder)
        write_table(self.curve, self.folder / "curve.parquet")
        write_table(self.shown, self.folder / "attention.parquet")
        write_array(self.attention, self.folder / "attention.npy")


def exits_study(run: Run, benchmark: str, model: str) -> ExitsStudy:
    """Score all faces of a benchmark in one pass for EX-FIQA and one for ViTNT-FIQA."""
    chosen, faces = run.params.transformer, run.benchmark(benchmark)
    images = np.asarray(faces.images)
    computing: dict[str, Any] = {"batch_size": run.params.embed.batch_size, "device": run.params.embed.device}
    network = load_model(model, device=run.params.embed.device)
    by_exit = exfiqa_scores(network, images, **computing)
    by_attention = vitnt_depths(network, images, **computing)
    readings = [*_exits(model, by_exit), *_depths(model, by_attention, chosen.first_depth)]
    trained_on = was_trained_on(model, benchmark)
    found = Scores.of(faces.names, {reading.method: reading.scores for reading in readings}, lambda _: trained_on)
    gflops = exit_gflops(network)
    rows = [(r.method.key, r.kind, r.block, r.weighting, gflops[r.block - 1]) for r in readings]
    curve = pd.DataFrame(rows, columns=CURVE_COLUMNS)

    ranking = found[MethodId.of("ex-fiqa", model, fusion="depth")]
    order = np.argsort(ranking, kind="stable")
    worst_first = np.concatenate([order[: chosen.faces], order[-chosen.faces :]])
    maps = token_attention(network, images[worst_first], **computing)
    figure = attention_grid(
        images[worst_first],
        maps,
        [exit for exit in chosen.exits if exit <= len(gflops)],
        withheld=not run.shows_faces_of(benchmark),
        labels=[f"{score:.2f}" for score in ranking[worst_first]],
    )
    return ExitsStudy(
        folder=run.layout.exits(benchmark, model),
        scores=found,
        curve=curve,
        shown=pd.DataFrame({"row": worst_first, "name": faces.names[worst_first], "score": ranking[worst_first]}),
        attention=maps,
        by_block=_by_block(found, curve, f"What the blocks of {model} say about the faces of {benchmark}"),
        figure=figure,
    )


def _exits(model: str, quality: np.ndarray) -> Iterator[Reading]:
    """EX-FIQA: each of L exits and their fusions. quality: n×L, behind every block."""
    depth = quality.shape[1]
    for block in range(1, depth + 1):
        yield Reading(MethodId.of("ex-fiqa", model, exit=block), "exit", block, None, quality[:, block - 1])
    for fusion in FUSIONS:
        method = MethodId.of("ex-fiqa", model, fusion=fusion)
        yield Reading(method, "fusion", depth, fusion, fuse_exits(quality, fusion))


def _depths(model: str, by_attention: Mapping[str | None, np.ndarray], first_depth: int) -> Iterator[Reading]:
    """ViTNT-FIQA from the first T blocks, T from `first_depth` to L. by_attention: n×(L − 1) each, T = 2 … L."""
    for attention, quality in by_attention.items():
        options = {} if attention is None else {"attention": attention}
        depth = quality.shape[1] + 1
        for block in range(min(first_depth, depth), depth + 1):
            method = MethodId.of("vitnt-fiqa", model, blocks=block, **options)
            yield Reading(method, "depth", block, attention or UNIFORM, quality[:, block - 2])


def _by_block(scores: Scores, curve: pd.DataFrame, caption: str) -> Table:
    exits = curve[curve["kind"] == "exit"].set_index("block")
    depths = curve[(curve["kind"] == "depth") & (curve["weighting"] == UNIFORM)].set_index("block")
    table = pd.DataFrame(
        {
            "GFLOPs": exits["gflops"],
            "share of a pass (%)": 100 * exits["gflops"] / exits["gflops"].max(),
            "Spearman, EX-FIQA": _agreement(scores, exits["key"]),
            "Spearman, ViTNT-FIQA": _agreement(scores, depths["key"]),
        }
    )
    notes = "Spearman: rank correlation of the scores behind this block with those of the whole network."
    digits = {"GFLOPs": 3, "share of a pass (%)": 0, "Spearman, EX-FIQA": 3, "Spearman, ViTNT-FIQA": 3}
    return Table(table.rename_axis("block").reset_index(), caption, digits=digits, notes=notes)


def _agreement(scores: Scores, keys: pd.Series) -> pd.Series:
    """Spearman correlation of the scores of each key with those of the last."""
    last = scores.values[keys.iloc[-1]]
    return keys.map(lambda key: float(spearmanr(scores.values[key], last).statistic))
