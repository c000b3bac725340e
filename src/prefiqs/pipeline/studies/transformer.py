"""pAUC against the cost of each block of a transformer: by exit, by number of blocks, by the attention read."""

from collections.abc import Mapping

import pandas as pd

from prefiqs.evaluation.bootstrap import BootstrapCurves
from prefiqs.evaluation.tables import areas_table, random_table, unreliable
from prefiqs.io.tables import read_parquet
from prefiqs.pipeline.identity import Scores
from prefiqs.pipeline.run import Run
from prefiqs.reporting.figures.areas import areas_by_block
from prefiqs.reporting.study import Figure, Study, Table, saved_as
from prefiqs.reporting.tables import marked

NAMES = {"exit": "exit {}", "depth": "{} blocks with equal weights", "attention": "block {}"}
FUSIONS = {"mean": "EX-FIQA-F", "depth": "EX-FIQA-FW"}
FUSION_MARKERS = {"EX-FIQA-F": "X", "EX-FIQA-FW": "*"}  # in the colour of EX-FIQA
EXIT_COLUMNS = {"name": "method", "gflops": "GFLOPs", "share": "share of a pass (%)"}
DEPTH_COLUMNS = {"weighting": "weights of the patches", "block": "T"}
WEIGHTINGS = {"uniform": "uniform", "last": "attention, last block", "mean": "attention, mean"}


class TransformerStudy(Study):
    """Areas of all that `exits_study` scored, at the first FMR of the run; pAUC·10³, lower is better.

    numbers: `points` are where to stop, judged by the first verifier, and `gflops` the costs there and of a whole pass;
    `seen`: whether the network was trained on images of this benchmark; random_orders_beaten: orders with a larger area
    than that of a method; `unreliable`: verifiers with which an area is not, see `evaluation.tables`.
    """

    areas: pd.DataFrame = saved_as("areas")
    exits: Table = saved_as("exits")
    depths: Table = saved_as("blocks")
    attention: Table = saved_as("attention")
    figure: Figure = saved_as("exits")


