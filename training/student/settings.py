"""`training/params.yaml` as frozen models."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from prefiqs.pipeline.params import Block, Count, Seed, Several

PARAMS = Path(__file__).parents[1] / "params.yaml"
Positive = Annotated[float, Field(gt=0)]
Probability = Annotated[float, Field(ge=0, le=1)]


class Data(Block):
    """The faces: how many people (None: all), and how many augmented copies of each."""

    people: Several | None
    copies: Count
    seed: Seed


class Augment(Block):
    """How a copy is made; shifts in pixels, angles in degrees, probabilities of each change."""

    flip: Probability
    shift: float
    angle: float
    scale: float
    grey: Probability
    light: Probability
    degraded: Probability
    strongest: dict[str, Positive]


class Network(Block):
    """The student, a ViT-FIQA (T), and its teacher."""

    teacher: str
    patch: Count
    width: Count
    depth: Count
    heads: Count


class Optimise(Block):
    """The loop: AdamW with warm-up and cosine decay; the weights of the terms of the loss."""

    steps: Count
    batch_size: Count
    rate: Positive
    warm_up: Count
    weight_decay: float
    similarity: float
    quality: float
    checkpoint: Count
    seed: Seed


class Settings(Block):
    """All of `training/params.yaml`."""

    data: Data
    augment: Augment
    network: Network
    optimise: Optimise


def load_settings(path: str | Path = PARAMS) -> Settings:
    """Read and check the settings of a training; `ConfigError` names the file, the key and what is wrong."""
    return Settings.read(path)
