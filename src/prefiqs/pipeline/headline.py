"""The results shown in the README, rendered from `reports/numbers.json` and `reports/claims.csv`, never typed.

`make readme` rewrites the part between the markers; a test compares it with the files.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from prefiqs.errors import ConfigError
from prefiqs.io.atomic import write_text

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def render(reports: Path) -> str:
    """Markdown: one row a benchmark and verifier, and the claims with their outcome."""
    numbers = json.loads((reports / "numbers.json").read_text(encoding="utf-8"))
    claims = pd.read_csv(reports / "claims.csv")
    lines = [
        "| benchmark – estimator | verifier | FNMR (%) | PreFIQs | embedding norm | random order |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for name, found in numbers.items():
        if name.startswith("edc-"):
            lines += [
                f"| {name.removeprefix('edc-')} ({found['best_variant']}) | {verifier} "
                f"| {100 * found['fnmr_without_discard'][verifier]:.2f} | {ours:.2f} "
                f"| {found['pauc_norm'][verifier]:.2f} | {found['pauc_random_mean'][verifier]:.2f} |"
                for verifier, ours in found["pauc_best"].items()
            ]
    outcomes = [f"* **{row.holds}** – {row.claim}: {row.evidence}" for row in claims.itertuples()]
    return "\n".join([*lines, "", *outcomes])


def replace_block(readme: str, block: str) -> str:
    """The README with a new block between the markers; `ConfigError` if they are not there."""
    if readme.count(BEGIN) != 1 or readme.count(END) != 1:
        raise ConfigError(f"Expected `{BEGIN}` and `{END}` once each in README.md, got another number of them.")
    head, rest = readme.split(BEGIN)
    return f"{head}{BEGIN}\n{block}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    path = Path("README.md")
    write_text(replace_block(path.read_text(encoding="utf-8"), render(Path("reports"))), path)
