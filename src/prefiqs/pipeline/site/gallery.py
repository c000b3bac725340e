"""The faces of a benchmark with their scores by every method, as data for the page of the gallery."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.io.atomic import write_text
from prefiqs.pipeline.identity import MethodId
from prefiqs.pipeline.run import Run
from prefiqs.pipeline.scores import Scores

MOST_FACES = 20_000  # of a benchmark; of a larger one, so many evenly spread over it: a browser has to hold them all
JPEG_QUALITY = 80
HASH_DIGITS = 16  # of the SHA-256 that names a picture, so that benchmarks which share a face share its file


def write_gallery(run: Run, name: str, site: Path) -> dict[str, Any]:
    """Write SITE/gallery/NAME.js and, if faces may be shown, SITE/faces/HASH.jpg; returns what the page must know.

    Data are JavaScript, not JSON, because a page opened from a file may not fetch another file.

    Returns:
        benchmark, shown and total (numbers of faces), usual (row of the method chosen at first), groups (of methods,
        pairs of a title and the (row, label) of each), kinds (of degradation), graded (whether there are any),
        pictures (whether faces are shown).
    """
    benchmark = run.benchmark(name)
    total = len(benchmark.images)
    rows = np.linspace(0, total - 1, min(total, MOST_FACES)).round().astype(int)
    index = benchmark.index.iloc[rows]
    methods = _methods(run, name)
    pictures = run.shows_faces_of(name)
    keys = [digest[:HASH_DIGITS] for digest in index["sha256"]]
    if pictures:
        _write_pictures(zip(keys, rows, strict=True), benchmark, site / "faces")
    data = {
        "faces": {
            "name": index["name"].tolist(),
            "subject": index["subject"].tolist(),
            "degradation": index["degradation"].tolist(),
            "severity": [float(f"{s:.4g}") for s in index["severity"]],
            "picture": keys if pictures else None,
        },
        "methods": [{"label": label, "scores": _exact(scores[rows])} for _, label, scores in methods],
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    write_text(f"const GALLERY = {text};\n", site / "gallery" / f"{name}.js")
    groups: dict[str, list[tuple[int, str]]] = {}
    for row, (group, label, _) in enumerate(methods):
        groups.setdefault(group, []).append((row, label))
    kinds = sorted(set(index["degradation"]) - {"none"})
    return {
        "benchmark": name,
        "shown": len(rows),
        "total": total,
        "usual": 0,
        "groups": list(groups.items()),
        "kinds": ["none", *kinds],
        "graded": bool(kinds),
        "pictures": pictures,
    }


def _methods(run: Run, benchmark: str) -> list[tuple[str, str, np.ndarray]]:
    """Group, label and scores (n, higher = better) of every method; the one shown at first comes first."""
    groups: dict[str, dict[str, tuple[str, np.ndarray]]] = {}
    for model in run.params.models.quality:
        paired = benchmark in run.params.benchmarks.paired
        scores = run.all_scores(benchmark, model) if paired else Scores.read(run.layout.scores(benchmark, model))
        main = [MethodId.of_spec(model, spec).key for spec in [run.params.usual, *run.params.prune.main]]
        first = dict.fromkeys([*main, MethodId.of("norm", model).key])
        pruned = scores.methods.loc[scores.methods["method"] == "prefiqs", "key"]
        others = [key for key in scores.values if key not in first and key not in set(pruned)]
        for title, keys in {
            f"PreFIQs and the norm, {model}": first,
            "Other methods": others,
            f"Other ways of pruning {model}": [key for key in pruned if key not in first],
        }.items():
            # Scores that do not depend on the estimator are shown once.
            groups.setdefault(title, {}).update({key: (scores.labels[key], scores.values[key]) for key in keys})
    return [(title, label, values) for title, found in groups.items() for label, values in found.values()]


def _exact(scores: np.ndarray) -> list[float]:
    """Numbers that are as short as they can be and still the same floats: a rounded score would lose its rank."""
    return [float(str(score)) for score in scores]


def _write_pictures(faces: Iterable[tuple[str, int]], benchmark: Benchmark, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for key, row in faces:
        path = folder / f"{key}.jpg"
        if not path.exists():
            Image.fromarray(np.asarray(benchmark.images[row])).save(path, quality=JPEG_QUALITY, optimize=True)
