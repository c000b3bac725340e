"""The paper of a run, paper.pdf: typeset from what the run has published, with no number of its own."""

import json
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from prefiqs.evaluation.tables import FEW_ERRORS
from prefiqs.io.atomic import read_text
from prefiqs.io.tables import read_table
from prefiqs.models.registry import card_of
from prefiqs.pipeline.run import Run
from prefiqs.pipeline.studies.candidate_formulas import MARGIN, NORM, relative_areas
from prefiqs.pipeline.studies.claims import SAME_AREA, verdicts_table
from prefiqs.pipeline.studies.paper import paper_study
from prefiqs.pipeline.studies.report import FIGURES as SHOWN
from prefiqs.reporting.paper.tables import COMPANION
from prefiqs.reporting.tables import Table
from prefiqs.reporting.typst import escape, typst_table, write_pdf

TEMPLATE = Path(__file__).with_suffix(".typ.j2")
MAIN = {"intervals": "width: 100%"}  # a figure, and its size on the page
FIGURES = {"density": "height: 5.5cm", "scatter": "height: 6cm", "pauc": "width: 75%"}
PRICE = {"price": "width: 100%"}
CAPTIONS = {figure.name: figure.caption.removesuffix(".") for figure in SHOWN}
PASSES = {"feed_forward": "forward passes", "backwards": "backward passes"}
TOP = 3  # scores of each price that are shown


def write_paper_pdf(run: Run, folder: Path) -> None:
    """Write paper.pdf into the folder of a run's published results."""
    study, numbers = paper_study(run), json.loads(read_text(folder / "numbers.json"))
    tables = {name: typst_table(table) for name, table in study.tables.items() if name != COMPANION}
    compared = study.tables[COMPANION].frame.dropna(subset="ours")
    judged, scores = read_table(folder / "claims.csv"), _candidates(run, folder)
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["text"] = escape
    source = environment.from_string(read_text(TEMPLATE)).render(
        params=run.params,
        made=json.loads(read_text(folder / "manifest.json")),
        networks=typst_table(_networks(run)),
        benchmarks=typst_table(_benchmarks(run, numbers)),
        abstract=" ".join(_abstract(judged, study.comparable)),
        verdicts=_verdicts(judged) if len(judged) else "No claims are tested in this run.",
        claims=_claims(judged) if len(judged) else "",
        alike=SAME_AREA,
        prices=typst_table(_prices(scores)) if len(scores) else "",
        price_findings=list(_price_findings(scores)) if len(scores) else [],
        # Of several data sets, the table says more than a figure of one.
        price=list(_figures(run, folder, PRICE, numbers)) if len(run.params.candidates.benchmarks) == 1 else [],
        tables=tables,
        comparable=typst_table(
            Table(study.comparable, "Printed numbers, and how many of them can be compared with ours")
        ),
        compared=typst_table(_compared(compared)) if len(compared) else "",
        grids={model: f"paper/edc-grid-{model}.png" for model in study.grids},
        # Two to a page where each is one column of panels.
        grid_size="height: 11cm" if len(run.params.benchmarks.pair_lists) == 1 else "width: 100%",
        main=list(_figures(run, folder, MAIN, numbers)),
        figures=list(_figures(run, folder, FIGURES, numbers)),
        shortcomings=list(_shortcomings(run, numbers)),
    )
    write_pdf(source, folder / "paper.pdf")


def _networks(run: Run) -> Table:
    """Each network, what it is for, and what it is."""
    models, rows = run.params.models, []
    methods = {entry.model: name for name, entry in reversed(run.params.methods.entries.items())}
    for name in dict.fromkeys([*models.quality, *models.cross, *methods]):
        role = "estimator and verifier" if name in models.quality else "verifier" if name in models.cross else "method"
        card = card_of(name)
        rows.append((name, role, card.description, ", ".join(card.seen) or "–"))
    return Table(pd.DataFrame(rows, columns=["network", "role", "what it is", "trained on (§)"]), "Networks")


