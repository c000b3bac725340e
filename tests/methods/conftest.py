"""The methods that differentiate, without the engine of the CPU."""

import pytest

from prefiqs.embedding.engines import torch_engine


@pytest.fixture
def in_eager_pytorch(monkeypatch):
    """Called with a method's module: from now on its derivatives are not compiled."""

    def switch(module) -> None:
        monkeypatch.setattr(module, "derivative_engine", lambda function, *_: torch_engine(function))

    return switch
