"""Write the results of README.md and reports/README.md from the published runs: `make readme`. No number is typed."""

import re
from pathlib import Path

import pandas as pd

from prefiqs.pipeline.identity import MethodId
from prefiqs.pruning.spec import PruningSpec

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
SHOWN = (("default", "orl-xq"), ("lfw", "lfw"))  # run, benchmark
VERIFIERS = {"sface": "same-model", "mobilefacenet-512": "cross-model"}


def row(run: str, benchmark: str, verifier: str) -> list[str]:
    """The cells of a benchmark and verifier; the smallest area of a method is bold."""
    folder = ROOT / "reports" / run / "edc" / benchmark / "sface"
    chosen = "verifier == @verifier and fmr == 0.001 and threshold == 'recomputed'"
    areas = pd.read_csv(folder / "areas.csv").query(chosen).set_index("key")
    random = pd.read_csv(folder / "random.csv").query("verifier == @verifier and fmr == 0.001")["pauc_mean"].item()
    methods = {
        "paper": MethodId.of_spec("sface", PruningSpec(0.4)),
        "fast": MethodId.of("prefiqs-fast", "sface"),
        "norm": MethodId.of("norm", "sface"),
    }
    paucs = [areas.loc[method.key, "pauc"] for method in methods.values()]
    cells = [f"**{pauc:.2f}**" if pauc == min(paucs) else f"{pauc:.2f}" for pauc in paucs]
    fnmr = f"{100 * areas['fnmr'].iloc[0]:.2f}"
    return [benchmark, VERIFIERS[verifier], fnmr, *cells, f"{random:.2f}"]


def areas() -> str:
    """pAUC of the main methods, of the runs that are published in today's layout."""
    head = ["benchmark", "verifier", "FNMR (%)", "PreFIQs, ρ = 0.4", "prefiqs-fast", "embedding norm", "random order"]
    lines = [head, ["---", "---", *["---:"] * 5]]
    for run, benchmark in SHOWN:
        if (ROOT / "reports" / run / "edc" / benchmark / "sface" / "areas.csv").is_file():
            lines += [row(run, benchmark, verifier) for verifier in VERIFIERS]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def claims() -> str:
    """Every claim, and whether it holds in each run for each estimator; "–" where it was not tested."""
    verdicts, texts = {}, {}
    for run, benchmark in SHOWN:
        table = pd.read_csv(ROOT / "reports" / run / "claims.csv")
        if "estimator" not in table:  # computed before the rebuild: the same claims in the same order
            table = table.assign(claim=list(texts), text="", estimator="sface")
        for row in table.itertuples():
            texts.setdefault(row.claim, re.sub(r" \((un)?structured-\S+\)", " at its best ratio", row.text))
            verdicts.setdefault(f"{benchmark}, {row.estimator}", {})[row.claim] = row.verdict
    lines = [["claim", *verdicts], ["---"] * (1 + len(verdicts))]
    lines += [[text, *(column.get(claim, "–") for column in verdicts.values())] for claim, text in texts.items()]
    links = ", ".join(f"[{benchmark}]({run}/claims.md)" for run, benchmark in SHOWN)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + f"\n\nThe numbers behind each verdict: {links}."


def fill(page: Path, content: str) -> None:
    """Put `content` between the marks of a page."""
    head, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    page.write_text(f"{head}{BEGIN}\n{content}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    fill(ROOT / "README.md", areas())
    fill(ROOT / "reports" / "README.md", claims())
