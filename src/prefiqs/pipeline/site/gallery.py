"""The faces of a benchmark with their scores by every method, as data for the page of the gallery."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from prefiqs.datasets.benchmark import Benchmark, load_benchmark
from prefiqs.datasets.score_files import read_published_scores
from prefiqs.io.atomic import write_text
from prefiqs.io.scores import read_scores
from prefiqs.pipeline.layout import method_path, scores_path
from prefiqs.pipeline.params import Params
from prefiqs.pipeline.site.files import there
from prefiqs.pipeline.site.methods import method_labels, usual_variant

MOST_FACES = 20_000  # of a benchmark; of a larger one, so many evenly spread over it: a browser has to hold them all
JPEG_QUALITY = 80
HASH_DIGITS = 16  # of the SHA-256 that names a picture, so that benchmarks which share a face share its file


def write_gallery(name: str, params: Params, root: Path, site: Path) -> dict[str, Any]:
    """Write SITE/gallery/NAME.js and, if faces may be shown, SITE/faces/HASH.jpg; returns what the page must know.

    Data are JavaScript, not JSON, because a page opened from a file may not fetch another file.

    Args:
        name: of a benchmark.
        params: of the run; with `align.show_faces` false, the gallery names faces and holds no pictures.
        root: data root.
        site: folder of the new site.

    Returns:
        benchmark, shown and total (numbers of faces), usual (row of the method chosen at first), groups (of methods,
        pairs of a title and the (row, label) of each), kinds (of degradation), graded (whether there are any),
        pictures (whether faces are shown).
    """
    benchmark = load_benchmark(name, root)
    total = len(benchmark.images)
    rows = np.linspace(0, total - 1, min(total, MOST_FACES)).round().astype(int)
    index = benchmark.index.iloc[rows]
    methods = list(_methods(benchmark, params, root))
    pictures = params.align.show_faces
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
        "methods": [{"label": label, "scores": _exact(scores[rows])} for _, _, label, scores in methods],
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    write_text(f"const GALLERY = {text};\n", site / "gallery" / f"{name}.js")
    groups: dict[str, list[tuple[int, str]]] = {}
    for row, (group, _, label, _) in enumerate(methods):
        groups.setdefault(group, []).append((row, label))
    kinds = sorted(set(index["degradation"]) - {"none"})
    return {
        "benchmark": name,
        "shown": len(rows),
        "total": total,
        "usual": [key for _, key, _, _ in methods].index(usual_variant(params)),
        "groups": list(groups.items()),
        "kinds": ["none", *kinds],
        "graded": bool(kinds),
        "pictures": pictures,
    }


def _methods(benchmark: Benchmark, params: Params, root: Path) -> Iterator[tuple[str, str, str, np.ndarray]]:
    """Group, name in files, name on the page and scores (n, higher = better) of every method."""
    first, others = usual_variant(params).rpartition("-")[0], []
    labels, several = method_labels(params), len(params.models.quality) > 1
    for model in params.models.quality:
        for method, values in read_scores(there(scores_path(root, benchmark.name, model))).items():
            label = labels[method] + (f" ({model})" if several else "")
            if method.startswith(first) or method == "norm":
                yield f"PreFIQs and the norm, {model}", method, label, values
            else:
                others.append((f"Other ways of pruning {model}", method, label, values))
    if benchmark.name in params.benchmarks.paired:
        for method in params.methods.compared:
            for label, values in read_scores(there(method_path(root, benchmark.name, method))).items():
                yield "Compared methods", method, label, values
        names, lower_is_better = benchmark.names, params.external.lower_is_better
        for method, values in read_published_scores(root / "external", benchmark.name, names, lower_is_better).items():
            yield "Scores of other tools", method, method, values
    yield from others


def _exact(scores: np.ndarray) -> list[float]:
    """Numbers that are as short as they can be and still the same floats: a rounded score would lose its rank."""
    return [float(str(score)) for score in scores]


def _write_pictures(faces: Iterable[tuple[str, int]], benchmark: Benchmark, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for key, row in faces:
        path = folder / f"{key}.jpg"
        if not path.exists():
            Image.fromarray(np.asarray(benchmark.images[row])).save(path, quality=JPEG_QUALITY, optimize=True)
