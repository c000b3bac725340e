"""How much the engines gain, as ratios within one run on the real SFace: `python benchmarks/speed.py [IMAGES]`.

Machines are noisy and differ, so no time is compared with one measured elsewhere: each line is the fastest of three
repeats of one way, divided by the fastest of three repeats of another, taken in turns.
"""

import sys
import time

import numpy as np

import prefiqs
from prefiqs.embedding import derivative_engine, raw_embeddings, torch_engine
from prefiqs.quality import jacobian

REPEATS = 3


def eager(model, faces):
    """Embed in plain PyTorch, four faces at a time."""
    run = torch_engine(model)
    return np.concatenate([run(model.prepare(faces[i : i + 4]))[0] for i in range(0, len(faces), 4)])


def seconds(*ways):
    """The fastest time of each way, the ways taken in turns."""
    best = [float("inf")] * len(ways)
    for _ in range(REPEATS):
        for i, way in enumerate(ways):
            start = time.perf_counter()
            way()
            best[i] = min(best[i], time.perf_counter() - start)
    return best


def main(count: int) -> None:
    """Print the ratios."""
    faces = np.random.default_rng(0).integers(0, 256, (count, 112, 112, 3), dtype=np.uint8)
    model = prefiqs.load_model("sface", device="cpu")
    pruned = prefiqs.prune(model, 0.1)
    slow, fast = seconds(lambda: eager(model, faces), lambda: raw_embeddings([model], faces, device="cpu"))
    print(f"embedding: {slow / fast:.2f} times as fast as eager PyTorch (start-up included, {count} faces)")

    function = jacobian.normalised_jvp(model, pruned)
    engine = derivative_engine(function, model.device, jacobian.BATCH_SIZE, worthwhile=True, name="Jacobian drift")
    reference = torch_engine(function)
    few = model.prepare(faces[: jacobian.BATCH_SIZE])
    slow, fast = seconds(lambda: reference(few), lambda: engine(few))
    print(f"Jacobian drift: {slow / fast:.2f} times as fast as eager PyTorch (once compiled)")

    scores = [lambda m=m: prefiqs.score(faces, m, model, device="cpu") for m in ("norm", "prefiqs", "prefiqs-fast")]
    plain, both, shared = seconds(*scores)
    print(f"prefiqs takes {both / plain:.2f} and prefiqs-fast {shared / plain:.2f} times a single pass")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