def _benchmarks(run: Run, numbers: Mapping[str, Any]) -> Table:
    """People, images and pairs of each benchmark."""
    rows = []
    for name in run.params.benchmarks.pair_lists:
        faces, pairs = run.params.faces_of(name), numbers[f"edc-{name}-{run.params.models.quality[0]}"]["pairs"]
        found = numbers.get(f"align-{faces}") or numbers[f"degrade-{faces}"]
        rows.append((name, found["people"], found["images"], pairs["genuine"], pairs["impostor"]))
    columns = ["benchmark", "people", "images", "genuine pairs", "impostor pairs"]
    return Table(pd.DataFrame(rows, columns=columns), "Benchmarks")


def _abstract(judged: pd.DataFrame, comparable: pd.DataFrame) -> Iterator[str]:
    """How often the paper's claims hold, and whether its numbers can be compared."""
    sure = judged[judged["from_paper"] & judged["reliable"]]
    if len(sure):
        counts = sure["verdict"].value_counts().reindex(["yes", "undecided", "no"], fill_value=0)
        yield (f"Of {len(sure)} tests of the paper's claims (claim, benchmark and estimator) on reliable areas, "
               f"{counts['yes']} confirm the claim, {counts['no']} contradict it, and {counts['undecided']} leave it "
               "undecided.")  # fmt: skip
    results = comparable[comparable["table"] != "Table 1"]
    yield f"Of {results['printed'].sum()} printed results, {results['comparable'].sum()} can be compared with ours."


def _verdicts(judged: pd.DataFrame) -> str:
    table = verdicts_table(judged, "Claims of the paper, and (last two) what every quality measure should pass")
    return typst_table(table, "auto, auto" + ", 1fr" * (len(table.frame.columns) - 2))


def _claims(judged: pd.DataFrame) -> str:
    shown = judged[["text", "verdict", "benchmark", "estimator", "evidence"]].rename(columns={"text": "claim"})
    return typst_table(Table(shown, "The numbers behind each verdict"), "2.4fr, auto, auto, auto, 4fr")


def _candidates(run: Run, folder: Path) -> pd.DataFrame:
    """`CandidatesStudy.areas` of all benchmarks and estimators, with columns where and relative (to the norm)."""
    found = []
    for benchmark, model in product(run.params.candidates.benchmarks, run.params.models.quality):
        areas = read_table(folder / "candidates" / benchmark / model / "areas.csv")
        where = f"{run.params.most_pairs_of(benchmark)}, {model}"
        relative = areas.assign(where=where, relative=relative_areas(areas))
        found.append(relative.dropna(subset="passes"))  # methods on other networks have no price
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def _prices(areas: pd.DataFrame) -> Table:
    """The best scores of each price, and those that are known by name, best first."""
    wide = areas.pivot_table("relative", ["group", "key"], "where", sort=False)
    wide = wide.assign(mean=wide.mean(axis=1)).reset_index().sort_values("mean", kind="stable")
    wide.insert(2, "passes", wide["key"].map(areas.groupby("key")["passes"].mean()))
    named = wide["key"].isin([NORM, MARGIN]) | wide["key"].str.startswith("PreFIQs")
    shown = wide[named | (wide.groupby("group").cumcount() < TOP)]
    by_price = areas.groupby("group")["passes"].mean().sort_values().index
    return Table(
        pd.concat(shown[shown["group"] == group] for group in by_price).rename(columns={"key": "score"}),
        "Scores without training, by price: pAUC relative to that of the norm, mean over the verifiers",
        best=dict.fromkeys(wide.columns[3:], "min"),
        digits={"passes": 2},
        blocks="group",
        notes=f"A column for each set of pairs and estimator. Shown are the best {TOP} of each price, the norm, the "
        "pruning margin, and PreFIQs. passes: multiply-adds, of a forward pass.",
    )


def _price_findings(areas: pd.DataFrame) -> Iterator[str]:
    margin, relative = areas[areas["key"] == MARGIN], areas.groupby(["group", "key"], sort=False)["relative"].mean()
    for rival in ("the norm", "PreFIQs"):
        smaller, clearly = (margin[f"from {rival}"] < 0).sum(), (margin[f"from {rival}_high"] < 0).sum()
        yield (
            f"The area of the pruning margin is smaller than that of {rival} in {smaller} of {len(margin)} comparisons "
            f"(pairs, estimator and verifier); {clearly} intervals exclude 0."
        )
    best = relative.groupby("group", sort=False).idxmin()
    named = ", ".join(f"{key} at {group} ({relative[group, key]:.3f})" for group, key in best)
    yield f"The best scores on these data, with their mean relative area: {named}."


