"""A smaller benchmark out of a large one, for trials."""

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
        raise InputError(f"Expected a benchmark of single images, got {benchmark.name}; set align.people to null.")
    people = pd.unique(benchmark.subjects)[:count]
    kept = np.isin(benchmark.subjects, people)
    new_row = np.cumsum(kept) - 1
    inside = kept[benchmark.pairs].all(axis=1)
    return replace(
        benchmark,
        images=np.stack([face for face, keep in zip(benchmark.images, kept, strict=True) if keep]),
        index=benchmark.index[kept].reset_index(drop=True),
        pairs=new_row[benchmark.pairs[inside]].astype(np.int32),
        genuine=benchmark.genuine[inside],
        folds=None if benchmark.folds is None else benchmark.folds[inside],
    )
