"""What is known of an FR network without loading it, or PyTorch: the table `models.toml`."""

import tomllib
from importlib.resources import files
from typing import Any

TABLE: dict[str, dict[str, Any]] = tomllib.loads(
    files("prefiqs.models").joinpath("models.toml").read_text(encoding="utf-8")
)


def seen_by(network: str) -> tuple[str, ...]:
    """Benchmarks whose images, or kinds of degradation, a network was trained on; none for a file of the user's."""
    return tuple(TABLE.get(network, {}).get("seen", ()))
