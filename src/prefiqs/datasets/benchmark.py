"""A verification benchmark: aligned faces, who they show, and which pairs are compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.core.errors import InputError
from prefiqs.core.records import write_array, write_table


@dataclass(frozen=True)
class Benchmark:
    """A benchmark of n aligned faces and P pairs.

    Attributes:
        name: such as `orl`.
        images: uint8 n×112×112×3, RGB; a read-only memory map when loaded from disk.
        index: one row an image: name, subject, source, sha256, degradation, severity (0 … 1, 0 = none).
        pairs: int32 P×2, rows of `images`.
        genuine: bool P, whether both images show one person.
        folds: int8 P, the pair's fold in the verification protocol, −1 for pairs outside it; None without folds.
        templates: None for benchmarks that compare single images.
    """

    name: str
    images: np.ndarray
    index: pd.DataFrame
    pairs: np.ndarray
    genuine: np.ndarray
    folds: np.ndarray | None = None
    templates: None = None

    @property
    def names(self) -> np.ndarray:
        """Names of the images, n strings."""
        return self.index["name"].to_numpy()

    @property
    def subjects(self) -> np.ndarray:
        """Person shown in each image, n strings."""
        return self.index["subject"].to_numpy()

    def summary(self) -> dict[str, int]:
        """Counts of images, people, genuine and impostor pairs."""
        return {
            "images": len(self.images),
            "people": len(set(self.subjects)),
            "genuine": int(self.genuine.sum()),
            "impostor": int((~self.genuine).sum()),
        }


def benchmark_folder(name: str, root: str | Path) -> Path:
    """Where a benchmark lies below the data root."""
    return Path(root) / "benchmarks" / name


def save_benchmark(benchmark: Benchmark, root: str | Path) -> Path:
    """Write `images.npy`, `index.parquet` and `pairs.parquet` below `root`/benchmarks/NAME; returns that folder."""
    folder = benchmark_folder(benchmark.name, root)
    write_array(benchmark.images, folder / "images.npy")
    write_table(benchmark.index, folder / "index.parquet")
    folds = np.full(len(benchmark.pairs), -1, np.int8) if benchmark.folds is None else benchmark.folds
    pairs = {"left": benchmark.pairs[:, 0], "right": benchmark.pairs[:, 1], "genuine": benchmark.genuine, "fold": folds}
    write_table(pd.DataFrame(pairs), folder / "pairs.parquet")
    return folder


def load_benchmark(name: str, root: str | Path = "data") -> Benchmark:
    """Load a benchmark that the pipeline has built; `InputError` says what is missing and which command makes it."""
    folder = benchmark_folder(name, root)
    missing = [f for f in ("images.npy", "index.parquet", "pairs.parquet") if not (folder / f).is_file()]
    if missing:
        raise InputError(
            f"Expected benchmark {name!r} in {folder}, got no {', '.join(missing)}; build it with `dvc repro`."
        )
    images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
    index, pairs = pd.read_parquet(folder / "index.parquet"), pd.read_parquet(folder / "pairs.parquet")
    if len(index) != len(images):
        raise InputError(f"Expected {len(images)} rows in {folder / 'index.parquet'}, got {len(index)}; build it anew.")
    folds = pairs["fold"].to_numpy()
    return Benchmark(
        name,
        images,
        index,
        pairs[["left", "right"]].to_numpy(np.int32),
        pairs["genuine"].to_numpy(bool),
        folds if (folds >= 0).any() else None,
    )
