"""The stages of dvc.yaml, each with the items that today's parameters give it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from prefiqs.pipeline.params import read_yaml

RESULTS = "data/results/"
_REFERENCE = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True)
class StageItem:
    """One run of a stage: its name, its item (empty for a stage without matrix), and the paths that it writes."""

    stage: str
    item: Mapping[str, Any]
    outs: tuple[str, ...]

    @property
    def results(self) -> str | None:
        """The folder below `data/results` that it writes, if it shows anything."""
        return next((out for out in self.outs if out.startswith(RESULTS)), None)


def stage_items(root: Path, content: Mapping[str, Any] | None = None) -> list[StageItem]:
    """Every stage of ROOT/dvc.yaml with every item that the parameters name, in the order of the file.

    `content` is that of a params.yaml; by default, ROOT/params.yaml is read.
    """
    params = read_yaml(root / "params.yaml") if content is None else content
    stages = read_yaml(root / "dvc.yaml")["stages"]
    return [found for name, stage in stages.items() for found in _items(name, stage, params)]


def _items(name: str, stage: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[StageItem]:
    matrix = {key: _value(values, params) for key, values in stage.get("matrix", {}).items()}
    for combination in product(*matrix.values()):
        item = dict(zip(matrix, combination, strict=True))
        paths = (out if isinstance(out, str) else next(iter(out)) for out in stage.get("outs", []))
        yield StageItem(name, item, tuple(_filled(path, {**params, "item": item}) for path in paths))


def _filled(path: str, values: Mapping[str, Any]) -> str:
    return _REFERENCE.sub(lambda reference: str(_lookup(reference[1], values)), path)


def _value(values: Any, params: Mapping[str, Any]) -> Any:
    found = _REFERENCE.fullmatch(values) if isinstance(values, str) else None
    return _lookup(found[1], params) if found else values


def _lookup(reference: str, values: Any) -> Any:
    for key in reference.split("."):
        values = values[key]
    return values
