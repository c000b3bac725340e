"""The paper of a run, paper.pdf: typeset from what the run has published, with no number of its own."""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from prefiqs.datasets.registry import BENCHMARKS
from prefiqs.evaluation.tables import FEW_ERRORS, unreliable
from prefiqs.io.atomic import read_text
from prefiqs.io.tables import read_table
from prefiqs.models.registry import card_of
from prefiqs.pipeline.run import Run
from prefiqs.pipeline.studies.candidate_formulas import MARGIN, NORM, PREFIQS, relative_areas, with_ratio
from prefiqs.pipeline.studies.candidates import ratio_text
from prefiqs.pipeline.studies.claims import SAME_AREA, verdicts_table
from prefiqs.pipeline.studies.paper import paper_study
from prefiqs.pipeline.studies.report import FIGURES as PAGE_FIGURES
from prefiqs.pipeline.studies.report import pairs_shown
from prefiqs.reporting.paper.tables import COMPANION
from prefiqs.reporting.tables import MISSING, TRAINED_ON, TRAINED_ON_NOTE, Table
from prefiqs.reporting.typst import escape, typst_table, write_pdf

TEMPLATE = Path(__file__).with_suffix(".typ.j2")
MAIN = {"intervals": "width: 100%"}  # a figure, and its size on the page
FIGURES = {"density": "height: 5.5cm", "scatter": "height: 6cm", "pauc": "width: 75%"}
PRICE = {"price": "width: 100%"}
SHOWN = {figure.name: figure for figure in PAGE_FIGURES}
CITED = {"orl": "ORL @orl", "lfw": "LFW @lfw", "cfp-fp": "CFP @cfp", "cfp-ff": "CFP @cfp"}
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
        cited=", ".join(dict.fromkeys(CITED[name] for name in run.params.benchmarks.photos if name in CITED)),
        abstract=" ".join(_abstract(judged, study.comparable)),
        verdicts=_verdicts(judged) if len(judged) else "No claims are tested in this run.",
        claims=_claims(judged) if len(judged) else "",
        alike=SAME_AREA,
        margin=typst_table(_margin(scores)) if len(scores) else "",
        prices=typst_table(_prices(scores, run.params.prune.ratios)) if len(scores) else "",
        best_scores=_best_scores(scores) if len(scores) else "",
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
    """People, images and pairs of each benchmark, and what it is."""
    benchmarks, rows = run.params.benchmarks, []
    copies, kinds = run.params.degrade.copies - 1, ", ".join(run.params.degrade.strongest)
    what = {name: BENCHMARKS[name].title if name in BENCHMARKS else "own photos" for name in benchmarks.photos}
    for made in benchmarks.cross_quality:
        what[made.name] = f"the faces of {made.source} as they are, and each in {copies} degraded copies ({kinds})"
    for made in benchmarks.pair_sets:
        differ = f" that differ in {made.across}" * (made.across != "source")
        what[made.name] = f"the faces of {made.source}: all genuine pairs{differ}, and impostor pairs drawn at random"
    for name, words in what.items():
        faces = run.params.faces_of(name)
        found = numbers.get(f"align-{faces}") or numbers[f"degrade-{faces}"]
        pairs = numbers.get(f"edc-{name}-{run.params.models.quality[0]}", {}).get("pairs", found)
        rows.append((name, found["people"], found["images"], pairs["genuine"], pairs["impostor"], words))
    columns = ["benchmark", "people", "images", "genuine pairs", "impostor pairs", "what it is"]
    return Table(pd.DataFrame(rows, columns=columns), "Benchmarks")


def _abstract(judged: pd.DataFrame, comparable: pd.DataFrame) -> Iterator[str]:
    """How often the paper's claims hold, and whether its numbers can be compared."""
    tested = judged[judged["from_paper"] & judged["reliable"] & (judged["verdict"] != MISSING)]
    if len(tested):
        counts = tested["verdict"].value_counts().reindex(["yes", "no", "undecided"], fill_value=0)
        yield (f"Of {counts.sum()} tests of the paper's claims (claim, benchmark and estimator) on reliable areas, the "
               f"claim holds in {counts['yes']}, fails in {counts['no']}, and is undecided in {counts['undecided']}."
               )  # fmt: skip
    results = comparable[comparable["table"] != "Table 1"]
    yield f"Of {results['printed'].sum()} printed results, {results['comparable'].sum()} can be compared with ours."


def _verdicts(judged: pd.DataFrame) -> str:
    table = verdicts_table(judged, "Claims of the paper, and (last two) what every quality measure should pass")
    return typst_table(table, "auto, auto" + ", 1fr" * (len(table.frame.columns) - 2))


def _claims(judged: pd.DataFrame) -> str:
    shown = judged[["text", "verdict", "benchmark", "estimator", "evidence"]].rename(columns={"text": "claim"})
    return typst_table(Table(shown, "The numbers behind each verdict"), "2.4fr, auto, auto, auto, 4fr")


def _candidates(run: Run, folder: Path) -> pd.DataFrame:
    """`CandidatesStudy.areas` of each benchmark and estimator, with columns data, estimator, relative (to the norm)."""
    found = []
    for benchmark, model in product(run.params.candidates.benchmarks, run.params.models.quality):
        areas = read_table(folder / "candidates" / benchmark / model / "areas.csv")
        where = {"data": run.params.most_pairs_of(benchmark), "estimator": model}
        found.append(areas.assign(relative=relative_areas(areas), **where))
    # Methods on other networks have no price.
    return pd.concat(found, ignore_index=True).dropna(subset="passes") if found else pd.DataFrame()


