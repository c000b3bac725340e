"""What a method costs: milliseconds an image, beside a plain forward pass of the same network."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.embedding.embedder import Embedder
from prefiqs.errors import InputError
from prefiqs.methods.registry import METHODS, scorer
from prefiqs.models.loading import load_model
from prefiqs.pipeline.identity import MethodId
from prefiqs.pipeline.run import Run
from prefiqs.pipeline.studies.method import calibrated
from prefiqs.reporting.numbers import write_numbers
from prefiqs.reporting.tables import Table

Work = Callable[[np.ndarray], object]


@dataclass(frozen=True)
class Cost:
    """What one method costs.

    Attributes:
        key, label, method, network: of its `MethodId`.
        milliseconds: of one image.
        plain: milliseconds of one image in a plain forward pass of the network.
    """

    key: str
    label: str
    method: str
    network: str
    milliseconds: float
    plain: float


@dataclass(frozen=True, eq=False)
class CostStudy:
    """What the methods of a run cost on this machine.

    Attributes:
        costs: PreFIQs and the embedding norm first, then the compared methods.
        table: the same, and how many plain passes a method costs.
        faces: how many were timed at once.
        device: where the networks ran.
    """

    costs: list[Cost]
    table: Table
    faces: int
    device: str

    def write(self, folder: str | Path) -> None:
        """Write costs (CSV, Markdown) and numbers.json with the same rows."""
        self.table.write(Path(folder) / "costs")
        write_numbers({"costs": [asdict(cost) for cost in self.costs]}, folder)


def cost_study(run: Run) -> CostStudy:
    """Time every method of the run; what happens once (masks, calibration, compilation) is left out."""
    methods, device = run.params.methods, run.params.embed.device
    estimator = run.params.models.quality[0]
    timed = [MethodId.of_spec(estimator, run.params.usual), MethodId.of("norm", estimator)]
    timed += [entry.id for entry in methods.entries.values()]
    networks = {name: load_model(name, device=device) for name in dict.fromkeys(method.network for method in timed)}
    work: dict[str, Work] = {name: Embedder([network], device=device) for name, network in networks.items()}
    for method in timed:
        network, options = networks[method.network], dict(method.options)
        if METHODS[method.method].calibrates:
            options["calibration"] = calibrated(run, method.method, network)
        work[method.key] = scorer(method.method, network, device=device, **options)
    images = run.benchmark(methods.calibrated_on).images[: methods.timed_faces]
    took = milliseconds_per_image(work, np.asarray(images))
    costs = [
        Cost(method.key, method.label, method.method, method.network, took[method.key], took[method.network])
        for method in timed
    ]
    frame = pd.DataFrame([asdict(cost) for cost in costs])
    frame["plain passes"] = frame["milliseconds"] / frame["plain"]
    caption = f"Milliseconds an image, of {len(images)} faces at once"
    return CostStudy(
        costs, Table(frame, caption, digits=2, hidden=("key",)), len(images), str(networks[estimator].device)
    )


def milliseconds_per_image(work: Mapping[str, Work], images: np.ndarray, rounds: int = 3) -> dict[str, float]:
    """Milliseconds that an image takes in each of several kinds of work: its shortest time over the number of images.

    In every round all kinds take their turn, so that what else the machine does affects all alike; that, and what
    happens the first time only (compilation), can only lengthen a run.

    Args:
        work: by name, what takes images.
        images: the more, the steadier; a batch at least.
        rounds: at least 2, as the first is slower.

    Raises:
        InputError: no images.
    """
    if not len(images):
        raise InputError("There are no images to time methods on.")
    shortest = dict.fromkeys(work, np.inf)
    for _ in range(rounds):
        for name, function in work.items():
            shortest[name] = min(shortest[name], _seconds(function, images))
    return {name: 1e3 * seconds / len(images) for name, seconds in shortest.items()}


def _seconds(function: Work, images: np.ndarray) -> float:
    start = time.perf_counter()
    function(images)
    return time.perf_counter() - start
