"""What a column of scores is: a method, the network it runs on, and its options, as data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pandas as pd

from prefiqs.methods.registry import METHODS
from prefiqs.pruning.spec import PruningSpec

Option = bool | int | float | str | list[int] | None

COLUMNS = ("label", "method", "network", "granularity", "criterion", "ratio", "options", "supervision", "trained_on")
"""What a table says of a method beside its key. `granularity`, `criterion` and `ratio` are missing where nothing is
pruned; `options` is JSON; `trained_on`: the network was trained on images of the benchmark that is scored."""

_ORACLE = "severity"  # how strongly an image was degraded: a bound that no method can know
_PRUNING = ("granularity", "criterion", "ratio")


@dataclass(frozen=True)
class MethodId:
    """A method by its name in the registry, the network that it runs on, and its options, sorted by name.

    Scores that come as a file are a method without a network; `supervised` is then what params.yaml says of it.
    """

    method: str
    network: str = ""
    options: tuple[tuple[str, Any], ...] = ()
    supervised: str = ""

    @classmethod
    def of(cls, method: str, network: str = "", **options: Option) -> MethodId:
        """The identity of a method with options."""
        frozen = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
        return cls(method, network, tuple(sorted(frozen.items())))

    @classmethod
    def of_spec(cls, network: str, spec: PruningSpec) -> MethodId:
        """PreFIQs with one pruned network."""
        seed = {"seed": spec.seed} if spec.criterion == "random" else {}
        return cls.of(
            "prefiqs", network, granularity=spec.granularity, criterion=spec.criterion, ratio=spec.ratio, **seed
        )

    @classmethod
    def of_file(cls, name: str, supervised: str) -> MethodId:
        """A method whose scores come as a file; `supervised` as in `MethodCard.supervision`."""
        return cls(name, supervised=supervised)

    @classmethod
    def severity(cls) -> MethodId:
        """The strength of a synthetic degradation, which no method knows."""
        return cls(_ORACLE, options=(("known", True),))

    @property
    def is_oracle(self) -> bool:
        """Whether this is the true severity."""
        return self == MethodId.severity()

    @property
    def key(self) -> str:
        """Different for different identities, and safe in file names: `prefiqs@sface,criterion=l1,…`."""
        options = [f"{_safe(name)}={_safe(_text(value))}" for name, value in self.options]
        return ",".join([f"{_safe(self.method)}@{_safe(self.network)}", *options])

    @property
    def label(self) -> str:
        """What people read."""
        if self.is_oracle:
            return "true severity"
        if not self.network:
            return self.method
        title, options = METHODS[self.method].title, dict(self.options)
        if self.method == "prefiqs" and _PRUNING[0] in options:
            spec = PruningSpec(options["ratio"], options["granularity"], options["criterion"], options.get("seed", 0))
            return f"{title}, {spec.label}"
        names = {"ratio": "ρ"}
        told = [f"{names.get(name, name)} = {value}" for name, value in self.options]
        return f"{title} ({', '.join(told)})" if told else title

    @property
    def supervision(self) -> str:
        """ "unsupervised", "semi-supervised", "supervised", or "oracle"."""
        if self.is_oracle:
            return "oracle"
        return METHODS[self.method].supervision if self.network else self.supervised

    def columns(self, trained_on: bool) -> dict[str, Any]:
        """The values of `COLUMNS`."""
        options = dict(self.options)
        rest = {name: value for name, value in options.items() if name not in _PRUNING}
        return {
            "label": self.label, "method": self.method, "network": self.network,
            **{name: options.get(name) for name in _PRUNING},
            "options": json.dumps(rest), "supervision": self.supervision, "trained_on": trained_on,
        }  # fmt: skip


def identity_table(methods: Mapping[MethodId, bool]) -> pd.DataFrame:
    """One row a method, `key` and `COLUMNS`; `methods` says of each whether its network was trained on the images."""
    rows = [{"key": method.key, **method.columns(trained_on)} for method, trained_on in methods.items()]
    return pd.DataFrame(rows, columns=["key", *COLUMNS]).astype({"ratio": float, "trained_on": bool})


def _text(value: object) -> str:
    """A value as JSON, but a string without its quotes where it cannot be mistaken for anything else."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError:
            return value
    return json.dumps(value)


def _safe(text: str) -> str:
    return quote(text, safe="+")
