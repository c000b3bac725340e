"""What PreFIQs is worth below two forward passes: only some layers are pruned, and what comes before is shared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs.embedding.shared_prefix import shared_embeddings, shared_passes
from prefiqs.embedding.vectors import normalise
from prefiqs.evaluation.bootstrap import BootstrapCurves
from prefiqs.evaluation.comparison import Comparison
from prefiqs.evaluation.tables import random_table
from prefiqs.methods import prefiqs_fast
from prefiqs.methods.jacobian import jacobian_drift
from prefiqs.methods.prefiqs import drift, quality_from_drift
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import load_model
from prefiqs.pipeline.run import Run
from prefiqs.pruning.prune import apply_mask, select_masks
from prefiqs.pruning.spec import PruningSpec
from prefiqs.pruning.stages import network_stages
from prefiqs.reporting.figures.cost import pareto_front, pauc_by_passes
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.numbers import write_numbers
from prefiqs.reporting.tables import Table

FAST_RATIO: float = signature(prefiqs_fast.scorer).parameters["ratio"].default
CHEAP = 1.05  # forward passes

ONE_STAGE, ONWARDS, MEAN, DERIVATIVE, WITH_NORM = (
    "one stage", "from a stage on", "mean over ρ", "derivative", "with the norm",
)  # fmt: skip
FORMULAS = {  # of a score, from the embedding e, the pruned one e_ρ and their drift D
    "quality": "1 − D/2",
    "norm": "‖e‖",
    "norm-quality": "‖e‖·(1 − D/2)",
    "pruned-norm": "‖e_ρ‖",
    "projection": "e_ρ·ê",
    "jvp": "−‖J·Δθ‖",
}


@dataclass(frozen=True)
class Candidate:
    """A score that could take the place of PreFIQs.

    Attributes:
        group: the idea behind it.
        score: how it is made, a key of `FORMULAS`.
        stage: the first stage of the network that is pruned; "" for none.
        onwards: whether all stages behind it are pruned, too.
        ratio: of the pruning; None for the mean over all ratios, and where nothing is pruned.
    """

    group: str
    score: str
    stage: str = ""
    onwards: bool = False
    ratio: float | None = None

    @property
    def key(self) -> str:
        """Different for different candidates of one network."""
        return f"{self.score},stage={self.stage},onwards={self.onwards},ratio={self.ratio}"

    @property
    def pruned(self) -> str:
        """Which stages are pruned, for people."""
        return f"{self.stage} …" if self.onwards else self.stage

    @property
    def rho(self) -> str:
        """The ratio, for people."""
        if not self.stage:
            return ""
        return "mean" if self.ratio is None else f"{self.ratio:g}"

    @property
    def label(self) -> str:
        """What people read."""
        return f"{FORMULAS[self.score]}: {self.pruned}, ρ {self.rho}" if self.stage else FORMULAS[self.score]


class Scored(NamedTuple):
    """A candidate, the forward passes that a face costs (counted in multiply-adds), and the scores of n faces."""

    candidate: Candidate
    passes: float
    scores: np.ndarray


@dataclass(frozen=True, eq=False)
class PriceStudy:
    """Scores that prune a part of a network, by what they cost; pAUC·10³ at the first FMR of the run, lower is better.

    Attributes:
        table: one row a candidate, the best mean first: key, name (of a method of this package), group, score, stage,
            onwards, ratio, passes, label, pAUC by verifier and their mean.
        areas: one row a candidate and verifier: as `table`, with pauc, its difference from PreFIQs (all layers pruned,
            at the usual ratio), and the 95 % interval of that, difference_low and difference_high.
        chosen: the best candidate of at most `CHEAP` passes, the best of all, and prefiqs-fast; by verifier, with the
            differences from PreFIQs and from the embedding norm.
        figure: pAUC over passes.
        faces, pairs: how many were compared. ratios: of the pruning.
    """

    table: Table
    areas: pd.DataFrame
    chosen: Table
    figure: Figure
    faces: int
    pairs: int
    ratios: list[float]

    @property
    def numbers(self) -> dict[str, Any]:
        """What prose may quote."""
        by_key = self.table.frame.set_index("key")
        verifiers = list(self.areas["verifier"].unique())
        chosen = self.chosen.frame.drop_duplicates("choice").set_index("choice")["key"]
        named = by_key[by_key["name"] != ""].set_index("name")
        columns = ["group", "label", "passes", *verifiers, "mean"]
        numbers = {choice: by_key.loc[key, columns].to_dict() for choice, key in chosen.items()}
        return numbers | {"pauc": named.loc[[PREFIQS, NORM], verifiers].to_dict()}

    def write(self, folder: str | Path) -> None:
        """Write price and chosen (CSV, Markdown), areas.csv, price.png and numbers.json."""
        self.table.write(Path(folder) / "price")
        self.chosen.write(Path(folder) / "chosen")
        write_table(self.areas, Path(folder) / "areas.csv")
        save_figure(self.figure, Path(folder) / "price.png")
        write_numbers(self.numbers, folder)


def price_study(run: Run, benchmark: str, model: str) -> PriceStudy:
    """Prune each stage of a network, and each with all behind it, and compare every score that this gives."""
    edc, faces, usual = run.params.edc, run.benchmark(benchmark), run.params.report.gallery_ratio
    protocol = replace(edc.protocol, fmrs=edc.protocol.fmrs[:1])
    verifiers = run.verifiers(model)
    ratios = sorted({*run.params.price.ratios, usual, FAST_RATIO})
    # Only faces that are compared with another have to be embedded; what the others score does not matter.
    used = np.unique(faces.pairs) if faces.templates is None else np.arange(len(faces.images))
    network = load_model(model, device=run.params.embed.device)
    stages = network_stages(network)
    found = list(scored_candidates(network, stages, ratios, np.asarray(faces.images)[used], run.params.embed))

    scores = {item.candidate.key: np.zeros(len(faces.images)) for item in found}
    for item in found:
        scores[item.candidate.key][used] = item.scores
    comparison = run.comparison(benchmark, verifiers, scores)
    resampled = comparison.bootstrap(protocol, edc.resamples, edc.seed)
    chance = random_table(comparison.random_orders(protocol, edc.random_orders))

    first, *_, last = stages
    named = {
        Candidate(ONWARDS, "quality", first, True, usual).key: PREFIQS,
        Candidate(WITH_NORM, "projection", last, False, FAST_RATIO).key: FAST,
        Candidate(WITH_NORM, "norm").key: NORM,
    }
    key_of = {name: key for key, name in named.items()}
    rows = [{"key": c.key, "name": named.get(c.key, ""), **asdict(c), "pruned": c.pruned, "ρ": c.rho,
             "formula": FORMULAS[c.score], "label": c.label, "passes": passes} for c, passes, _ in found]  # fmt: skip
    areas = pd.DataFrame(rows).merge(areas_table(comparison.curves(protocol), protocol.limit), on="key")
    areas = areas.merge(_differences(resampled, key_of[PREFIQS], protocol.limit, "difference"), how="left")
    table = areas.pivot(index=list(rows[0]), columns="verifier", values="pauc")[verifiers]