def _averaged(areas: pd.DataFrame) -> pd.DataFrame:
    """The areas that are averaged: of the data sets whose areas are all reliable, or of all if there is none."""
    sure = areas[areas.groupby("data")["reliable"].transform("all")]
    return sure if len(sure) else areas


def _means(areas: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    how = {"passes": "mean", "relative": "mean", "reliable": "all", "trained_on": "any"}
    return areas.groupby(by, sort=False)[[*how]].agg(how)


def _by_price(areas: pd.DataFrame) -> pd.DataFrame:
    """One row a score, by price and best first: group, key, and the columns of `_means` over what is averaged."""
    scores = _means(_averaged(areas), ["group", "key"]).reset_index()
    price = scores.groupby("group")["passes"].transform("mean")
    return scores.assign(price=price).sort_values(["price", "relative"], kind="stable")


def _margin(areas: pd.DataFrame) -> Table:
    """How often the pruning margin is better than the norm and PreFIQs; what is reliable, and what chose it, apart."""
    margin, usual = areas[areas["key"] == MARGIN], areas.loc[areas["method"] == "prefiqs", "key"].iloc[0]
    rows = [
        (name, _names(part), known, not unsure, len(part), (change < 0).sum(), (high < 0).sum(), (low > 0).sum())
        for rival, name in (("the norm", "the norm"), ("PreFIQs", usual))
        for (known, unsure), part in margin.groupby(["trained_on", ~margin["reliable"]])
        for change, low, high in [(part[f"from {rival}{end}"] for end in ("", "_low", "_high"))]
    ]
    columns = ["than", "on", "known", "reliable", "comparisons", "area smaller", "interval below 0", "above 0"]
    frame = pd.DataFrame(rows, columns=columns)
    return Table(
        frame,
        "In how many comparisons (estimator and verifier) the area of the pruning margin is smaller than that of the "
        "norm and of PreFIQs, and in how many the interval of the difference excludes 0",
        hidden=["known"],
        trained_on={"on": frame["known"]},
        notes=TRAINED_ON_NOTE * bool(frame["known"].any()),
    )


def _prices(areas: pd.DataFrame, ratios: Iterable[float]) -> Table:
    """The best scores of each price, and those that are known by name, by estimator, price and area."""
    scores = _by_price(areas)
    named = scores["key"].isin([NORM, MARGIN, *(with_ratio(PREFIQS, ratio) for ratio in ratios)])
    shown = scores.loc[named | (scores.groupby("group").cumcount() < TOP), "key"]
    rows = pd.MultiIndex.from_product([areas["estimator"].unique(), shown], names=["estimator", "score"])
    parts = [areas, _averaged(areas).assign(data="mean")][: areas["data"].nunique()]  # of one data set, no mean
    cells = _means(pd.concat(parts), ["estimator", "key", "data"]).unstack("data", sort=False).reindex(rows)
    few, known = ~cells["reliable"].astype(bool), cells["trained_on"]
    coarse = {name: f"few {name}" for name in few}
    passes = _means(areas, ["estimator", "key"])[["passes"]].reindex(rows)
    best = dict.fromkeys(few.columns[~few.any()], "min")
    notes = [
        f"A block shows one estimator: the best {TOP} scores of each price (by the mean over the blocks), the norm, "
        "the pruning margin, and PreFIQs. passes: cost in multiply-adds, as multiples of one forward pass.",
        f"mean: over {_names(_averaged(areas))}." * (len(parts) > 1),
        unreliable(areas, "data"),
        TRAINED_ON_NOTE * bool(known.any(axis=None)),
    ]
    return Table(
        passes.join([cells["relative"], few.rename(columns=coarse)]).reset_index(),
        "Scores without training: pAUC relative to that of the norm, mean over the verifiers",
        best=best,
        digits={"passes": 2},
        notes=" ".join(filter(None, notes)),
        blocks="estimator",
        within=dict.fromkeys(best, ["estimator"]),
        coarse=coarse,
        trained_on=dict(known.items()),
    )


def _best_scores(areas: pd.DataFrame) -> str:
    named = ", ".join(
        f"{row.key}{f' {TRAINED_ON}' * row.trained_on} at {row.group} ({ratio_text(row.relative, row.reliable)})"
        for row in _by_price(areas).drop_duplicates("group").itertuples()
    )
    return (
        f"The best of each price on these data, with their area relative to that of the norm (mean over "
        f"{_names(_averaged(areas))}, the estimators and the verifiers): {named}. This is not corrected for the choice "
        "of the best."
    )


def _names(areas: pd.DataFrame) -> str:
    return ", ".join(areas["data"].unique())


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
            _, benchmark, model, _ = path.parts
            benchmark = pairs_shown(run, SHOWN[name], benchmark)
            elsewhere = name in ("pauc", "intervals") and benchmark not in (sets or order)
            noise = name in ("pauc", "intervals", "price") and (benchmark, model) not in sure
            strategies = {(spec.granularity, spec.criterion) for spec in run.params.prune.specs_of(model)}
            repeated = name in ("price", "scatter") and name in shown
            repeated |= name == "pauc" and len(strategies) == 1
            if not (elsewhere or repeated or noise):
                shown.add(name)
                yield path.as_posix(), SHOWN[name].caption_of(benchmark, model, numbers).removesuffix("."), size


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
