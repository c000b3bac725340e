"""What a study holds becomes files by its kind."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from prefiqs.reporting.figures.distributions import drift_histograms
from prefiqs.reporting.study import Study, saved_as
from prefiqs.reporting.tables import Table


class OneOfEach(Study):
    table: Table = saved_as("table2")
    areas: pd.DataFrame = saved_as("all-areas")
    figure: Any = saved_as("edc")
    gallery: None = saved_as("gallery")
    unwritten: str = "text"


def test_each_kind_has_its_format(tmp_path):
    frame = pd.DataFrame({"x": [1.5]})
    stored = {
        tmp_path / "e.npy": np.eye(2),
        tmp_path / "s" / "t.parquet": frame,
        tmp_path / "t": Table(frame, "").write,
    }
    figure = drift_histograms({"d": [1, 2]}, "drift")
    study = OneOfEach(Table(frame, "A table"), frame, figure, None, numbers={"fnmr": 0.25}, stored=stored)
    study.write(tmp_path / "results")
    names = {path.name for path in (tmp_path / "results").iterdir()}
    assert names == {"table2.csv", "table2.md", "all-areas.csv", "edc.png", "numbers.json"}
    assert (tmp_path / "results" / "all-areas.csv").read_text() == "x\n1.5\n"
    assert (tmp_path / "results" / "numbers.json").read_text() == '{\n  "fnmr": 0.25\n}\n'
    assert np.array_equal(np.load(tmp_path / "e.npy"), np.eye(2))
    assert pd.read_parquet(tmp_path / "s" / "t.parquet").equals(frame) and Path(tmp_path / "t.md").is_file()


def test_what_is_none_leaves_no_file_of_an_earlier_write(tmp_path):
    class Ranks(Study):
        table: Table = saved_as("ranks")
        faces: Any = saved_as("faces")
        ranks: Any = saved_as("ranks")

    def write(faces, ranks):
        Ranks(Table(pd.DataFrame({"x": [1.5]}), ""), faces, ranks).write(tmp_path)
        return {path.name for path in tmp_path.iterdir()}

    table = {"ranks.csv", "ranks.md"}
    figure = drift_histograms({"d": [1, 2]}, "drift")
    (tmp_path / "faces-of-others.png").touch()
    assert write(figure, figure) == table | {"faces.png", "ranks.png", "faces-of-others.png"}
    assert write(pd.DataFrame({"x": [1]}), figure) >= {"faces.csv"}
    assert write(None, None) == table | {"faces-of-others.png"}


def test_an_attribute_of_no_known_kind_is_not_passed_over(tmp_path):
    study = OneOfEach(Table(pd.DataFrame({"x": [1]}), ""), pd.DataFrame(), "no figure", None)
    with pytest.raises(TypeError, match="'str' object"):
        study.write(tmp_path)
