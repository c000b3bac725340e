"""EX-FIQA and ATTN-FIQA at every block of a vision transformer, ViTNT-FIQA at every depth, and where attention goes."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from prefiqs.methods.attn_fiqa import attention_by_block
from prefiqs.methods.ex_fiqa import exfiqa_scores, exit_gflops, fuse_exits, token_attention
from prefiqs.methods.vitnt_fiqa import vitnt_depths
from prefiqs.models.loading import load_model
from prefiqs.pipeline.identity import MethodId, Scores
from prefiqs.pipeline.run import Run
from prefiqs.reporting.figures.faces import attention_grid, ends_of_people
from prefiqs.reporting.study import Figure, Study, Table, saved_as

CURVE_COLUMNS = ["key", "kind", "block", "weighting", "gflops"]
"""Of a score: its kind ("exit", "fusion", "depth" or "attention"); the last block that is run; the weighting of the
exits in a fusion, or of the patches in ViTNT-FIQA ("uniform", or by attention, "last" or "mean"); what a pass up to
that block costs."""


class ExitsStudy(Study):
    """Scores of every exit, every fusion of exits, ViTNT-FIQA at every depth, and ATTN-FIQA in every block.

    figure: what the quality token looks at. received: what patches receive before the softmax, the map of ATTN-FIQA.
    Both are None if faces must not be drawn.
    """

    scores: Scores
    by_block: Table = saved_as("by_block")
    figure: Figure | None = saved_as("attention")
    received: Figure | None = saved_as("received_attention")


def exits_study(run: Run, benchmark: str, model: str) -> ExitsStudy:
    """Score all faces of a benchmark, in one pass for each of the three methods."""
    chosen, embed, faces = run.params.transformer, run.params.embed, run.benchmark(benchmark)
    images, network = np.asarray(faces.images), load_model(model, device=embed.device)
    computing: dict[str, Any] = {"batch_size": embed.batch_size, "device": embed.device}
    by_exit = exfiqa_scores(network, images, **computing)
    by_attention = vitnt_depths(network, images, **computing)
    by_received, received = attention_by_block(network, images, **computing)
    gflops, scores, curve, first = exit_gflops(network), {}, [], chosen.first_depth
    for method, kind, block, weighting, values in _readings(model, by_exit, by_attention, by_received, first):
        scores[method] = values
        curve.append((method.key, kind, block, weighting, gflops[block - 1]))
    found = run.identified(benchmark, scores)
    columns = {
        "GFLOPs": gflops,
        "share of a pass (%)": 100 * gflops / gflops[-1],
        "Spearman, EX-FIQA": _agreement(by_exit),
        "Spearman, ViTNT-FIQA": [np.nan] * (first - 1) + _agreement(by_attention[None])[first - 2 :],
        "Spearman, ATTN-FIQA": _agreement(by_received),
    }
    figure = figure_received = None
    if run.shows_faces_of(benchmark):
        ranking = found[MethodId.of("ex-fiqa", model, fusion="depth")]
        shown = np.concatenate(ends_of_people(ranking, faces.subjects, chosen.faces))
        attention, maps = token_attention(network, images[shown], **computing), received[shown]
        maps = maps - maps.min((2, 3), keepdims=True)  # may be negative
        about = f"{benchmark}, {model}, with the score"
        labels = ([f"{score:.2f}" for score in scores[shown]] for scores in (ranking, by_received[:, -1]))
        figure = attention_grid(
            images[shown], attention, chosen.exits, next(labels), f"Attention of the quality token: {about}"
        )
        figure_received = attention_grid(
            images[shown], maps, chosen.exits, next(labels), f"Attention that each patch receives: {about}"
        )
    folder = run.layout.exits(benchmark, model)
    return ExitsStudy(
        scores=found,
        by_block=Table(
            pd.DataFrame({"block": range(1, len(gflops) + 1), **columns}),
            f"Scores after each block of {model} on {benchmark}",
            digits=dict.fromkeys(columns, 3) | {"share of a pass (%)": 0},
            notes="Spearman: rank correlation of the scores after this block with those of the whole network.",
        ),
        figure=figure,
        received=figure_received,
        stored={folder: found.write, folder / "curve.parquet": pd.DataFrame(curve, columns=CURVE_COLUMNS)},
    )


def _readings(
    model: str,
    by_exit: np.ndarray,
    by_attention: Mapping[str | None, np.ndarray],
    by_received: np.ndarray,
    first_depth: int,
) -> Iterator[tuple[MethodId, str, int, str | None, np.ndarray]]:
    """Every method with its `CURVE_COLUMNS` and its scores of n faces.

    by_exit: n×L, EX-FIQA behind every block. by_attention: n×(L − 1) each, ViTNT-FIQA from the first 2 … L blocks.
    by_received: n×L, ATTN-FIQA in every block.
    """
    depth = by_exit.shape[1]
    for block in range(1, depth + 1):
        yield MethodId.of("ex-fiqa", model, exit=block), "exit", block, None, by_exit[:, block - 1]
        yield MethodId.of("attn-fiqa", model, block=block), "attention", block, None, by_received[:, block - 1]
    yield MethodId.of("ex-fiqa", model, fusion="mean"), "fusion", depth, "mean", fuse_exits(by_exit, "mean")
    yield MethodId.of("ex-fiqa", model, fusion="depth"), "fusion", depth, "depth", fuse_exits(by_exit, "depth")
    for attention, quality in by_attention.items():
        options = {} if attention is None else {"attention": attention}
        for block in range(first_depth, depth + 1):
            method = MethodId.of("vitnt-fiqa", model, blocks=block, **options)
            yield method, "depth", block, attention or "uniform", quality[:, block - 2]


def _agreement(scores: np.ndarray) -> list[float]:
    """Spearman correlation of each column, n×L, with the last."""
    return [float(spearmanr(column, scores[:, -1]).statistic) for column in scores.T]
