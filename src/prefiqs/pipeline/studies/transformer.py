"""What each exit of a transformer is worth for what it costs: EX-FIQA by exit, ViTNT-FIQA by the number of blocks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from prefiqs.evaluation.bootstrap import BootstrapCurves
from prefiqs.evaluation.tables import areas_table, random_table
from prefiqs.io.tables import read_parquet, write_table
from prefiqs.pipeline.run import Run
from prefiqs.pipeline.scores import Scores
from prefiqs.reporting.figures.early_exits import pauc_by_gflops
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.numbers import write_numbers
from prefiqs.reporting.tables import Table

FUSIONS = {"mean": "EX-FIQA-F", "depth": "EX-FIQA-FW"}
UNIFORM = "uniform"
WEIGHTINGS = {UNIFORM: "uniform", "last": "attention, last block", "mean": "attention, mean"}


@dataclass(frozen=True)
class OperatingPoint:
    """How early a network can stop.

    Attributes:
        best: the name of what has the smallest area.
        recommended: the earliest whose area cannot be distinguished from the best one's: the 95 % interval of the
            difference, from a paired bootstrap, holds 0.
        block: the last block that `recommended` runs.
        gflops: what it costs for one face.
    """

    best: str
    recommended: str
    block: int
    gflops: float


@dataclass(frozen=True, eq=False)
class TransformerStudy:
    """Areas of all that `ExitsStudy` scored, at the first FMR of the run; pAUC·10³, lower is better.

    Attributes:
        areas: one row a score and verifier: key, kind, block, weighting and gflops as in `ExitsStudy.curve`, then
            verifier, fmr, fnmr, pauc, auc, fmr_resolvable.
        chance: one row a verifier, as `random_table` makes it.
        exits: GFLOPs, and pAUC by verifier, of every exit and fusion.
        depths: pAUC by verifier of ViTNT-FIQA, by the number T of blocks and the weights of the patches.
        figure: pAUC over GFLOPs, verified by the first of the verifiers.
        points: by method, where to stop, judged by the first verifier.
        named: pAUC by verifier of the three published methods.
        trained_on: whether the network was trained on images of this benchmark.
    """

    areas: pd.DataFrame
    chance: pd.DataFrame
    exits: Table
    depths: Table
    figure: Figure
    points: dict[str, OperatingPoint]
    named: pd.DataFrame
    trained_on: bool

    @property
    def gflops(self) -> float:
        """GFLOPs of a whole pass."""
        return float(self.areas["gflops"].max())

    @property
    def numbers(self) -> dict[str, Any]:
        """What prose may quote."""
        points = {
            method: {"best": point.best, "recommended": point.recommended, "block": point.block}
            for method, point in self.points.items()
        }
        chance = self.chance.set_index("verifier")
        return {
            "pauc": self.named.T.to_dict(),
            "points": points,
            "seen": self.trained_on,
            "pauc_random_mean": chance["pauc_mean"].to_dict(),
            "pauc_random_min": chance["pauc_min"].to_dict(),
            "gflops": {method: point.gflops for method, point in self.points.items()} | {"all": self.gflops},
        }

    def write(self, folder: str | Path) -> None:
        """Write exits and blocks (CSV, Markdown), areas.csv, exits.png and numbers.json."""
        self.exits.write(Path(folder) / "exits")
        self.depths.write(Path(folder) / "blocks")
        write_table(self.areas, Path(folder) / "areas.csv")
        save_figure(self.figure, Path(folder) / "exits.png")
        write_numbers(self.numbers, folder)


def transformer_study(run: Run, benchmark: str, model: str) -> TransformerStudy:
    """Areas of the scores that the stage `exits` made, for every verifier of the run."""
    edc, models = run.params.edc, run.params.models
    protocol = replace(edc.protocol, fmrs=edc.protocol.fmrs[:1])
    verifiers = [*models.quality, *models.cross]
    folder = run.layout.exits(benchmark, model)
    scores, curve = Scores.read(folder), read_parquet(folder / "curve.parquet", ["key", "kind", "block", "weighting"])
    trained_on = bool(scores.methods["trained_on"].any())

    comparison = run.comparison(benchmark, verifiers, scores.values)
    areas = curve.merge(areas_table(comparison.curves(protocol), protocol.limit), on="key")
    chance = random_table(comparison.random_orders(protocol, edc.random_orders))
    wide = curve.join(areas.pivot(index="key", columns="verifier", values="pauc")[verifiers], on="key")
    wide["mean"] = wide[verifiers].mean(axis=1)
    wide["name"] = [_name(row.kind, row.block, row.weighting) for row in wide.itertuples()]
    exits, fusions, depths = (wide[wide["kind"] == kind] for kind in ("exit", "fusion", "depth"))
    uniform = depths[depths["weighting"] == UNIFORM]

    compared = comparison.select([*exits["key"], *uniform["key"]], verifiers[:1])
    resampled = compared.bootstrap(protocol, edc.resamples, edc.seed)[verifiers[0], protocol.fmrs[0]]
    notes = _notes(chance, protocol.limit, edc.threshold)
    notes += f" {model} was trained on images of this benchmark." if trained_on else ""
    band = chance.set_index("verifier").loc[verifiers[0], ["pauc_min", "pauc_mean", "pauc_max"]]
    whole = {"ViTNT-FIQA": uniform, "ViT-FIQA": exits, "EX-FIQA-FW": fusions[fusions["weighting"] == "depth"]}
    return TransformerStudy(
        areas=areas,
        chance=chance,
        exits=_exits_table(wide[wide["kind"] != "depth"], verifiers, f"EX-FIQA on {model}, {benchmark}", notes),
        depths=_depths_table(depths, verifiers, f"ViTNT-FIQA on {model}, {benchmark}", notes),
        figure=_figure(exits, fusions, uniform, verifiers[0], tuple(band), benchmark),
        points={
            "EX-FIQA": _operating_point(exits, verifiers[0], resampled, protocol.limit),
            "ViTNT-FIQA": _operating_point(uniform, verifiers[0], resampled, protocol.limit),
        },
        named=pd.DataFrame({method: part[verifiers].iloc[-1] for method, part in whole.items()}).T,
        trained_on=trained_on,
    )


def _name(kind: str, block: int, weighting: str) -> str:
    return FUSIONS[weighting] if kind == "fusion" else f"{'exit' if kind == 'exit' else weighting} {block}"


def _operating_point(
    candidates: pd.DataFrame, verifier: str, resampled: BootstrapCurves, limit: float
) -> OperatingPoint:
    """The earliest of some exits or depths, by increasing block, that is not worse than the best beyond doubt."""
    best = candidates.loc[candidates[verifier].idxmin()]
    for row in candidates.itertuples():
        if resampled.difference(row.key, best["key"], limit).low <= 0:
            return OperatingPoint(best["name"], row.name, int(row.block), float(row.gflops))
    raise AssertionError("the best differs from itself by 0")


def _notes(chance: pd.DataFrame, limit: float, threshold: str) -> str:
    words = ", ".join(f"{row.verifier} {row.pauc_mean:.2f}" for row in chance.itertuples())
    return f"FMR {chance['fmr'].iloc[0]:g}, discard up to {limit:g}, threshold {threshold}. Random order: {words}."


def _exits_table(exits: pd.DataFrame, verifiers: Sequence[str], about: str, notes: str) -> Table:
    share = 100 * exits["gflops"] / exits["gflops"].max()
    columns = {"name": "method", "gflops": "GFLOPs", "share": "share of a pass (%)"}
    frame = exits.assign(share=share)[["key", *columns, *verifiers, "mean"]].rename(columns=columns)
    best = dict.fromkeys([*verifiers, "mean"], "min")
    digits = dict.fromkeys(best, 2) | {"GFLOPs": 3, "share of a pass (%)": 0}
    caption = f"{about}: pAUC·10³ of each exit and of their fusions"
    return Table(frame, caption, best, digits, notes, hidden=["key"])


def _depths_table(depths: pd.DataFrame, verifiers: Sequence[str], about: str, notes: str) -> Table:
    columns = {"weighting": "weights of the patches", "block": "T"}
    frame = depths.replace({"weighting": WEIGHTINGS})[["key", *columns, *verifiers, "mean"]].rename(columns=columns)
    best = dict.fromkeys([*verifiers, "mean"], "min")
    caption = f"{about}: pAUC·10³ by the number T of blocks"
    return Table(frame, caption, best, dict.fromkeys(best, 2), notes, hidden=["key"])


def _figure(
    exits: pd.DataFrame,
    fusions: pd.DataFrame,
    uniform: pd.DataFrame,
    verifier: str,
    band: tuple[float, float, float],
    benchmark: str,
) -> Figure:
    lines = pd.concat([exits.assign(network="EX-FIQA"), uniform.assign(network="ViTNT-FIQA")])
    lines = lines.rename(columns={"block": "exit", verifier: "pauc"})
    points = fusions.assign(network="EX-FIQA").rename(columns={"name": "fusion", verifier: "pauc"})
    return pauc_by_gflops(lines, points, band, f"{benchmark}, {verifier} verifies")