def _compared(cells: pd.DataFrame) -> Table:
    """Printed numbers beside ours, where all that they depend on is the same."""
    shown = cells[["table", "method", "column", "printed", "ours", "difference"]].replace({"column": PASSES})
    return Table(shown, "Printed numbers beside ours", digits=0)


def _figures(
    run: Run, folder: Path, named: Mapping[str, str], numbers: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    """Path within the folder, caption and size of each named figure that the run has made and that shows something.

    Areas are shown on pair sets if there are any, since these have more pairs. Areas none of which is reliable are left
    to the tables. The studies of price and of the Jacobian are shown once, and ratios where there are several
    strategies: other figures would repeat the tables.
    """
    sets, models = [made.name for made in run.params.benchmarks.pair_sets], run.params.models.quality
    order = [*sets, *run.params.benchmarks.all, *run.params.benchmarks.pair_lists, *models]
    found = _reliability(run, numbers).query("fmr == @run.params.edc.fmr[0] and reliable > 0")
    sure = set(zip(found["benchmark"], found["estimator"], strict=True))
    shown = set[str]()
    for name, size in named.items():
        paths = (path.relative_to(folder) for path in folder.rglob(f"{name}.png"))
        for path in sorted(paths, key=lambda path: [order.index(part) for part in path.parts[1:3]]):
            stage, benchmark, model, _ = path.parts
            if stage == "candidates":
                benchmark = run.params.most_pairs_of(benchmark)
            elsewhere = name in ("pauc", "intervals") and benchmark not in (sets or order)
            noise = name in ("pauc", "intervals", "price") and (benchmark, model) not in sure
            strategies = {(spec.granularity, spec.criterion) for spec in run.params.prune.specs_of(model)}
            repeated = name in ("price", "scatter") and name in shown
            repeated |= name == "pauc" and len(strategies) == 1
            if not (elsewhere or repeated or noise):
                shown.add(name)
                yield path.as_posix(), CAPTIONS[name].format(model=model, benchmark=benchmark), size


def _reliability(run: Run, numbers: Mapping[str, Any]) -> pd.DataFrame:
    """What the numbers of the EDCs say of their areas, a row a benchmark, estimator, FMR and verifier."""
    rows = [
        {"benchmark": benchmark, "estimator": model, "fmr": fmr, "verifier": verifier, **found}
        for benchmark, model, fmr in product(
            run.params.benchmarks.pair_lists, run.params.models.quality, run.params.edc.fmr
        )
        for verifier, found in numbers[f"edc-{benchmark}-{model}"]["reliability"][str(fmr)].items()
    ]
    return pd.DataFrame(rows)


def _shortcomings(run: Run, numbers: Mapping[str, Any]) -> Iterator[str]:
    """What the results cannot show, in sentences."""
    report = run.params.report
    if report.note:
        yield report.note
    if report.not_comparable:
        yield f"No number can be compared with the paper's: {report.not_comparable}."
    for (benchmark, fmr), found in _reliability(run, numbers).groupby(["benchmark", "fmr"], sort=False):
        errors = found.groupby("verifier", sort=False)["fewest_errors"].min()
        if few := [f"{verifier} ({fewest})" for verifier, fewest in errors.items() if fewest < FEW_ERRORS]:
            yield (f"On {benchmark} at FMR {fmr:g}, some areas include points where the verifier rejects fewer than "
                   f"{FEW_ERRORS} genuine pairs: {', '.join(few)}. These areas cannot tell methods apart.")  # fmt: skip
        if (expected := found["false_matches"].min()) < FEW_ERRORS:
            yield (f"On {benchmark} at FMR {fmr:g}, as few as {expected:.2g} false matches are expected: too few for a "
                   "certain threshold.")  # fmt: skip
