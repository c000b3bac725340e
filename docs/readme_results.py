"""Write the results of README.md and reports/README.md from the published runs: `make readme`. No number is typed."""

from pathlib import Path

import pandas as pd

from prefiqs.pipeline.identity import MethodId
from prefiqs.pruning.spec import PruningSpec

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
ROWS = (  # run, benchmark, estimator, verifier
    ("default", "orl-xq", "sface", "sface"),
    ("default", "orl-xq", "sface", "mobilefacenet-512"),
    ("wild", "lfw-all", "mobilefacenet-y1", "mobilefacenet-y1"),
    ("wild", "lfw-all", "mobilefacenet-y1", "sface"),
    ("wild", "cfp-fp-all", "mobilefacenet-y1", "mobilefacenet-y1"),
    ("wild", "cfp-fp-all", "mobilefacenet-y1", "sface"),
)
CLAIMS = {  # as column titles
    "granularity": "unstructured beats structured",
    "criterion": "L1 beats random at small ρ",
    "jacobian": "Jacobian drift ranks as drift",
    "stable": "stable up to ρ = 0.7",
    "ratio": "ρ = 0.4 is as good as the best",
    "random-order": "beats random order",
    "norm": "beats the embedding norm",
}


def row(run: str, benchmark: str, estimator: str, verifier: str) -> list[str]:
    """The cells of a benchmark and verifier; the smallest area of a method is bold."""
    folder = ROOT / "reports" / run / "edc" / benchmark / estimator
    chosen = "verifier == @verifier and fmr == 0.001 and threshold == 'recomputed'"
    areas = pd.read_csv(folder / "areas.csv").query(chosen).set_index("key")
    random = pd.read_csv(folder / "random.csv").query("verifier == @verifier and fmr == 0.001")["pauc_mean"].item()
    methods = [MethodId.of(name, estimator) for name in ("prefiqs-fast", "pruning-margin", "norm")]
    paucs = [areas.loc[m.key, "pauc"] for m in (MethodId.of_spec(estimator, PruningSpec(0.4)), *methods)]
    cells = [f"**{pauc:.2f}**" if pauc == min(paucs) else f"{pauc:.2f}" for pauc in paucs]
    fnmr = f"{100 * areas['fnmr'].iloc[0]:.2f}"
    return [benchmark, estimator, verifier, fnmr, *cells, f"{random:.2f}"]


def published(run: str) -> bool:
    """Whether a run is among the reports."""
    return (ROOT / "reports" / run / "manifest.json").is_file()


def areas() -> str:
    """pAUC of the main methods."""
    head = ["benchmark", "estimator", "verifier", "FNMR (%)", "PreFIQs, ρ = 0.4", "prefiqs-fast", "pruning-margin"]
    lines = [[*head, "embedding norm", "random order"], ["---", "---", "---", *["---:"] * 6]]
    lines += [row(*of) for of in ROWS if published(of[0])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def claims() -> str:
    """Whether each claim holds, a row a benchmark and estimator; "–" where it was not tested."""
    lines, links = [["benchmark, estimator", *CLAIMS.values()], ["---"] * (1 + len(CLAIMS))], []
    for run in filter(published, dict.fromkeys(run for run, *_ in ROWS)):
        table = pd.read_csv(ROOT / "reports" / run / "claims.csv")
        for (benchmark, estimator), part in table.groupby(["benchmark", "estimator"], sort=False):
            verdict = part.set_index("claim")["verdict"]
            lines.append([f"{benchmark}, {estimator}", *(verdict.get(claim, "–") for claim in CLAIMS)])
        links.append(f"[{run}]({run}/claims.md)")
    return (
        "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + f"\n\nThe numbers behind them: {', '.join(links)}."
    )


def fill(page: Path, content: str) -> None:
    """Put `content` between the marks of a page."""
    head, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    page.write_text(f"{head}{BEGIN}\n{content}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    fill(ROOT / "README.md", areas())
    fill(ROOT / "reports" / "README.md", claims())
