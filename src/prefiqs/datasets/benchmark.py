"""A verification benchmark: aligned faces, who they show, and what is compared with what."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from prefiqs.assets.location import data_root
from prefiqs.errors import InputError
from prefiqs.faces.template import FACE_SIZE
from prefiqs.io.arrays import read_array, row_writer
from prefiqs.io.tables import read_parquet, write_table

# The tables of a benchmark and the columns that are needed; the last two exist only where there is something in them.
_COLUMNS = {
    "index": ("name", "subject"),
    "pairs": ("left", "right", "genuine", "fold"),
    "templates": ("template", "media"),
    "excluded": ("name", "reason"),
}


@dataclass(frozen=True, eq=False)
class Templates:
    """Which of n images make up each of T templates, where sets of images are compared (IJB-C)."""

    rows: np.ndarray  # int32 n, the template of each image, 0 … T − 1
    media: np.ndarray  # int32 n, number of the photo or video an image is from; it counts within its template only
    ids: np.ndarray  # int32 T, the published number of each template, ascending

    @classmethod
    def of(cls, template_ids: np.ndarray, media: np.ndarray) -> Self:
        """Templates from the published template and media number of each image."""
        ids, rows = np.unique(template_ids, return_inverse=True)
        return cls(rows.astype(np.int32), np.asarray(media, np.int32), ids.astype(np.int32))

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Benchmark:
    """A benchmark of n aligned faces and P pairs: of images, or of templates where there are templates.

    images: n faces, uint8 112×112×3, RGB; a read-only memory map when loaded, an array or `LazyFaces` when built.
    index: one row per image: name, subject, source, degradation, severity (0 … 1, 0 = none); quality (higher = better)
        where the data set has such labels; inferred, true where people are known by their pairs only (`people_of`);
        sha256 of the pixels, which `save_benchmark` adds.
    """

    name: str
    images: np.ndarray | Sequence[np.ndarray]
    index: pd.DataFrame
    pairs: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.int32))  # rows of `images` or of `templates`
    genuine: np.ndarray = field(default_factory=lambda: np.empty(0, bool))  # P, whether both sides show one person
    folds: np.ndarray | None = None  # int8 P, in the verification protocol, −1 for pairs outside it
    templates: Templates | None = None  # None for benchmarks that compare single images
    excluded: tuple[tuple[str, str], ...] = ()  # name and reason of every image of the data set that is not here

    @property
    def names(self) -> np.ndarray:
        """Names of the images, n strings."""
        return self.index["name"].to_numpy()

    @property
    def subjects(self) -> np.ndarray:
        """Person shown in each image, n strings."""
        return self.index["subject"].to_numpy()

    @property
    def people_inferred(self) -> bool:
        """Whether people are known by their pairs only, so that two subjects may be one person."""
        return "inferred" in self.index and bool(self.index["inferred"].any())

    def summary(self) -> dict[str, int]:
        """Count images, people, genuine and impostor pairs, and templates and excluded images where there are any."""
        counts = {"images": len(self.images), "people": len(set(self.subjects))}
        counts |= {"genuine": int(self.genuine.sum()), "impostor": int((~self.genuine).sum())}
        some = {"templates": len(self.templates or ()), "excluded": len(self.excluded)}
        return counts | {what: count for what, count in some.items() if count}


def keep_people(benchmark: Benchmark, count: int) -> Benchmark:
    """The first `count` people of a benchmark, with the pairs and folds among them.

    Raises `InputError` for a benchmark of templates, whose images do not say who they show.
    """
    if benchmark.templates is not None:
        raise InputError(f"{benchmark.name} compares templates, not single images. Set align.people to null.")
    return keep_images(benchmark, np.isin(benchmark.subjects, pd.unique(benchmark.subjects)[:count]))


def keep_images(benchmark: Benchmark, kept: np.ndarray) -> Benchmark:
    """Some images of a benchmark of single images (bool n), with the pairs and folds among them."""
    rows = np.flatnonzero(kept)
    inside = kept[benchmark.pairs].all(axis=1)
    return replace(
        benchmark,
        images=np.stack([benchmark.images[row] for row in rows.tolist()]),
        index=benchmark.index.iloc[rows].reset_index(drop=True),
        pairs=np.searchsorted(rows, benchmark.pairs[inside]).astype(np.int32),
        genuine=benchmark.genuine[inside],
        folds=None if benchmark.folds is None else benchmark.folds[inside],
    )


def benchmark_folder(name: str, root: str | Path) -> Path:
    """Where a benchmark lies below the data root."""
    return Path(root) / "benchmarks" / name


def save_benchmark(benchmark: Benchmark, root: str | Path) -> Path:
    """Write a benchmark below `root`/benchmarks/NAME, a few faces in memory at a time; returns that folder.

    Files: `images.npy`, and a Parquet file for each table that `_COLUMNS` names.
    """
    folder = benchmark_folder(benchmark.name, root)
    digests = []
    with row_writer(folder / "images.npy", (len(benchmark.images), FACE_SIZE, FACE_SIZE, 3), np.uint8) as append:
        for face in benchmark.images:
            append(face[None])
            digests.append(hashlib.sha256(np.ascontiguousarray(face).data).hexdigest())
        # Before the images change, and written last: without it there is no benchmark.
        (folder / "index.parquet").unlink(missing_ok=True)
    index, templates, folds = benchmark.index.copy(), benchmark.templates, benchmark.folds
    if "sha256" not in index:
        index.insert(index.columns.get_loc("source") + 1, "sha256", digests)
    pairs = pd.DataFrame(benchmark.pairs, columns=["left", "right"])
    tables = {"pairs": pairs.assign(genuine=benchmark.genuine, fold=np.int8(-1) if folds is None else folds)}
    if templates is not None:
        tables["templates"] = pd.DataFrame({"template": templates.ids[templates.rows], "media": templates.media})
    if benchmark.excluded:
        tables["excluded"] = pd.DataFrame(benchmark.excluded, columns=["name", "reason"])
    tables["index"] = index
    for name in _COLUMNS.keys() - tables.keys():
        (folder / f"{name}.parquet").unlink(missing_ok=True)
    for name, table in tables.items():
        write_table(table, folder / f"{name}.parquet")
    return folder


def load_benchmark(name: str, root: str | Path | None = None) -> Benchmark:
    """Load a benchmark built by the pipeline from `root`, by default the data folder (`data_root`).

    Raises `InputError` if a file is missing, damaged, or does not fit the others.
    """
    folder = benchmark_folder(name, root or data_root())
    if missing := [f for f in ("images.npy", "index.parquet", "pairs.parquet") if not (folder / f).is_file()]:
        raise InputError(f"Benchmark {name!r} has no {', '.join(missing)} in {folder}. Build it with `dvc repro`.")
    images = read_array(folder / "images.npy", mapped=True)
    if images.ndim != 4 or images.dtype != np.uint8:
        raise InputError(f"{folder / 'images.npy'} contains {images.dtype} {images.shape}, not faces. Rebuild it.")
    files = {table: folder / f"{table}.parquet" for table in _COLUMNS}
    tables = {table: read_parquet(file, _COLUMNS[table]) for table, file in files.items() if file.is_file()}
    for table in {"index", "templates"} & tables.keys():
        if len(tables[table]) != len(images):
            raise InputError(f"{files[table]} has {len(tables[table])} rows for {len(images)} images. Rebuild it.")
    pairs = tables["pairs"]
    return Benchmark(
        name,
        images,
        tables["index"],
        pairs[["left", "right"]].to_numpy(np.int32),
        pairs["genuine"].to_numpy(bool),
        pairs["fold"].to_numpy() if (pairs["fold"] >= 0).any() else None,
        Templates.of(*tables["templates"][["template", "media"]].to_numpy().T) if "templates" in tables else None,
        tuple(tables["excluded"].itertuples(index=False, name=None)) if "excluded" in tables else (),
    )
