"""Memory of `prefiqs evaluate` at the size of IJB-C, from files of embeddings, templates, pairs and scores."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from benchmarks.curves import FMRS, IMAGES, PAIRS, TEMPLATES, WIDTH
from benchmarks.harness import Figure, seconds_of

from prefiqs.apps.evaluate.compare import evaluate
from prefiqs.apps.evaluate.inputs import Settings, read_inputs

PEOPLE, ALLOWED = 3_531, 6.0  # GB
METHODS = "CRFIQAL", "norm"
VERIFIERS = "first", "second", "third", "fourth"


def run() -> Iterator[Figure]:
    """Reading and evaluating two methods, each time in a process of its own; the files are made in another one."""
    size = f"{PAIRS:,} pairs of {TEMPLATES:,} templates, {IMAGES:,} embeddings of {WIDTH} numbers"
    with tempfile.TemporaryDirectory() as folder:
        in_own_process("write", folder)
        for count, resamples in ((1, 0), (1, None), (len(VERIFIERS), None)):
            peak, took = json.loads(in_own_process("measure", folder, count, resamples))
            case = f"{count} verifier{'s' * (count > 1)}, {'default' if resamples is None else 'no'} bootstrap"
            details = {"peak memory of the process, GB": round(peak, 2), "seconds": round(took, 1)}
            work = f"evaluate, {size}, {case}: peak memory"
            yield Figure(work, f"{ALLOWED:g} GB", *[peak / ALLOWED] * 3, "≤ 1", details)


def in_own_process(function: str, *arguments: object) -> str:
    """What a function of this file prints."""
    given = ", ".join(map(repr, arguments))
    code = f"from benchmarks.evaluate import {function}; {function}({given})"
    return subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout


def measure(folder: str, verifiers: int, resamples: int | None) -> None:
    """Print the peak memory (GB) and the seconds of reading the files and writing a report."""
    took = seconds_of(partial(ours, Path(folder), verifiers, resamples))
    print(json.dumps([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, took]))


def ours(folder: Path, verifiers: int, resamples: int | None) -> None:
    """Read the files and write a report."""
    scores = [f"{folder / method}.txt" for method in METHODS]
    embeddings = [f"{folder / name}.npy" for name in VERIFIERS[:verifiers]]
    inputs = read_inputs(scores, embeddings, folder / "pairs.txt", templates=folder / "templates.txt")
    evaluate(inputs, Settings(fmrs=FMRS, resamples=resamples), folder / "report", "IJB-C")


def write(folder: str) -> None:
    """Write files as IJB-C's: random people, templates, embeddings and scores, and distinct pairs."""
    place, rng = Path(folder), np.random.default_rng(0)
    template = rng.permutation(np.concatenate([np.arange(TEMPLATES), rng.integers(0, TEMPLATES, IMAGES - TEMPLATES)]))
    person, noise = rng.integers(0, PEOPLE, TEMPLATES), rng.uniform(1, 12, IMAGES)
    names = pd.Series([f"{i + 1}.jpg" for i in range(IMAGES)])
    _write_lines(place / "templates.txt", names, template + 1, rng.integers(0, 100_000, IMAGES))
    for method in METHODS:
        _write_lines(place / f"{method}.txt", names, np.round(-noise + rng.normal(size=IMAGES), 6))
    for name in VERIFIERS:
        centres = rng.normal(size=(PEOPLE, WIDTH)).astype(np.float32)
        rows = np.lib.format.open_memmap(place / f"{name}.npy", "w+", np.float32, (IMAGES, WIDTH))
        for part in np.array_split(np.arange(IMAGES), 32):
            rows[part] = centres[person[template[part]]] + noise[part, None] * rng.normal(size=(len(part), WIDTH))
        rows.flush()
    left, right = np.unique(np.sort(rng.integers(0, TEMPLATES, (PAIRS * 11 // 10, 2))), axis=0).T
    kept = rng.permutation(np.flatnonzero(left != right))[:PAIRS]
    left, right = left[kept], right[kept]
    _write_lines(place / "pairs.txt", left + 1, right + 1, (person[left] == person[right]).astype(int))


def _write_lines(path: Path, *columns: object) -> None:
    pd.DataFrame(dict(enumerate(columns))).to_csv(path, sep=" ", header=False, index=False)
