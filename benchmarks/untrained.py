"""Write a checkpoint of ResNet-100 with seeded, UNTRAINED weights: `python benchmarks/untrained.py`.

For `presets/size.yaml`, which tests how the chain copes with a network of this size. Scores made with it mean nothing.
"""

import sys

import torch

from prefiqs.assets.location import data_root
from prefiqs.models.registry import MODELS

SEED = 0


def main() -> None:
    """Write data/checkpoints/iresnet100.pth in the published layout, unless a checkpoint is there already."""
    path = data_root() / "checkpoints" / "iresnet100.pth"
    if path.exists():
        sys.exit(f"Expected no checkpoint in {path}, got one, which is left alone; move it away first.")
    torch.manual_seed(SEED)
    path.parent.mkdir(parents=True, exist_ok=True)
    card = MODELS["iresnet100"]
    torch.save(card.network(name=card.name, input_spec=card.input_spec).state_dict(), path)
    print(f"{path}: untrained, seed {SEED}")


if __name__ == "__main__":
    main()
