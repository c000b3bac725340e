"""A fresh run's numbers against the committed ones."""

import json
import subprocess

import pytest

from prefiqs.errors import InputError
from prefiqs.pipeline.publish import check_against_commit


@pytest.fixture
def clone(tmp_path):
    """A git clone with a committed run."""
    folder = tmp_path / "reports" / "default" / "edc"
    folder.mkdir(parents=True)
    (folder / "areas.csv").write_text("key,pauc\na,1.5\nb,\n")
    (folder / "numbers.json").write_text(json.dumps({"pauc": {"sface": 10.25}, "best": "x", "ends": [1.0, None]}))
    (folder.parent / "manifest.json").write_text("{}")
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def test_nothing_differs_at_first_nor_by_less_than_the_tolerance(clone):
    assert check_against_commit(clone, "default", 1e-6) == []
    (clone / "reports/default/edc/areas.csv").write_text("key,pauc\na,1.5000001\nb,\n")
    numbers = {"pauc": {"sface": 10.250001}, "best": "x", "ends": [1.0000001, None]}
    (clone / "reports/default/edc/numbers.json").write_text(json.dumps(numbers))
    (clone / "reports/default/manifest.json").write_text('{"date": "today"}')
    assert check_against_commit(clone, "default", 1e-6) == []
    assert len(check_against_commit(clone, "default", 1e-9)) == 3


def test_every_kind_of_difference_is_named(clone):
    folder = clone / "reports/default/edc"
    (folder / "areas.csv").write_text("key,pauc\na,1.5\nc,2\n")
    (folder / "numbers.json").write_text(json.dumps({"pauc": {"sface": 10.5}, "best": "y", "ends": [1.0, 2.0]}))
    (folder / "more.csv").write_text("a\n1\n")
    found = "\n".join(check_against_commit(clone, "default", 1e-6))
    assert "edc/more.csv: not committed" in found
    assert "values of key differ, first b → c" in found and "values of pauc differ, first nan → 2.0" in found
    assert "pauc.sface: 10.25 → 10.5" in found and "best: x → y" in found and "ends.1: None → 2.0" in found
    (folder / "areas.csv").unlink()
    assert "edc/areas.csv: missing now." in check_against_commit(clone, "default", 1e-6)


def test_without_a_commit_there_is_nothing_to_compare_with(clone, tmp_path_factory):
    with pytest.raises(InputError, match="Nothing is committed below reports/other/"):
        check_against_commit(clone, "other", 1e-6)
    with pytest.raises(InputError, match="git clone"):
        check_against_commit(tmp_path_factory.mktemp("archive"), "default", 1e-6)
