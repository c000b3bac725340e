"""Write the results table of README.md from the published runs: `make readme`. No number in it is typed."""

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


def table() -> str:
    """The table in Markdown, of the runs that are published."""
    head = ["benchmark", "verifier", "FNMR (%)", "PreFIQs, ρ = 0.4", "prefiqs-fast", "embedding norm", "random order"]
    lines = [head, ["---", "---", *["---:"] * 5]]
    for run, benchmark in SHOWN:
        if (ROOT / "reports" / run / "edc" / benchmark / "sface" / "areas.csv").is_file():
            lines += [row(run, benchmark, verifier) for verifier in VERIFIERS]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def readme() -> str:
    """README.md with today's table."""
    head, _, rest = (ROOT / "README.md").read_text(encoding="utf-8").partition(BEGIN)
    return f"{head}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    (ROOT / "README.md").write_text(readme(), encoding="utf-8")
