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

ROUNDS = 5
RATIO = "plain passes"
RANGE = [RATIO, f"{RATIO}_low", f"{RATIO}_high"]
NOTE = f"Medians of {ROUNDS} rounds, each of a plain pass and then the method; in brackets, the range of their ratio."


class CostStudy(Study):
    """What methods cost, in milliseconds per image and in plain passes of their networks, as `measure` finds them.

    kinds: what a score of notebook 21 costs in passes of the estimator, counted and measured; None without that study.
    """

    table: Table = saved_as("costs")
    kinds: Table | None = saved_as("kinds")
    findings: list[str]


def cost_study(run: Run) -> CostStudy:
    """Time every method of the run; what happens once (masks, calibration, compilation) is left out."""
    methods, device = run.params.methods, run.params.embed.device
    estimator, judged = run.params.models.quality[0], bool(run.params.candidates.benchmarks)
    ours, margin = MethodId.of_spec(estimator, run.params.usual), MethodId.of("pruning-margin", estimator)
    timed = [ours, MethodId.of("norm", estimator), *(entry.id for entry in methods.entries.values())]
    networks = {name: load_model(name, device=device) for name in dict.fromkeys(method.network for method in timed)}
    plain = {name: Embedder([network], device=device) for name, network in networks.items()}
    work: dict[str, tuple[Callable, Callable]] = {}
    for method in dict.fromkeys([*timed, *[margin] * judged]):
        network = networks[method.network]
        options = calibrated_options(run, method.method, dict(method.options), network)
        work[method.key] = plain[method.network], scorer(method.method, network, device=device, **options)
    if judged:
        probe = formulas.LastLayer(private_copy(networks[estimator], "candidates", device))
        sums, counted = formulas.contribution_sums(probe.model), formulas.counted_passes(probe)
        gradient = derivatives(sums, probe.model, formulas.BATCH, "the candidates")
        work[formulas.GRADIENT] = plain[estimator], gradient
    images = np.asarray(run.benchmark(methods.calibrated_on).images[: methods.timed_faces])
    took = measure(work, images)
    about = {m.key: {"label": m.label, "method": m.method, "network": m.network} for m in timed}
    frame = pd.DataFrame.from_dict(about, "index").join(took).rename_axis("key").reset_index()
    caption = f"Milliseconds per image, {len(images)} faces at once"
    table = Table(frame, caption, digits=dict.fromkeys(took, 2), notes=NOTE, hidden=["key"], intervals=[RATIO])
    kinds = None
    if judged:
        examples = took.loc[[margin.key, formulas.GRADIENT, ours.key], RANGE].reset_index(drop=True)
        kinds = Table(
            pd.DataFrame({"kind of score": counted.keys(), "counted": counted.values()}).join(examples),
            f"Cost of training-free scores in plain passes of {estimator}",
            digits={"counted": 3} | dict.fromkeys(RANGE, 2),
            notes=f"counted: in multiply-adds. {RATIO}: in time, of pruning-margin, of the consensus of earlier layers "
            f"({formulas.BATCH} faces at a time), and of PreFIQs. {NOTE}",
            intervals=[RATIO],
        )
    setting = f"Timed on {len(images)} faces at once, {networks[estimator].device}, {os.cpu_count()} CPU cores."
    return CostStudy(table, kinds, [setting, *_findings(frame)])


def _findings(costs: pd.DataFrame) -> Iterator[str]:
    ours, ordered = costs.iloc[0], costs.sort_values(RATIO, kind="stable")
    yield f"{ours['label']}: {ours[RATIO]:.2f} plain passes; the paper counts two."
    cheap = (costs[RATIO] < 1.5).sum()
    yield f"{cheap} of {len(costs)} methods cost less than 1.5 plain passes of their network."
    for end, row in (("Cheapest", ordered.iloc[0]), ("Most expensive", ordered.iloc[-1])):
        yield f"{end} method: {row['label']} ({row[RATIO]:.2f} plain passes of {row['network']})."


def measure(work: Mapping[str, tuple[Callable, Callable]], images: np.ndarray) -> pd.DataFrame:
    """Time several kinds of work, each right after a plain pass, in rounds of all of them; the first does not count.

    work: by name, a plain pass and what to time. In the table, by name and in medians over the rounds: milliseconds
    (an image), plain (of the pass), plain passes (the ratio of both in a round; also its lowest and highest value).
    Raises InputError without images.
    """
    if not len(images):
        raise InputError("There are no images to time methods on.")
    rounds = [[[_seconds(f, images) for f in pair] for pair in work.values()] for _ in range(1 + ROUNDS)]
    plain, own = 1e3 * np.moveaxis(np.array(rounds[1:]), 2, 0) / len(images)
    ratios = own / plain
    found = [*np.median([own, plain, ratios], axis=1), ratios.min(axis=0), ratios.max(axis=0)]
    return pd.DataFrame(dict(zip(["milliseconds", "plain", *RANGE], found, strict=True)), index=[*work])


def _seconds(function: Callable, images: np.ndarray) -> float:
    start = time.perf_counter()
    function(images)
    return time.perf_counter() - start
