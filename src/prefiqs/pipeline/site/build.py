"""Build the web report in a folder beside its place, then move it there."""

import json
import shutil
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from prefiqs.errors import InputError
from prefiqs.io.atomic import read_text, whole_folder, write_text
from prefiqs.io.tables import read_table
from prefiqs.pipeline.run import Run
from prefiqs.pipeline.site.gallery import write_gallery
from prefiqs.pipeline.site.markup import code_style, markdown, notebook_html
from prefiqs.reporting.html.pages import STATIC, render

GENERATOR = '<meta name="generator" content="prefiqs site">'  # by which a folder is known to be a site
_COPIED = (".png", ".csv", ".tex", ".json")  # Markdown and notebooks become pages
RESULT_COLUMNS = [
    "benchmark", "estimator", "verifier", "method", "fmr", "threshold", "fnmr", "pauc", "low", "high", "auc",
]  # fmt: skip


def build_site(run: Run, out: str | Path) -> Path:
    """Build the site from the published results of a run; the same results give the same bytes.

    Args:
        run: published before, to `reports/RUN`.
        out: folder of the site. One that this function made before is replaced as a whole, and only when the new one
            is complete.

    Returns:
        `out`, absolute.

    Raises:
        InputError: `out` exists and is no such site, or a result is missing.
    """
    out = Path(out).absolute()
    start = out / "index.html"
    if out.exists() and not (start.is_file() and GENERATOR in start.read_text(encoding="utf-8", errors="replace")):
        raise InputError(f"{out} exists and was not made by `prefiqs site`. Choose another folder.")
    with whole_folder(out) as new:
        _write_site(run, new)
    return out


def _write_site(run: Run, site: Path) -> None:
    reports = run.layout.report(run.params.run)
    readme, numbers = _existing(reports / "README.md"), json.loads(read_text(_existing(reports / "numbers.json")))
    for path in sorted(reports.rglob("*")):
        if path.suffix in _COPIED:
            target = site / path.relative_to(reports)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    shutil.copytree(STATIC, site / "static", copy_function=shutil.copyfile)
    galleries = [write_gallery(run, name, site) for name in run.params.benchmarks.all]
    shared = {
        "generator": GENERATOR,
        "params": run.params,
        "galleries": galleries,
        "first": (run.params.report.claims or run.params.benchmarks.all)[0],
        "root": "",
    }

    def write(name: str, template: str, **values: Any) -> None:
        up = "../" * name.count("/")
        write_text(render(template, **(shared | {"root": up, "page": name} | values)), site / name)

    notebooks = []
    for path in sorted(reports.rglob("*.ipynb"), key=lambda path: (path.name, path)):
        name = path.relative_to(reports).with_suffix(".html").as_posix()
        title, body = notebook_html(path, _page_of)
        write(name, "notebook", title=title, body=body, code_style=code_style())
        notebooks.append((title, " · ".join(path.relative_to(reports).parts[1:-1]) or "open", name))
    tables = []
    for path in sorted(reports.rglob("*.md")):
        if path != readme:
            name = path.relative_to(reports).with_suffix(".html").as_posix()
            text = read_text(path)
            files = [p.name for p in (path.with_suffix(".csv"), path.with_suffix(".tex")) if p.is_file()]
            write(name, "table", title=text.splitlines()[0], body=markdown(text), files=files)
            tables.append((name.removesuffix(".html"), text.splitlines()[0], name))
    write(
        "index.html",
        "index",
        claims=_claims(reports),
        found=_key_numbers(run, numbers),
        notebooks=notebooks,
        tables=tables,
    )
    results = _results(run)
    write("results.html", "results", rows=results.to_dict("records"), filters=_filters(run, results))
    write("report.html", "report", body=markdown(read_text(readme), _page_of))
    for gallery in galleries:
        write(f"gallery-{gallery['benchmark']}.html", "gallery", gallery=gallery)


