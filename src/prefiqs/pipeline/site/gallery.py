"""The faces of a benchmark with their scores by every method, for the page of its gallery."""

import json
from dataclasses import dataclass
from io import BytesIO
from itertools import count

import numpy as np
from PIL import Image

from prefiqs.pipeline.identity import MethodId, Scores
from prefiqs.pipeline.run import Run

MOST_FACES = 20_000  # of a benchmark; of a larger one, so many evenly spread over it: a browser has to hold them all
JPEG_QUALITY = 80
HASH_DIGITS = 16  # of the SHA-256 that names a picture, so that benchmarks which share a face share its file


@dataclass
class Gallery:
    """What the page of a benchmark must know.

    groups: of methods; a title, and the row of `data` and the label of each method. kinds: of degradation. data: names,
    degradations and exact scores of the faces shown, as a script: a page opened from a file may not fetch another file.
    pictures: JPEG files by the names that `data` gives them; none if faces may not be shown.
    """

    benchmark: str
    shown: int
    total: int
    groups: list[tuple[str, list[tuple[int, str]]]]
    kinds: list[str]
    data: str
    pictures: dict[str, bytes]


def gallery_of(run: Run, name: str) -> Gallery:
    """The gallery of a benchmark; of a large one, `MOST_FACES` faces evenly spread over it."""
    benchmark = run.benchmark(name)
    total = len(benchmark.images)
    rows = np.linspace(0, total - 1, min(total, MOST_FACES)).round().astype(int)
    index = benchmark.index.iloc[rows]
    groups = {title: group for title, group in _methods(run, name).items() if group}
    keys = [digest[:HASH_DIGITS] for digest in index["sha256"]]
    shown = zip(keys, rows, strict=True) if run.shows_faces_of(name) else ()
    pictures = {key: _jpeg(benchmark.images[row]) for key, row in shown}
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
    row = count()
    return Gallery(
        name, len(rows), total,
        groups=[(title, [(next(row), label) for label, _ in group.values()]) for title, group in groups.items()],
        kinds=["none", *sorted(set(index["degradation"]) - {"none"})],
        data=f"const GALLERY = {text};\n", pictures=pictures,
    )  # fmt: skip


def _jpeg(face: np.ndarray) -> bytes:
    file = BytesIO()
    Image.fromarray(np.asarray(face)).save(file, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return file.getvalue()


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
