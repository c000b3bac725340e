"""What the transformer methods take beside a plain forward pass: `python benchmarks/transformers.py [REPEATS]`.

ViT-FIQA (C) at its full size with seeded, UNTRAINED weights, on the CPU engine once compiled. Processor time of this
process, so that neighbours on the machine count little; each line is the smallest of REPEATS measurements of one way,
taken in turns with the others, divided by that of the plain pass. `taskset -c 0` keeps waiting threads out of it.
"""

import sys
import time

import torch
from torch import Tensor

from prefiqs.embedding.engines import model_engines
from prefiqs.models import MODELS, FaceModel, ViTFiqa
from prefiqs.quality.exits import _Exits
from prefiqs.quality.vitnt_fiqa import _Stability

BATCH_SIZE, SEED = 4, 0


class LayerByLayer(FaceModel):
    """All exits without the product of the heads."""

    def __init__(self, model: ViTFiqa):
        super().__init__("layer by layer", model.input_spec, len(model.blocks))
        self.model = model
        self.eval()

    def forward(self, prepared: Tensor) -> Tensor:
        """Prepared faces to n×exits, every exit by the published layers."""
        tokens, scores = self.model.tokens(prepared), []
        for block in self.model.blocks:
            tokens = block(tokens)
            scores.append(self.model.quality(tokens))
        return torch.stack(scores, 1)


def main(repeats: int) -> None:
    """Print the ratios."""
    torch.manual_seed(SEED)
    model = MODELS["vit-fiqa-c"].network(name="vit-fiqa-c", input_spec=MODELS["vit-fiqa-c"].input_spec)
    numbers = list(range(1, len(model.blocks) + 1))
    ways = {
        "plain forward pass": model,
        "all exits": _Exits(model, numbers),
        "all exits, layer by layer": LayerByLayer(model),
        "exit 7": _Exits(model, [7]),
        **{f"vitnt-fiqa, attention={a}": _Stability(model, numbers, 8.0, a) for a in (None, "last", "mean")},
    }
    engines = {name: model_engines([way], BATCH_SIZE)[0] for name, way in ways.items()}
    faces, best = torch.randn(BATCH_SIZE, 3, 112, 112), dict.fromkeys(ways, float("inf"))
    for repeat in range(repeats + 1):
        for name, engine in engines.items():
            start = time.process_time()
            engine(faces)
            if repeat:  # the first run of each makes its buffers
                best[name] = min(best[name], time.process_time() - start)
    for name, seconds in best.items():
        print(f"{name}: {1000 * seconds / BATCH_SIZE:.0f} ms a face, {seconds / best['plain forward pass']:.2f} times")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
