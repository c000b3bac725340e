"""What makes an embedding long, and all training-free scores that follow: computed here, judged in `candidates`."""

import numpy as np
import pandas as pd

from prefiqs.embedding.embedder import Embedder
from prefiqs.methods._probes import derivatives, private_copy
from prefiqs.models.loading import load_model
from prefiqs.pipeline.run import Run
from prefiqs.pipeline.studies import candidate_formulas as formulas
from prefiqs.pipeline.studies.candidate_formulas import GRADIENT, MARGIN, MIRRORED, NORM, ONE, TWO, LastLayer
from prefiqs.pruning.mask import embedding_layer
from prefiqs.pruning.prune import prune
from prefiqs.reporting.figures.margin import running_contributions
from prefiqs.reporting.study import Figure, Study, saved_as


class ContributionsStudy(Study):
    """Every candidate on the faces of a benchmark, and the contributions of two of them.

    about: one row a candidate: key; group; passes: its cost in forward passes, counted in multiply-adds; method: the
    method that it is in the registry, or ""; chosen_on: see `formulas.chosen_on`, separated by spaces.
    """

    about: pd.DataFrame
    contributions: Figure = saved_as("contributions")


def contributions_study(run: Run, benchmark: str, model: str) -> ContributionsStudy:
    """Score the faces of a benchmark by every candidate."""
    images, device, usual = run.benchmark(benchmark).images, run.params.embed.device, run.params.usual
    probe = LastLayer(private_copy(load_model(model, device=device), "candidates", device))
    network = probe.model
    pruned = LastLayer(prune(network, formulas.LAST_RATIO, layers=(embedding_layer(network),)))
    removed = (probe.weight - pruned.weight).cpu().numpy()
    # Batch by batch, because there may be 50,000 features.
    parts = [
        formulas.of_the_last_layer(probe.evidence(plain), probe.evidence(mirrored), removed)
        for plain, mirrored in Embedder([(probe, "plain"), (probe, "mirrored")], device=device).stream(images)
    ]
    last = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    sums = derivatives(formulas.contribution_sums(network), network, formulas.BATCH, "the candidates")
    ratios = {*run.params.candidates.ratios, usual.ratio}
    specs = [spec for spec in run.params.prune.main if spec.ratio in ratios]
    moved = {spec.ratio: run.raw_embeddings(benchmark, model, spec) for spec in specs}
    scores = {
        ONE: {name: last[name] for name in last if name not in MIRRORED},
        GRADIENT: formulas.of_gradients(sums(np.asarray(images)), last[NORM]),
        TWO: formulas.of_two_passes(run.raw_embeddings(benchmark, model), moved, last)
        | {name: last[name] for name in MIRRORED},
    }
    methods = {NORM: "norm", MARGIN: "pruning-margin", formulas.with_ratio(formulas.PREFIQS, usual.ratio): "prefiqs"}
    passes, columns = formulas.counted_passes(probe), ["key", "group", "passes", "method"]
    rows = [(name, group, passes[group], methods.get(name, "")) for group, found in scores.items() for name in found]
    about = pd.DataFrame(rows, columns=columns)
    about.loc[about["key"] == NORM, "passes"] = 1.0
    chosen_on = formulas.chosen_on(moved)
    about["chosen_on"] = [" ".join(chosen_on.get(key, ())) for key in about["key"]]

    margin = last[MARGIN]
    worst, best = (np.asarray(images[int(row)]) for row in (np.argmin(margin), np.argmax(margin)))
    ends = {"lowest score": probe.evidence_of(worst[None]), "highest score": probe.evidence_of(best[None])}
    curves = {name: seen.contributions[0] for name, seen in ends.items()}
    folder = run.layout.contributions(benchmark, model)
    return ContributionsStudy(
        about=about,
        contributions=running_contributions(curves, f"{benchmark}, quality from {model}"),
        numbers={
            "faces": len(images),
            "median_consensus": float(np.median(last[formulas.CONSENSUS])),
            "passes": passes,
        },
        stored={
            folder / "about.parquet": about,
            folder / "scores.parquet": pd.DataFrame({k: v for found in scores.values() for k, v in found.items()}),
        },
    )
