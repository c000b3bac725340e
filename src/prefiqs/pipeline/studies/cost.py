"""What a method costs: milliseconds an image, beside a plain forward pass of the same network."""

import os
import time
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd

from prefiqs.embedding.embedder import Embedder
from prefiqs.errors import InputError
from prefiqs.methods._probes import derivatives, private_copy
from prefiqs.methods.registry import scorer
from prefiqs.models.loading import load_model
from prefiqs.pipeline.identity import MethodId
from prefiqs.pipeline.run import Run
from prefiqs.pipeline.studies import candidate_formulas as formulas
from prefiqs.pipeline.studies.method import calibrated_options
from prefiqs.reporting.study import Study, Table, saved_as

COLUMNS = ["key", "label", "method", "network", "milliseconds", "plain"]


class CostStudy(Study):
    """Milliseconds per image of each method and of a plain pass of its network.

    kinds: what a score of notebook 21 costs in passes of the estimator, counted and measured; None without that study.
    """

    table: Table = saved_as("costs")
    kinds: Table | None = saved_as("kinds")
    findings: list[str]


def cost_study(run: Run) -> CostStudy:
    """Time every method of the run; what happens once (masks, calibration, compilation) is left out."""
    methods, device = run.params.methods, run.params.embed.device
    estimator = run.params.models.quality[0]
    timed = [MethodId.of_spec(estimator, run.params.usual), MethodId.of("norm", estimator)]
    timed += [entry.id for entry in methods.entries.values()]
    networks = {name: load_model(name, device=device) for name in dict.fromkeys(method.network for method in timed)}
    work: dict[str, Callable] = {name: Embedder([network], device=device) for name, network in networks.items()}
    for method in timed:
        network = networks[method.network]
        options = calibrated_options(run, method.method, dict(method.options), network)
        work[method.key] = scorer(method.method, network, device=device, **options)
    counted: dict[str, float] = {}
    if run.params.candidates.benchmarks:
        probe = formulas.LastLayer(private_copy(networks[estimator], "candidates", device))
        sums, counted = formulas.contribution_sums(probe.model), formulas.counted_passes(probe)
        work[formulas.ONE] = scorer("pruning-margin", networks[estimator], device=device)
        work[formulas.GRADIENT] = derivatives(sums, probe.model, formulas.BATCH, "the candidates")
        work[formulas.TWO] = work[timed[0].key]
    images = np.asarray(run.benchmark(methods.calibrated_on).images[: methods.timed_faces])
    took = milliseconds_per_image(work, images)
    rows = [(m.key, m.label, m.method, m.network, took[m.key], took[m.network]) for m in timed]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    numbers = {"costs": frame.to_dict("records")}
    frame["plain passes"] = frame["milliseconds"] / frame["plain"]
    table = Table(frame, f"Milliseconds per image, {len(images)} faces at once", digits=2, hidden=["key"])
    kinds = Table(
        pd.DataFrame({"counted": counted, "measured": {kind: took[kind] / took[estimator] for kind in counted}})
        .rename_axis("kind of score")
        .reset_index(),
        f"Cost of training-free scores in plain passes of {estimator}",
        digits={"counted": 3, "measured": 2},
        notes="counted: in multiply-adds. measured: in time, of pruning-margin, of the consensus of earlier layers "
        f"({formulas.BATCH} faces at a time), and of PreFIQs.",
    )
    setting = f"Timed on {len(images)} faces at once, {networks[estimator].device}, {os.cpu_count()} CPU cores."
    findings = [setting, *_findings(frame)]
    return CostStudy(table=table, kinds=kinds if counted else None, findings=findings, numbers=numbers)


def _findings(costs: pd.DataFrame) -> Iterator[str]:
    ours, ordered = costs.iloc[0], costs.sort_values("plain passes", kind="stable")
    yield f"{ours['label']}: {ours['plain passes']:.2f} plain passes; the paper counts two."
    cheap = (costs["plain passes"] < 1.5).sum()
    yield f"{cheap} of {len(costs)} methods cost less than 1.5 plain passes of their network."
    for end, row in (("Cheapest", ordered.iloc[0]), ("Most expensive", ordered.iloc[-1])):
        yield f"{end} method: {row['label']} ({row['plain passes']:.2f} plain passes of {row['network']})."


def milliseconds_per_image(work: Mapping[str, Callable], images: np.ndarray, rounds: int = 3) -> dict[str, float]:
    """Milliseconds that each kind of work takes an image: its shortest run over the number of images.

    Each round runs all kinds in turn, so that other load on the machine affects all of them alike.
    """
    if not len(images):
        raise InputError("There are no images to time methods on.")
    shortest = dict.fromkeys(work, np.inf)
    for _ in range(rounds):
        for name, function in work.items():
            start = time.perf_counter()
            function(images)
            shortest[name] = min(shortest[name], time.perf_counter() - start)
    return {name: 1e3 * seconds / len(images) for name, seconds in shortest.items()}
