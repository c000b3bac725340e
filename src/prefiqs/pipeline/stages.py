"""The stages of dvc.yaml, each with the items that today's parameters give it."""

import re
from collections.abc import Iterator, Mapping
from functools import reduce
from itertools import product
from operator import getitem
from pathlib import Path
from typing import Any, NamedTuple

from prefiqs.pipeline.params import read_yaml

RESULTS = "data/results/"
_REFERENCE = re.compile(r"\$\{([^}]+)\}")


class StageItem(NamedTuple):
    """One run of a stage, and the folder below `data/results` that it writes, if it shows anything."""

    stage: str
    results: str | None


def stage_items(root: Path, content: Mapping[str, Any] | None = None) -> list[StageItem]:
    """Every stage of ROOT/dvc.yaml with every item that the parameters name, in the order of the file.

    `content` is that of a params.yaml; by default, ROOT/params.yaml is read.
    """
    params = read_yaml(root / "params.yaml") if content is None else content
    stages = read_yaml(root / "dvc.yaml")["stages"]
    return [item for name, stage in stages.items() for item in _items(name, stage, params)]


def _items(name: str, stage: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[StageItem]:
    matrix = {key: _value(values, params) for key, values in stage.get("matrix", {}).items()}
    results = next((out for out in stage["outs"] if str(out).startswith(RESULTS)), None)
    for combination in product(*matrix.values()):
        item = dict(zip(matrix, combination, strict=True))
        yield StageItem(name, results and _filled(results, {**params, "item": item}))


def _filled(path: str, params: Mapping[str, Any]) -> str:
    return _REFERENCE.sub(lambda reference: str(_value(reference[0], params)), path)


def _value(reference: Any, params: Mapping[str, Any]) -> Any:
    """What stands in the parameters at "${key.key}"; anything but a reference stands for itself."""
    found = _REFERENCE.fullmatch(reference) if isinstance(reference, str) else None
    return reduce(getitem, found[1].split("."), params) if found else reference
