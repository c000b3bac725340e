"""A smaller benchmark out of a large one."""

from dataclasses import replace

import numpy as np
import pandas as pd

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.errors import InputError


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
