"""The how-to pages are true: their code runs as printed, in their order, in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

DOCS = Path(__file__).parents[1] / "docs"
COMMANDS = {"python": [sys.executable, "-c"], "sh": ["bash", "-ec"]}


@pytest.mark.long
def test_choose_a_method_and_a_threshold(assets, tmp_path):
    blocks = re.findall(r"```(python|sh)\n(.*?)```", (DOCS / "choose.md").read_text(encoding="utf-8"), re.DOTALL)
    assert [language for language, _ in blocks] == ["python", "sh", "sh", "sh"]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for language, code in blocks:
        subprocess.run([*COMMANDS[language], code], cwd=tmp_path, env=environment, check=True)
    areas = pd.read_csv(tmp_path / "report" / "areas.csv")
    assert areas["method"].nunique() == 6  # five methods and the random order
    # The spoiled photos are the ones to reject: the lowest scores of the norm are blurred ones.
    scores = pd.read_parquet(tmp_path / "report" / "scores.parquet").query("method == 'norm'").dropna(subset="score")
    lowest = scores.sort_values("score")["path"].head(20).map(lambda path: int(Path(path).stem))
    assert (lowest == 8).mean() > 0.5
    assert (tmp_path / "rejected.html").is_file()
    assert len(pd.read_csv(tmp_path / "new.csv")) == 10