def _page_of(address: str) -> str:
    """Links to notebooks and Markdown tables lead to their pages."""
    base, hash_, part = address.partition("#")
    if "://" not in base and base.endswith((".ipynb", ".md")):
        base = base.rpartition(".")[0] + ".html"
    return base + hash_ + part


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"No published results: {path} not found. Run `dvc repro` first.")
    return path


def _claims(reports: Path) -> list[dict[str, Any]]:
    """The claims in the order of the report; a claim judged on several benchmarks `holds` on some `of` them."""
    table = read_table(_existing(reports / "claims.csv"))
    return [
        {
            "text": rows["text"].iloc[0],
            "from_paper": bool(rows["from_paper"].iloc[0]),
            "holds": int((rows["holds"] == "yes").sum()),
            "of": len(rows),
            "evidence": rows.to_dict("records"),
        }
        for _, rows in table.groupby("claim", sort=False)
    ]


def _key_numbers(run: Run, numbers: dict[str, Any]) -> list[dict[str, Any]]:
    """PreFIQs at its best ratio, the norm and the random order, by verifier, of every judged benchmark."""
    judged = run.params.report.claims or run.params.benchmarks.paired
    found = []
    for benchmark, model in product(judged, run.params.models.quality):
        edc = numbers[f"edc-{benchmark}-{model}"]
        rows = []
        for verifier, chance in edc["pauc_random_mean"].items():
            ours, norm = edc["pauc_best"][verifier], edc["pauc_norm"][verifier]
            rows.append({
                "verifier": verifier,
                "fnmr": 100 * edc["fnmr_without_discard"][verifier],
                "prefiqs": ours,
                "norm": norm,
                "random": chance,
                "best": min(ours, norm),
            })  # fmt: skip
        found.append({"benchmark": benchmark, "model": model, "best": edc["best_variant"], "rows": rows})
    return found


def _results(run: Run) -> pd.DataFrame:
    """Areas of every method, verifier and benchmark: `RESULT_COLUMNS`; fnmr in percent, areas times 1000.

    The random order is a method here: its area is the mean over the orders, low and high are the least and the largest.
    """
    parts = []
    for benchmark, model in product(run.params.benchmarks.paired, run.params.models.quality):
        folder = run.layout.report(run.params.run) / "edc" / benchmark / model
        where = {"benchmark": benchmark, "estimator": model}
        areas = read_table(_existing(folder / "areas.csv"))
        marked = areas["label"] + areas["trained_on"].map({True: " §", False: ""})
        renamed = areas.rename(columns={"pauc_low": "low", "pauc_high": "high"})
        parts.append(renamed.assign(**where, method=marked, fnmr=100 * areas["fnmr"]))
        chance = read_table(_existing(folder / "random.csv"))
        renamed = chance.rename(columns={"pauc_mean": "pauc", "pauc_min": "low", "pauc_max": "high"})
        undiscarded = areas.groupby(["verifier", "fmr"], as_index=False)["fnmr"].first()
        renamed = renamed.merge(undiscarded, on=["verifier", "fmr"])
        renamed = renamed.assign(**where, method="random order", threshold=run.params.edc.threshold, auc=float("nan"))
        parts.append(renamed.assign(fnmr=100 * renamed["fnmr"]))
    return pd.concat(parts, ignore_index=True)[RESULT_COLUMNS]


def _filters(run: Run, results: pd.DataFrame) -> list[tuple[str, str, list[str], str]]:
    """Column, title, values and first choice of every filter of the table; a first choice of "" is all of them."""
    judged = (run.params.report.claims or run.params.benchmarks.paired)[0]
    first = {"benchmark": judged, "fmr": f"{run.params.edc.fmr[0]:g}", "threshold": run.params.edc.threshold}
    titles = {"benchmark": "Benchmark", "verifier": "Verifier", "fmr": "FMR", "threshold": "Threshold"}
    values = {c: [f"{v:g}" if c == "fmr" else v for v in results[c].unique()] for c in titles}
    return [(c, title, values[c], first.get(c, "")) for c, title in titles.items()]
