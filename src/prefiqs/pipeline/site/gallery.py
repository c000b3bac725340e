"""The faces of a benchmark with their scores by every method, as data for the page of the gallery."""

import json
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from prefiqs.io.atomic import write_text
from prefiqs.pipeline.identity import MethodId, Scores
from prefiqs.pipeline.run import Run

MOST_FACES = 20_000  # of a benchmark; of a larger one, so many evenly spread over it: a browser has to hold them all
JPEG_QUALITY = 80
HASH_DIGITS = 16  # of the SHA-256 that names a picture, so that benchmarks which share a face share its file


def write_gallery(run: Run, name: str, site: Path) -> dict[str, Any]:
    """Write SITE/gallery/NAME.js and, if faces may be shown, SITE/faces/HASH.jpg; returns what the page must know.

    Data are JavaScript, not JSON, because a page opened from a file may not fetch another file.

    Returns the numbers of faces, `groups` of methods (a title, and the row and label of each method), the `kinds` of
    degradation, and whether faces are shown.
    """
    benchmark = run.benchmark(name)
    total = len(benchmark.images)
    rows = np.linspace(0, total - 1, min(total, MOST_FACES)).round().astype(int)
    index = benchmark.index.iloc[rows]
    groups = {title: group for title, group in _methods(run, name).items() if group}
    pictures = run.shows_faces_of(name)
    keys = [digest[:HASH_DIGITS] for digest in index["sha256"]]
    if pictures:
        (site / "faces").mkdir(exist_ok=True)
        for key, row in zip(keys, rows, strict=True):
            path = site / "faces" / f"{key}.jpg"
            if not path.exists():
                Image.fromarray(np.asarray(benchmark.images[row])).save(path, quality=JPEG_QUALITY, optimize=True)
    methods = [method for group in groups.values() for method in group.values()]
    data = {
        "faces": {
            **{column: index[column].tolist() for column in ("name", "subject", "degradation")},
            "severity": [float(f"{s:.4g}") for s in index["severity"]],
            "picture": keys if pictures else None,
        },
        # Numbers as short as they can be and still the same floats: a rounded score would lose its rank.
        "methods": [{"label": label, "scores": [float(str(s)) for s in scores[rows]]} for label, scores in methods],
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    write_text(f"const GALLERY = {text};\n", site / "gallery" / f"{name}.js")
    row = count()
    return {
        "benchmark": name,
        "shown": len(rows),
        "total": total,
        "groups": [(title, [(next(row), label) for label, _ in group.values()]) for title, group in groups.items()],
        "kinds": ["none", *sorted(set(index["degradation"]) - {"none"})],
        "pictures": pictures,
    }


def _methods(run: Run, benchmark: str) -> dict[str, dict[str, tuple[str, np.ndarray]]]:
    """Label and scores (n, higher = better) of every method by group and key; the one shown at first comes first."""
    groups: dict[str, dict[str, tuple[str, np.ndarray]]] = {}
    for model in run.params.models.quality:
        paired = benchmark in run.params.benchmarks.paired
        scores = run.all_scores(benchmark, model) if paired else Scores.read(run.layout.scores(benchmark, model))
        main = [MethodId.of_spec(model, spec).key for spec in [run.params.usual, *run.params.prune.main]]
        first = list(dict.fromkeys([*main, MethodId.of("norm", model).key]))
        pruned = set(scores.methods.loc[scores.methods["method"] == "prefiqs", "key"])
        others = [key for key in scores.values if key not in first]
        for title, keys in {
            f"PreFIQs and the norm, {model}": first,
            "Other methods": [key for key in others if key not in pruned],
            f"Other ways of pruning {model}": [key for key in others if key in pruned],
        }.items():
            # Scores that do not depend on the estimator are shown once.
            groups.setdefault(title, {}).update({key: (scores.labels[key], scores.values[key]) for key in keys})
    return groups
