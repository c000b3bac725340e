"""How similarly the methods rank the faces of a benchmark."""

from itertools import combinations

import numpy as np
import pandas as pd

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.pipeline.identity import MethodId, short_label
from prefiqs.pipeline.run import Run
from prefiqs.reporting.figures.distributions import rank_correlations
from prefiqs.reporting.figures.faces import face_captions, method_agreement
from prefiqs.reporting.figures.style import explained
from prefiqs.reporting.study import Figure, Study, saved_as
from prefiqs.reporting.tables import marked

FACES_SHOWN = 20


class AgreementStudy(Study):
    """Rank correlations of PreFIQs, the norm, compared methods and the true severity on one benchmark.

    faces: what each method says of the same faces, all of different people; None if faces must not be drawn.
    """

    correlations: pd.DataFrame = saved_as("ranks")
    ranks: Figure = saved_as("ranks")
    faces: Figure | None = saved_as("faces")


def agreement_study(run: Run, benchmark: str, model: str) -> AgreementStudy:
    """Compare the orders in which the methods put the faces, PreFIQs at its usual ratio alone."""
    faces, scores = run.benchmark(benchmark), run.all_scores(benchmark, model)
    usual = run.params.usual
    others = [MethodId.of_spec(model, spec).key for spec in run.params.prune.specs if spec != usual]
    scores = scores.where(~scores.methods["key"].isin(others))
    labels, table = scores.labels, pd.DataFrame(scores.values)
    is_ours = scores.methods["key"] == MethodId.of_spec(model, usual).key
    methods = scores.methods.assign(label=scores.methods["label"].mask(is_ours, short_label(usual)))
    names = dict(zip(methods["key"], marked(methods), strict=True))
    correlation = table.corr(method="spearman")
    about = explained(f"{benchmark}, PreFIQs and norm from {model}", methods["trained_on"].any())
    rows = [(a, labels[a], b, labels[b], correlation.loc[a, b]) for a, b in combinations(correlation, 2)]
    return AgreementStudy(
        pd.DataFrame(rows, columns=["key", "label", "other_key", "other_label", "spearman"]),
        rank_correlations(correlation.rename(index=names, columns=names), f"{len(table):,} faces of {about}"),
        _faces(faces, table.rename(columns=names), about) if run.shows_faces_of(benchmark) else None,
    )


def _faces(faces: Benchmark, scores: pd.DataFrame, about: str) -> Figure:
    """Faces evenly spread over the mean rank of all methods, and the share of faces that each method scores lower."""
    percentiles = 100 * (scores.rank() - 1) / (len(scores) - 1)
    order = np.argsort(percentiles.mean(axis=1).to_numpy(), kind="stable")
    shown = spread_over_people(order, faces.subjects, FACES_SHOWN)
    captions = face_captions(faces.index, shown)
    title = f"Share of all faces that a method scores lower (%): {about}"
    return method_agreement([faces.images[row] for row in shown], percentiles.iloc[shown], captions, title)


def spread_over_people(order: np.ndarray, subjects: np.ndarray, count: int) -> np.ndarray:
    """At most `count` rows of an order, evenly spaced; each row is the nearest that shows a new person."""
    taken: dict[str, int] = {}  # position in the order by person
    for step in np.linspace(0, len(order) - 1, min(count, len(set(subjects)))):
        by_distance = np.argsort(np.abs(np.arange(len(order)) - step), kind="stable")
        position = next(p for p in by_distance if subjects[order[p]] not in taken)
        taken[subjects[order[position]]] = position
    return order[sorted(taken.values())]
