"""The report: the claims, all numbers in one file, and the page that shows the results of a run."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd

from prefiqs.io.atomic import read_text, write_text
from prefiqs.pipeline.run import Run
from prefiqs.pipeline.stages import RESULTS, StageItem, stage_items
from prefiqs.pipeline.studies.claims import judge
from prefiqs.reporting.numbers import write_numbers
from prefiqs.reporting.tables import Table

# Figures of a benchmark and estimator, in the order of the page: stage, file, what it shows.
_FIGURES = (
    ("edc", "edc", "Error-versus-discard curves"),
    ("edc", "pauc", "pAUC by pruning ratio and strategy"),
    ("edc", "intervals", "pAUC of every method with 95 % intervals"),
    ("verification", "accuracy", "Verification accuracy by pruning ratio"),
    ("score", "gallery", "The lowest- and the highest-scored faces"),
    ("jacobian", "jacobian", "Jacobian drift over discrete drift"),
    ("density", "density", "Drift and quality over the quality label"),
    ("agreement", "ranks", "Rank correlation of the methods"),
    ("agreement", "agreement", "What the methods say of the same faces"),
    ("ablation", "ablation", "pAUC of the ablations"),
    ("ablation", "fmr", "pAUC by pruning ratio and FMR"),
    ("precision", "precision", "pAUC in reduced precision"),
    ("price", "price", "pAUC over the cost in forward passes"),
)


@dataclass(frozen=True, eq=False)
class Report:
    """What a run found.

    Attributes:
        numbers: what prose may quote, by stage and item, such as `edc-orl-sface`.
        claims: what `prefiqs.pipeline.studies.claims.judge` returns.
        text: the page, Markdown; its links are relative to the published folder.
        metrics: a dozen numbers for `dvc metrics` and `dvc exp diff`.
    """

    numbers: dict[str, dict[str, Any]]
    claims: pd.DataFrame
    text: str
    metrics: dict[str, float]

    @property
    def claims_table(self) -> Table:
        """One row a claim and benchmark."""
        shown = self.claims.assign(holds=self.claims["holds"].map({True: "yes", False: "no"}))
        return Table(shown, "Claims judged on our data", hidden=("claim",))

    def write(self, folder: str | Path) -> None:
        """Write README.md, numbers.json, metrics.json and claims (CSV, Markdown)."""
        write_text(self.text, Path(folder) / "README.md")
        write_numbers(self.numbers, folder)
        write_text(json.dumps(self.metrics, indent=1) + "\n", Path(folder) / "metrics.json")
        self.claims_table.write(Path(folder) / "claims")


def report(run: Run) -> Report:
    """Collect what the stages of this run have found, and nothing that its parameters do not name."""
    items = [item for item in stage_items(run.layout.root) if item.results]
    numbers = _numbers(run, items)
    claims = judge(run, numbers)
    return Report(numbers, claims, "\n\n".join(_sections(run, items, numbers, claims)) + "\n", _metrics(run, numbers))


def _numbers(run: Run, items: list[StageItem]) -> dict[str, dict[str, Any]]:
    found = {}
    for item in items:
        path = run.layout.root / str(item.results) / "numbers.json"
        if item.stage != "cost" and path.is_file():  # times differ from run to run
            found["-".join([item.stage, *_names(item)])] = json.loads(read_text(path))
    return found


def _names(item: StageItem) -> list[str]:
    """The item of a stage as it is called in its folder."""
    return str(item.results).removeprefix(RESULTS).split("/")[1:]


def _metrics(run: Run, numbers: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    metrics = {}
    for benchmark, model in product(run.params.benchmarks.paired, run.params.models.quality):
        found = numbers[f"edc-{benchmark}-{model}"]
        metrics[f"{benchmark}.{model}.pauc"] = found["pauc_best"][model]
        metrics[f"{benchmark}.{model}.pauc_norm"] = found["pauc_norm"][model]
    return metrics


def _sections(
    run: Run, items: list[StageItem], numbers: Mapping[str, Mapping[str, Any]], claims: pd.DataFrame
) -> Iterator[str]:
    params = run.params
    yield (
        f"# Results of the run `{params.run}`\n\n"
        f"Benchmarks: {', '.join(params.benchmarks.all)}. Quality estimators: {', '.join(params.models.quality)}. "
        f"Further verifiers: {', '.join(params.models.cross) or 'none'}.\n\n"
        "A face-recognition network embeds an aligned face, and a pruned copy of the network embeds it again. The "
        "**drift** D is the distance of the two normalised embeddings; quality is $Q = 1 - D/2$. **pAUC** is the area "
        f"under the error-versus-discard curve up to {params.edc.limit:.0%} discarded, times 1000: smaller is better."
    )
    if params.report.note:
        yield f"**{params.report.note}**"
    yield from _claims_section(claims)
    for benchmark, model in product(params.benchmarks.paired, params.models.quality):
        yield from _benchmark_section(run, benchmark, model, numbers)
    for benchmark, model in product(params.transformer.benchmarks, params.transformer.models):
        yield from _transformer_section(run, benchmark, model, numbers[f"transformer-{benchmark}-{model}"])
    yield (
        "## The paper's tables\n\nTables 1 to 5 in the paper's layout, and each printed value beside ours where the "
        "setting is the paper's: " + _links(run, run.layout.results("paper"), "paper") + "."
    )
    yield "## Notebooks\n\n" + "\n".join(_notebooks(run, items))


def _claims_section(claims: pd.DataFrame) -> Iterator[str]:
    yield "## Do the paper's claims hold here?"
    if claims.empty:
        yield "No claim is judged in this run."
    for from_paper, title in ((True, "Claims of the paper:"), (False, "What every quality measure must face:")):
        chosen = claims[claims["from_paper"] == from_paper]
        if not chosen.empty:
            yield title
            yield "\n".join(
                f"* **{'yes' if c.holds else 'no'}**: {c.text}. {c.evidence} ({c.benchmark}, {c.estimator})."
                for c in chosen.itertuples()
            )


def _benchmark_section(run: Run, benchmark: str, model: str, numbers: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    found = numbers[f"edc-{benchmark}-{model}"]
    yield f"## {benchmark}, quality from {model}"
    yield _verifiers_table(found, benchmark, run.params.edc.fmr[0]).markdown().strip()
    if accuracy := numbers.get(f"verification-{benchmark}-{model}"):
        flipped = f"{accuracy['unpruned']:.2f} % with the flip test, " if accuracy["flip_test"] else ""
        yield (
            f"Verification accuracy of the unpruned network over {accuracy['pairs']:,} pairs in folds: {flipped}"
            f"{accuracy['unpruned_without_flip_test']:.2f} % without."
        )
    for stage, name, text in _FIGURES:
        if (run.layout.results(stage, benchmark, model) / f"{name}.png").is_file():
            yield f"![{text}, {benchmark}]({stage}/{benchmark}/{model}/{name}.png)"
    stages = dict.fromkeys(["edc", "verification", *(stage for stage, _, _ in _FIGURES)])
    tables = [_links(run, run.layout.results(s, benchmark, model), f"{s}/{benchmark}/{model}") for s in stages]
    yield f"Tables: {', '.join(filter(None, tables))}."


def _verifiers_table(found: Mapping[str, Any], benchmark: str, fmr: float) -> Table:
    verifiers = list(found["pauc_best"])
    intervals = found["pauc_best_interval"]
    frame = pd.DataFrame({
        "verifier": verifiers,
        "FNMR (%)": [100 * found["fnmr_without_discard"][v] for v in verifiers],
        "PreFIQs": [found["pauc_best"][v] for v in verifiers],
        "PreFIQs_low": [intervals[v][0] for v in verifiers],
        "PreFIQs_high": [intervals[v][1] for v in verifiers],
        "embedding norm": [found["pauc_norm"][v] for v in verifiers],
        "random order": [found["pauc_random_mean"][v] for v in verifiers],
        "true severity": [found.get("pauc_severity", {}).get(v, float("nan")) for v in verifiers],
    })  # fmt: skip
    caption = (
        f"FNMR with nothing discarded, and pAUC at FMR {fmr:g} on {benchmark}. PreFIQs at its best ratio "
        f"({found['best_variant']}), with its 95 % interval by a bootstrap over {found['resampled']} "
        f"({found['resamples']} resamples):"
    )
    return Table(frame, caption, digits=2, intervals=("PreFIQs",))


def _transformer_section(run: Run, benchmark: str, model: str, found: Mapping[str, Any]) -> Iterator[str]:
    chance, best = found["pauc_random_mean"], found["pauc_random_min"]
    seen = " § The network was trained on images of this benchmark." if found["seen"] else ""
    yield f"## {benchmark}, inside the transformer {model}"
    rows = [{"method": method, **areas} for method, areas in found["pauc"].items()]
    rows.append({"method": "random order", **chance})
    caption = f"pAUC of ViTNT-FIQA (all blocks), ViT-FIQA (the last exit) and EX-FIQA-FW, by verifier.{seen}"
    yield Table(pd.DataFrame(rows), caption, best=dict.fromkeys(chance, "min"), digits=2).markdown().strip()
    for method, areas in found["pauc"].items():
        beaten = [v for v in chance if areas[v] < best[v]]
        yield f"{method} beats every random order for {', '.join(beaten) or 'no verifier'}."
    for kind, point in found["points"].items():
        share = found["gflops"][kind] / found["gflops"]["all"]
        yield (
            f"{kind}: {point['best']} is best; {point['recommended']} cannot be distinguished from it and costs "
            f"{share:.0%} of a forward pass."
        )
    for stage, name in (("transformer", "exits"), ("exits", "attention")):
        if (run.layout.results(stage, benchmark, model) / f"{name}.png").is_file():
            yield f"![{name}, {benchmark}]({stage}/{benchmark}/{model}/{name}.png)"
    folder = run.layout.results("transformer", benchmark, model)
    yield f"Tables: {_links(run, folder, f'transformer/{benchmark}/{model}')}."


def _links(run: Run, folder: Path, published: str) -> str:
    return ", ".join(f"[{path.stem}]({published}/{path.name})" for path in sorted(folder.glob("*.md")))


def _notebooks(run: Run, items: list[StageItem]) -> Iterator[str]:
    """One line a notebook: its title, and a link to each of its executed copies."""
    lines: dict[str, list[str]] = {}
    for item in items:
        for path in sorted((run.layout.root / str(item.results)).glob("*.ipynb")):
            link = f"{str(item.results).removeprefix(RESULTS)}/{path.name}"
            title = nbformat.read(path, as_version=4).cells[0].source.splitlines()[0].removeprefix("# ")
            lines.setdefault(f"{path.stem}\n{title}", []).append(f"[{', '.join(_names(item)) or 'open'}]({link})")
    for name in sorted(lines):
        yield f"* {name.splitlines()[1]}: {', '.join(lines[name])}"
    yield "* 22 · The report: [open](22_report.ipynb)"
