"""A verification benchmark: aligned faces, who they show, and what is compared with what."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.errors import InputError
from prefiqs.faces.template import FACE_SIZE
from prefiqs.io.arrays import read_array, row_writer
from prefiqs.io.tables import read_parquet, write_table

# The tables of a benchmark and the columns that are needed of them.
_COLUMNS = {
    "index": ("name", "subject"),
    "pairs": ("left", "right", "genuine", "fold"),
    "templates": ("template", "media"),
    "excluded": ("name", "reason"),
}


@dataclass(frozen=True, eq=False)
class Templates:
    """Which of n images make up each of T templates, where sets of images are compared (IJB-C).

    Attributes:
        rows: int32 n, the template of each image, 0 … T − 1.
        media: int32 n, number of the photo or video an image is from; it counts within its template only.
        ids: int32 T, the published number of each template, ascending.
    """

    rows: np.ndarray
    media: np.ndarray
    ids: np.ndarray

    @classmethod
    def of(cls, template_ids: np.ndarray, media: np.ndarray) -> Templates:
        """Templates from the published template and media number of each image."""
        ids, rows = np.unique(template_ids, return_inverse=True)
        return cls(rows.astype(np.int32), np.asarray(media, np.int32), ids.astype(np.int32))

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Benchmark:
    """A benchmark of n aligned faces and P pairs: of images, or of templates where there are templates.

    Attributes:
        name: such as `orl`.
        images: n faces, uint8 112×112×3, RGB; a read-only memory map when loaded from disk, an array or `LazyFaces`
            when just built.
        index: one row an image: name, subject, source, sha256, degradation, severity (0 … 1, 0 = none); quality
            (higher = better) where the data set has such labels. `save_benchmark` adds sha256 where it is missing.
        pairs: int32 P×2, rows of `images`, but of `templates` in a benchmark that has them. May be empty.
        genuine: bool P, whether both sides of a pair show one person.
        folds: int8 P, the pair's fold in the verification protocol, −1 for pairs outside it; None without folds.
        templates: None for benchmarks that compare single images.
        excluded: name and reason of every image of the data set that is not among the n.
    """

    name: str
    images: np.ndarray | Sequence[np.ndarray]
    index: pd.DataFrame
    pairs: np.ndarray
    genuine: np.ndarray
    folds: np.ndarray | None = None
    templates: Templates | None = None
    excluded: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> np.ndarray:
        """Names of the images, n strings."""
        return self.index["name"].to_numpy()

    @property
    def subjects(self) -> np.ndarray:
        """Person shown in each image, n strings."""
        return self.index["subject"].to_numpy()

    def summary(self) -> dict[str, int]:
        """Count images, people, genuine and impostor pairs, and templates and excluded images where there are any."""
        counts = {
            "images": len(self.images),
            "people": len(set(self.subjects)),
            "genuine": int(self.genuine.sum()),
            "impostor": int((~self.genuine).sum()),
        }
        if self.templates is not None:
            counts["templates"] = len(self.templates)
        if self.excluded:
            counts["excluded"] = len(self.excluded)
        return counts


def benchmark_folder(name: str, root: str | Path) -> Path:
    """Where a benchmark lies below the data root."""
    return Path(root) / "benchmarks" / name


def save_benchmark(benchmark: Benchmark, root: str | Path) -> Path:
    """Write a benchmark below `root`/benchmarks/NAME, a few faces in memory at a time; returns that folder.

    Files: `images.npy`, `index.parquet`, `pairs.parquet`; where there are any, `templates.parquet` (published template
    and media number of each image) and `excluded.parquet` (name, reason).
    """
    folder = benchmark_folder(benchmark.name, root)
    index, templates = benchmark.index, benchmark.templates
    digests: list[str] = []
    shape = (len(benchmark.images), FACE_SIZE, FACE_SIZE, 3)
    with row_writer(folder / "images.npy", shape, np.uint8) as append:
        for face in _digested(benchmark.images, digests):
            append(face[None])
        # Before the images change, and written last: without it there is no benchmark.
        (folder / "index.parquet").unlink(missing_ok=True)
    if "sha256" not in index:
        index = index.copy()
        index.insert(index.columns.get_loc("source") + 1, "sha256", digests)
    folds = np.full(len(benchmark.pairs), -1, np.int8) if benchmark.folds is None else benchmark.folds
    pairs = {"left": benchmark.pairs[:, 0], "right": benchmark.pairs[:, 1], "genuine": benchmark.genuine, "fold": folds}
    tables = {"pairs": pd.DataFrame(pairs)}
    if templates is not None:
        tables["templates"] = pd.DataFrame({"template": templates.ids[templates.rows], "media": templates.media})
    if benchmark.excluded:
        tables["excluded"] = pd.DataFrame(benchmark.excluded, columns=["name", "reason"])
    for optional in {"templates", "excluded"} - tables.keys():
        (folder / f"{optional}.parquet").unlink(missing_ok=True)
    for name, table in (tables | {"index": index}).items():
        write_table(table, folder / f"{name}.parquet")
    return folder


def _digested(faces: Iterable[np.ndarray], digests: list[str]) -> Iterator[np.ndarray]:
    """The faces; their SHA-256 are added to `digests` as they pass."""
    for face in faces:
        digests.append(hashlib.sha256(np.ascontiguousarray(face).data).hexdigest())
        yield face


def load_benchmark(name: str, root: str | Path = "data") -> Benchmark:
    """Load a benchmark that the pipeline has built; `InputError` says what is missing and which command makes it."""
    folder = benchmark_folder(name, root)
    missing = [f for f in ("images.npy", "index.parquet", "pairs.parquet") if not (folder / f).is_file()]
    if missing:
        raise InputError(
            f"Expected benchmark {name!r} in {folder}, got no {', '.join(missing)}; build it with `dvc repro`."
        )
    images = read_array(folder / "images.npy", mapped=True)
    if images.ndim != 4 or images.dtype != np.uint8:
        raise InputError(
            f"Expected uint8 faces in {folder / 'images.npy'}, got {images.dtype} {images.shape}; build it anew."
        )
    tables = {
        table: read_parquet(file, columns)
        for table, columns in _COLUMNS.items()
        if (file := folder / f"{table}.parquet").is_file()
    }
    index, pairs = tables["index"], tables["pairs"]
    templates, excluded = tables.get("templates"), tables.get("excluded")
    for table, of_images in {"index": index, "templates": templates}.items():
        if of_images is not None and len(of_images) != len(images):
            raise InputError(
                f"Expected {len(images)} rows in {folder / table}.parquet, got {len(of_images)}; build it anew."
            )
    folds = pairs["fold"].to_numpy()
    return Benchmark(
        name,
        images,
        index,
        pairs[["left", "right"]].to_numpy(np.int32),
        pairs["genuine"].to_numpy(bool),
        folds if (folds >= 0).any() else None,
        None if templates is None else Templates.of(templates["template"].to_numpy(), templates["media"].to_numpy()),
        () if excluded is None else tuple(excluded.itertuples(index=False, name=None)),
    )
