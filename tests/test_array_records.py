"""Records that hold arrays compare by identity: arrays have no single truth value, and no hash."""

import dataclasses
import importlib
import inspect
import pkgutil

import pytest

import prefiqs

ARRAYS = ("ndarray", "NDArray", "DataFrame", "Tensor")


def records():
    for module in pkgutil.walk_packages(prefiqs.__path__, "prefiqs."):
        if module.name.rpartition(".")[2].startswith("__"):
            continue
        for name, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if dataclasses.is_dataclass(kind) and kind.__module__ == module.name:
                fields = [
                    f
                    for f in dataclasses.fields(kind)
                    if any(word in str(f.type) for word in ARRAYS) and "Callable" not in str(f.type)
                ]
                if fields:
                    yield pytest.param(kind, id=f"{module.name}.{name}")


@pytest.mark.parametrize("kind", list(records()))
def test_equality_is_identity(kind):
    assert kind.__eq__ is object.__eq__ and kind.__hash__ is object.__hash__
