"""Table 3 and Fig. 3: does discarding by quality help recognition?"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs.evaluation.bootstrap import Difference
from prefiqs.evaluation.comparison import Bootstraps, Curves, RandomOrders
from prefiqs.evaluation.curve import Curve
from prefiqs.evaluation.edc import THRESHOLDS
from prefiqs.evaluation.tables import (
    areas_table,
    curves_table,
    differences_table,
    intervals_table,
    random_curves_table,
    random_table,
)
from prefiqs.io.tables import write_table
from prefiqs.pipeline.identity import COLUMNS, MethodId
from prefiqs.pipeline.params import Params
from prefiqs.pipeline.run import Run
from prefiqs.pipeline.scores import Scores
from prefiqs.pruning.spec import PruningSpec
from prefiqs.reporting.figures.areas import pauc_intervals
from prefiqs.reporting.figures.curves import edc_figure, pauc_by_ratio
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.numbers import write_numbers
from prefiqs.reporting.tables import Table


@dataclass(frozen=True, eq=False)
class EdcStudy:
    """Curves of every score of a benchmark for every verifier, and what they come to.

    Areas are pAUC·10³, smaller = better; FNMR and FMR are shares in [0, 1]. Frames are long, and each row says which
    method it is of (`key` and `identity.COLUMNS`).

    Attributes:
        benchmark, model: what is scored, and the network that estimates quality.
        scores: of the images. They are keys of curves and of resampled areas.
        curves: by convention of the threshold, "recomputed" or "fixed".
        chance: curves of random orders. resampled: curves of all methods, but of the pruned networks of
            `params.prune.main` only; both with the convention `params.edc.threshold`.
    """

    benchmark: str
    model: str
    params: Params
    scores: Scores
    curves: dict[str, Curves]
    chance: RandomOrders
    resampled: Bootstraps

    @cached_property
    def verifiers(self) -> list[str]:
        """The estimator itself (same-model), then the others (cross-model)."""
        return list(dict.fromkeys(verifier for verifier, _ in self.chance))

    @cached_property
    def best(self) -> PruningSpec:
        """The pruned network with the smallest area where the estimator verifies; the first one, if several have it."""
        paucs = {spec: self.pauc(self.model, self.key_of(spec)) for spec in self.params.prune.main}
        return min(paucs, key=lambda spec: np.nan_to_num(paucs[spec], nan=np.inf))

    def key_of(self, spec: PruningSpec) -> str:
        """Key of PreFIQs with one pruned network."""
        return MethodId.of_spec(self.model, spec).key

    @property
    def norm(self) -> str:
        """Key of the embedding norm."""
        return MethodId.of("norm", self.model).key

    @property
    def oracle(self) -> str | None:
        """Key of the true severity; None where images were not degraded."""
        key = MethodId.severity().key
        return key if key in self.scores.values else None

    @property
    def fmr(self) -> float:
        """The FMR that prose, Table 3 and the figures are about."""
        return self.params.edc.fmr[0]

    def curve(self, verifier: str, key: str) -> Curve:
        """A curve at the first FMR, with the threshold convention of the parameters."""
        return self.curves[self.params.edc.threshold][verifier, key, self.fmr]

    def pauc(self, verifier: str, key: str) -> float:
        """The area under `curve`, ·10³."""
        return 1e3 * self.curve(verifier, key).pauc(self.params.edc.limit)

    # Tables

    @cached_property
    def areas(self) -> pd.DataFrame:
        """One row a verifier, method, FMR and convention: threshold, limit, fnmr (nothing discarded), pauc, auc,
        fmr_resolvable (False: a point up to the limit has fewer than 1/FMR impostor pairs left), and, where it was
        resampled, the 95 % interval pauc_low, pauc_high."""
        edc, where = self.params.edc, ["verifier", "key", "fmr", "threshold"]
        tables = [areas_table(curves, edc.limit).assign(threshold=name) for name, curves in self.curves.items()]
        intervals = intervals_table(self.resampled, edc.limit).assign(threshold=edc.threshold)
        areas = pd.concat(tables).merge(intervals[[*where, "pauc_low", "pauc_high"]], "left", where)
        areas.insert(areas.columns.get_loc("fnmr"), "threshold", areas.pop("threshold"))
        areas.insert(areas.columns.get_loc("fnmr"), "limit", edc.limit)
        return self._identified(areas)

    @property
    def points(self) -> pd.DataFrame:
        """One row a point of a curve: discard, fnmr, threshold (a similarity), realised FMR, pairs left."""
        return self._identified(curves_table(self.curves[self.params.edc.threshold]))

    @property
    def against_norm(self) -> pd.DataFrame:
        """One row a verifier, FMR and method: area minus that of the embedding norm, paired, with its interval."""
        return self._identified(differences_table(self.resampled, self.norm, self.params.edc.limit))

    @cached_property
    def random(self) -> pd.DataFrame:
        """One row a verifier and FMR: mean, standard deviation and range of the areas of random orders."""
        return random_table(self.chance)

    @property
    def random_line(self) -> pd.DataFrame:
        """The rows of `random` at the first FMR."""
        return self.random[self.random["fmr"] == self.fmr]

    @cached_property
    def table(self) -> Table:
        """Table 3: the area of every pruned network at the first FMR, a column a verifier."""
        rows = []
        for spec in self.params.prune.specs:
            paucs = {verifier: self.pauc(verifier, self.key_of(spec)) for verifier in self.verifiers}
            about = {"granularity": spec.granularity, "criterion": spec.criterion, "ratio": spec.ratio}
            rows.append({**about, **paucs, "mean": np.mean(list(paucs.values()))})
        edc = self.params.edc
        order = ", ".join(f"{r.verifier} {r.pauc_mean:.2f} ± {r.pauc_std:.2f}" for r in self.random_line.itertuples())
        norm = ", ".join(f"{verifier} {self.pauc(verifier, self.norm):.2f}" for verifier in self.verifiers)
        return Table(
            pd.DataFrame(rows),
            f"pAUC·10³ on {self.benchmark}, quality from {self.model}",
            best=dict.fromkeys([*self.verifiers, "mean"], "min"),
            digits=dict.fromkeys([*self.verifiers, "mean"], 2),
            notes=f"FMR {self.fmr:g}, discard up to {edc.limit:g}, threshold {edc.threshold}. Random order: {order}. "
            f"Embedding norm: {norm}.",
        )

    def _identified(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table with what each method is in front."""
        identified = self.scores.methods.merge(table, "right", "key")
        return identified[["key", *COLUMNS, *table.columns.drop("key")]]

    # Figures

    @cached_property
    def by_ratio(self) -> Figure:
        """The areas of Table 3 where the estimator verifies, over the ratio."""
        table, order = self.table.frame, self.random_line.set_index("verifier").loc[self.model]
        return pauc_by_ratio(
            table.assign(strategy=table["granularity"] + " " + table["criterion"], pauc=table[self.model]),
            (order["pauc_min"], order["pauc_mean"], order["pauc_max"]),
            self.pauc(self.model, self.oracle) if self.oracle else None,
            f"{self.benchmark}, {self.model} scores and verifies, FMR {self.fmr:g}",
        )

    @cached_property
    def intervals(self) -> Figure:
        """All resampled areas at the first FMR with their 95 % intervals, a panel a verifier."""
        edc, areas = self.params.edc, self.areas
        tried = areas["key"].isin(next(iter(self.resampled.values())).curves)
        shown = areas[tried & (areas["fmr"] == self.fmr) & (areas["threshold"] == edc.threshold)]
        return pauc_intervals(shown, self.random_line, f"{self.benchmark}, {self.model} scores, FMR {self.fmr:g}")

    @cached_property
    def same_model(self) -> Figure:
        """Fig. 3: PreFIQs at its best ratio, the norm and the random order where the estimator verifies."""
        labels = {"PreFIQs, " + self.best.label: self.key_of(self.best), "embedding norm": self.norm}
        return edc_figure(
            {label: self.curve(self.model, key) for label, key in labels.items()},
            self.chance[self.model, self.fmr],
            self.curve(self.model, self.oracle) if self.oracle else None,
            title=f"{self.benchmark}, {self.model} scores and verifies",
            limit=self.params.edc.limit,
        )

    @cached_property
    def cross_model(self) -> Figure | None:
        """The same order of faces where other networks verify; None without any."""
        others = {verifier: self.curve(verifier, self.key_of(self.best)) for verifier in self.verifiers[1:]}
        title = f"{self.benchmark}, {self.model} scores ({self.best.label}), others verify"
        return edc_figure(others, title=title, limit=self.params.edc.limit) if others else None

    # Numbers

    @cached_property
    def numbers(self) -> dict[str, Any]:
        """What prose may quote; all by verifier but the last three."""
        ours, limit, random = self.key_of(self.best), self.params.edc.limit, self.random_line.set_index("verifier")
        resampled = {verifier: self.resampled[verifier, self.fmr] for verifier in self.verifiers}
        norm_differences = {v: boot.difference(ours, self.norm, limit) for v, boot in resampled.items()}
        intervals = {v: boot.interval(ours, limit) for v, boot in resampled.items()}
        usual, same_model = self.params.usual, resampled[self.model]
        to_best = same_model.difference(self.key_of(usual), ours, limit)
        numbers = {
            "best_variant": self.best.key,
            "fnmr_without_discard": {v: self.curve(v, ours).fnmr[0] for v in self.verifiers},
            "pauc_best": {v: self.pauc(v, ours) for v in self.verifiers},
            "pauc_best_interval": {v: [1e3 * low, 1e3 * high] for v, (low, high) in intervals.items()},
            "pauc_random_mean": random["pauc_mean"].to_dict(),
            "pauc_random_min": random["pauc_min"].to_dict(),
            "pauc_norm": {v: self.pauc(v, self.norm) for v in self.verifiers},
            "difference_to_norm": {v: _per_mille(found) for v, found in norm_differences.items()},
            "usual_ratio": {
                "ratio": usual.ratio,
                "pauc": self.pauc(self.model, self.key_of(usual)),
                "difference_to_best": _per_mille(to_best),
            },
            "resampled": same_model.unit,
            "resamples": self.params.edc.resamples,
        }
        if self.oracle:
            numbers["pauc_severity"] = {v: self.pauc(v, self.oracle) for v in self.verifiers}
        return numbers

    @property
    def findings(self) -> list[str]:
        """What the numbers say, a paragraph a verifier, and how far they can be relied on."""
        best = f"PreFIQs is best with {self.best.label}: the smallest area on these data where {self.model} verifies."
        return [best, *(self._verdict(verifier) for verifier in self.verifiers), self._reliability()]

    def _verdict(self, verifier: str) -> str:
        numbers = self.numbers
        ours, norm = numbers["pauc_best"][verifier], numbers["pauc_norm"][verifier]
        mean, smallest = numbers["pauc_random_mean"][verifier], numbers["pauc_random_min"][verifier]
        difference, low, high = numbers["difference_to_norm"][verifier]
        protocol = "same-model" if verifier == self.model else "cross-model"
        if ours < smallest:
            helps = "Discarding by quality helps: no random order does as well."
        elif ours < mean:
            helps = "That is better than a random order on average, but within the range of random orders."
        else:
            helps = "Discarding by quality does not help."
        if low > 0:
            beats = "The embedding norm is better"
        elif high < 0:
            beats = "PreFIQs is better than the embedding norm"
        else:
            beats = "PreFIQs and the embedding norm cannot be told apart"
        whole = self.curve(verifier, self.norm)
        failing, genuine = round(whole.fnmr[0] * whole.n_genuine[0]), whole.n_genuine[0]
        fails = f"{failing:,} of {genuine:,} genuine pairs ({100 * whole.fnmr[0]:.2f} %) fail at FMR {self.fmr:g}"
        orders = f"a random order (smallest of {self.params.edc.random_orders}: {smallest:.2f})"
        return (
            f"{verifier} verifies ({protocol}): with nothing discarded, {fails}. pAUC·10³ is {ours:.2f} for PreFIQs, "
            f"{mean:.2f} for {orders} and {norm:.2f} for the embedding norm. {helps} "
            f"{beats} (difference {difference:.2f}, 95 % interval {low:.2f} to {high:.2f})."
        )

    def _reliability(self) -> str:
        doubtful = self.areas[~self.areas["fmr_resolvable"]].groupby("fmr").size()
        if doubtful.empty:
            return "Every point up to the limit has enough impostor pairs to set its threshold."
        counts = ", ".join(f"{count} at FMR {fmr:g}" for fmr, count in doubtful.items())
        return f"Of {len(self.areas)} areas, some have fewer than 1/FMR impostor pairs at a point: {counts}."

    def write(self, folder: str | Path) -> None:
        """Write areas, edc (the points), against-norm, random and random-edc (CSV), table3 (CSV, Markdown), pauc,
        intervals and edc (PNG), and numbers.json."""
        frames = {"areas": self.areas, "edc": self.points, "against-norm": self.against_norm, "random": self.random}
        for name, frame in (frames | {"random-edc": random_curves_table(self.chance)}).items():
            write_table(frame, Path(folder) / f"{name}.csv")
        self.table.write(Path(folder) / "table3")
        for name, figure in {"pauc": self.by_ratio, "intervals": self.intervals, "edc": self.same_model}.items():
            save_figure(figure, Path(folder) / f"{name}.png")
        write_numbers(self.numbers, folder)


def edc_study(run: Run, benchmark: str, model: str) -> EdcStudy:
    """Discard by every score of a benchmark, and by chance, and see how the errors of each verifier fall."""
    params, scores = run.params, run.all_scores(benchmark, model)
    edc, protocol = params.edc, params.edc.protocol
    comparison = run.comparison(benchmark, run.verifiers(model), scores.values)
    not_resampled = {MethodId.of_spec(model, spec).key for spec in params.prune.specs if spec not in params.prune.main}
    resampled = comparison.select([key for key in scores.values if key not in not_resampled])
    return EdcStudy(
        benchmark=benchmark,
        model=model,
        params=params,
        scores=scores,
        curves={threshold: comparison.curves(replace(protocol, threshold=threshold)) for threshold in THRESHOLDS},
        chance=comparison.random_orders(protocol, edc.random_orders),
        resampled=resampled.bootstrap(protocol, edc.resamples, edc.seed),
    )


def _per_mille(difference: Difference) -> list[float]:
    """Estimate and ends of the interval of a difference of areas, ·10³."""
    return [1e3 * value for value in (difference.estimate, difference.low, difference.high)]