def transformer_study(run: Run, benchmark: str, model: str) -> TransformerStudy:
    """Areas of the scores that the stage `exits` made, for every verifier of the run."""
    edc, protocol, folder = run.params.edc, run.params.edc.at_first_fmr, run.layout.exits(benchmark, model)
    verifiers = [*run.params.models.quality, *run.params.models.cross]
    scores, curve = Scores.read(folder), read_parquet(folder / "curve.parquet", ["key", "kind", "block", "weighting"])
    seen = bool(scores.methods["trained_on"].any())

    comparison = run.comparison(benchmark, verifiers, scores.values)
    areas = curve.merge(areas_table(comparison.curves(protocol), protocol.limit), on="key")
    orders = comparison.random_orders(protocol, edc.random_orders)
    chance = random_table(orders).set_index("verifier")
    wide = curve.join(areas.pivot(index="key", columns="verifier", values="pauc")[verifiers], on="key")
    wide["mean"] = wide[verifiers].mean(axis=1)
    wide["share"] = 100 * wide["gflops"] / wide["gflops"].max()
    named = wide[["kind", "block", "weighting"]].itertuples(index=False)
    wide["name"] = [FUSIONS[w] if kind == "fusion" else NAMES[kind].format(block) for kind, block, w in named]
    kinds = ("exit", "fusion", "depth", "attention")
    exits, fusions, depths, attention = (wide[wide["kind"] == kind] for kind in kinds)
    uniform = depths[depths["weighting"] == "uniform"]

    first, by_method = verifiers[0], {"EX-FIQA": exits, "ViTNT-FIQA": uniform, "ATTN-FIQA": attention}
    compared = comparison.select([key for part in by_method.values() for key in part["key"]], [first])
    resampled = compared.bootstrap(protocol, edc.resamples, edc.seed)[first, protocol.fmrs[0]]
    points = {method: _operating_point(part, first, resampled, protocol.limit) for method, part in by_method.items()}
    published = {"ViTNT-FIQA": uniform, "ATTN-FIQA": attention, "ViT-FIQA": exits}
    published["EX-FIQA-FW"] = fusions[fusions["weighting"] == "depth"]

    random = ", ".join(f"{verifier} {mean:.2f}" for verifier, mean in chance["pauc_mean"].items())
    notes = f"FMR {protocol.fmrs[0]:g}, discard up to {edc.limit:g}, threshold {edc.threshold}. Random order: {random}."
    notes += f" {model} was trained on images of this benchmark, or on images degraded like them." if seen else ""
    few = [verifier for verifier in verifiers if not areas.loc[areas["verifier"] == verifier, "reliable"].all()]
    notes += f" {unreliable(areas, 'verifier')}" if few else ""
    by_verifier = [*verifiers, "mean"]
    coarse = {name: f"{name} is not reliable" for name in by_verifier}
    digits = dict.fromkeys(by_verifier, 2) | {"GFLOPs": 3, "share of a pass (%)": 0}

    def table(rows: pd.DataFrame, columns: Mapping[str, str], caption: str) -> Table:
        frame = rows[["key", *columns, *by_verifier]].rename(columns=columns)
        frame = frame.assign(**{mark: bool(few) if name == "mean" else name in few for name, mark in coarse.items()})
        return Table(frame, caption, dict.fromkeys(by_verifier, "min"), digits, notes, hidden=["key"], coarse=coarse)

    lines = [part.assign(label=method) for method, part in by_method.items()]
    shown = pd.concat([*lines, fusions.assign(label=fusions["name"])])
    shown = shown.merge(scores.methods[["key", "method", "trained_on"]], on="key")
    shown = shown.assign(line=marked(shown), marker=shown["label"].map(FUSION_MARKERS).fillna(""))
    shown = shown.melt([*shown.columns.drop(verifiers)], verifiers, "verifier", "pauc")
    return TransformerStudy(
        areas=areas,
        exits=table(
            wide[wide["kind"].isin(["exit", "fusion"])],
            EXIT_COLUMNS,
            f"EX-FIQA on {model}, {benchmark}: pAUC·10³ of each exit and of their fusions",
        ),
        depths=table(
            depths.replace({"weighting": WEIGHTINGS}),
            DEPTH_COLUMNS,
            f"ViTNT-FIQA on {model}, {benchmark}: pAUC·10³ by the number T of blocks",
        ),
        attention=table(
            attention,
            {"block": "block"},
            f"ATTN-FIQA on {model}, {benchmark}: pAUC·10³ by the block whose attention is read",
        ),
        figure=areas_by_block(
            shown, f"{benchmark}, quality from {model}, FMR {protocol.fmrs[0]:g}", chance.reset_index()
        ),
        numbers={
            "pauc": {method: part[verifiers].iloc[-1].to_dict() for method, part in published.items()},
            "points": {
                method: {"best": best["name"], "recommended": early["name"], "block": early["block"]}
                for method, (best, early) in points.items()
            },
            "seen": seen,
            "pauc_random_mean": chance["pauc_mean"].to_dict(),
            "random_orders": edc.random_orders,
            "random_orders_beaten": {
                method: {v: (orders[v, protocol.fmrs[0]].pauc > part[v].iloc[-1] / 1e3).sum() for v in verifiers}
                for method, part in published.items()
            },
            "unreliable": few,
            "gflops": {method: early["gflops"] for method, (_, early) in points.items()}
            | {"all": wide["gflops"].max()},
        },
    )


def _operating_point(
    candidates: pd.DataFrame, verifier: str, resampled: BootstrapCurves, limit: float
) -> tuple[pd.Series, pd.Series]:
    """The row with the smallest area, and that of the earliest block that cannot be distinguished from the best."""
    best = candidates.loc[candidates[verifier].idxmin()]
    behind = resampled.behind_best(limit, keys=candidates["key"])
    tied = candidates["key"].map(lambda key: not behind[key].low > 0)
    return best, candidates[tied].iloc[0]
