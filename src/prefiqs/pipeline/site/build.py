"""Build the whole site in a folder beside its place, then move it there."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from prefiqs.errors import InputError
from prefiqs.io.atomic import write_text
from prefiqs.pipeline.params import Params
from prefiqs.pipeline.site import artefacts, findings
from prefiqs.pipeline.site.files import there
from prefiqs.pipeline.site.gallery import write_gallery

GENERATOR = '<meta name="generator" content="prefiqs site">'  # by which a site is known as one
COPIED = ("notebooks", "figures", "tables", "paper")
STATIC = Path(__file__).parent / "static"


def build_site(out: str | Path, params: Params, root: str | Path, reports: str | Path) -> Path:
    """Build the site from what the pipeline made; the same results give the same bytes.

    Args:
        out: folder of the site. One that this function made before is replaced as a whole, and only when the new one
            is complete.
        params: of the run.
        root: data root: benchmarks and scores.
        reports: folder of the rendered artefacts.

    Returns:
        `out`, absolute.

    Raises:
        InputError: `out` is there and is no such site, or a result is missing.
    """
    out, root, reports = Path(out).absolute(), Path(root), Path(reports)
    if out.exists() and not _is_site(out):
        raise InputError(f"Expected a new folder or a site made by `prefiqs site`, got {out}; choose another place.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as work:
        new = Path(work) / "new"
        new.mkdir()
        _write_site(new, params, root, reports)
        if out.exists():
            out.rename(Path(work) / "old")
        new.rename(out)
    return out


def _is_site(folder: Path) -> bool:
    start = folder / "index.html"
    return start.is_file() and GENERATOR.encode() in start.read_bytes()


def _write_site(site: Path, params: Params, root: Path, reports: Path) -> None:
    galleries = [write_gallery(name, params, root, site) for name in params.benchmarks.all]
    for folder in COPIED:
        shutil.copytree(there(reports / folder), site / folder, copy_function=shutil.copyfile)
    shutil.copytree(STATIC, site / "static", copy_function=shutil.copyfile)
    results = findings.results(reports, params)
    tables, bare = artefacts.tables(reports)
    first = (params.report.claims or params.benchmarks.all)[0]
    environment = Environment(
        loader=PackageLoader("prefiqs.pipeline.site"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.globals |= {"generator": GENERATOR, "params": params, "first": first, "galleries": galleries}
    figures = artefacts.figures(reports)
    shared = {
        "index": {
            "claims": findings.claims(reports),
            "found": findings.key_numbers(reports, params),
            "notebooks": artefacts.notebooks(reports),
            "counts": {"figures": len(figures), "tables": len(tables) + len(bare)},
        },
        "results": {"rows": results.to_dict("records"), "filters": _filters(results, first, params)},
        "report": {"body": artefacts.report_html(reports)},
        "tables": {"tables": tables, "bare": bare},
        "figures": {"figures": figures},
    }
    for page, values in shared.items():
        _write_page(environment, page, site / f"{page}.html", values)
    for gallery in galleries:
        _write_page(environment, "gallery", site / f"gallery-{gallery['benchmark']}.html", {"gallery": gallery})


def _write_page(environment: Environment, template: str, path: Path, values: dict) -> None:
    text = environment.get_template(f"{template}.html.j2").render(values, page=path.name)
    write_text(text, path)


def _filters(results: pd.DataFrame, benchmark: str, params: Params) -> list[tuple[str, str, list[str], str]]:
    """Column, title, values and first choice of every filter of the table; a first choice of "" is all of them."""
    first = {"benchmark": benchmark, "fmr": f"{params.edc.fmr[0]:g}", "threshold": params.edc.threshold}
    titles = {"benchmark": "Benchmark", "verifier": "Verifier", "fmr": "FMR", "threshold": "Threshold"}
    values = {c: [f"{v:g}" if c == "fmr" else v for v in results[c].unique()] for c in titles}
    return [(c, title, values[c], first.get(c, "")) for c, title in titles.items()]
