"""A small data set with people, embeddings, pairs and two quality measures, as arrays and as files."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prefiqs.cli import main


@dataclass
class Brought:
    """The truth that the files hold."""

    folder: Path
    names: list[str]
    subjects: np.ndarray
    vectors: np.ndarray
    pairs: np.ndarray
    genuine: np.ndarray
    good: np.ndarray
    poor: np.ndarray

    def similarity(self) -> np.ndarray:
        unit = self.vectors.astype(np.float64) / np.linalg.norm(self.vectors.astype(np.float64), axis=1, keepdims=True)
        return (unit[self.pairs[:, 0]] * unit[self.pairs[:, 1]]).sum(1).astype(np.float32)

    def quality(self, scores: np.ndarray) -> np.ndarray:
        return scores[self.pairs].min(1)


@pytest.fixture(scope="session")
def brought(tmp_path_factory) -> Brought:
    folder = tmp_path_factory.mktemp("brought")
    rng = np.random.default_rng(5)
    subjects = np.repeat([f"person{i}" for i in range(20)], 4)
    noise = rng.uniform(0.2, 2.5, 80)
    vectors = rng.normal(size=(20, 12)).repeat(4, 0) + noise[:, None] * rng.normal(size=(80, 12))
    vectors = (vectors * rng.uniform(1, 9, (80, 1))).astype(np.float32)
    names = [f"{s}/{s}_{i % 4:04d}.jpg" for i, s in enumerate(subjects)]
    left, right = np.triu_indices(80, 1)
    order = rng.permutation(len(left))
    pairs = np.column_stack([left, right])[order]
    genuine = subjects[pairs[:, 0]] == subjects[pairs[:, 1]]
    good, poor = -noise + 0.1 * rng.normal(size=80), rng.normal(size=80)
    truth = Brought(folder, names, subjects, vectors, pairs, genuine, good, poor)

    np.save(folder / "vectors.npy", vectors)
    (folder / "names.txt").write_text("".join(f"{n}\n" for n in names))
    pd.DataFrame({"name": names, "subject": subjects}).to_csv(folder / "index.csv", index=False)
    lines = (f"{names[a]} {names[b]} {int(g)}\n" for (a, b), g in zip(pairs, genuine, strict=True))
    (folder / "pairs.txt").write_text("".join(lines))
    (folder / "good.txt").write_text("".join(f"{n} {s:.17g}\n" for n, s in zip(names, good, strict=True)))
    pd.DataFrame({"path": names, "score": -poor, "problem": ""}).to_csv(folder / "poor.csv", index=False)
    return truth


@pytest.fixture
def run(monkeypatch, capsys):
    """The command line: from arguments to exit status, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["prefiqs", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return (ended.value.code or 0, *capsys.readouterr())

    return run
