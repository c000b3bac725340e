"""Makes the percentiles that `prefiqs score` compares scores with: python docs/reference_percentiles.py.

Needs the benchmark `lfw`, which `prefiqs run wild` builds.
"""

import csv

import numpy as np

from prefiqs.apps.score.rows import PERCENTILES
from prefiqs.apps.score.scorer import wanted_methods
from prefiqs.datasets.benchmark import load_benchmark
from prefiqs.faces.align import VERSION
from prefiqs.io.atomic import whole_file
from prefiqs.methods.registry import score

SETTINGS = {
    "prefiqs": "sface", "pruning-margin": "sface", "norm": "sface", "ser-fiq": "sface",
    "quality-network": "qualityface",
}  # fmt: skip

if __name__ == "__main__":
    faces = load_benchmark("lfw").images
    with whole_file(PERCENTILES) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        for method, model in SETTINGS.items():
            percentiles = np.percentile(score(faces, method, model, progress=True), range(101))
            settings = f"{wanted_methods(method, model, {})[0].settings()} alignment={VERSION}"
            values = [f"{value:.7g}" for value in percentiles]
            csv.writer(file, lineterminator="\n").writerow([settings, *values])
