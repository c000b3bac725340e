"""What a column of scores is: a method, the network it runs on, and its options, as data."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

import pandas as pd

from prefiqs.methods.registry import METHODS
from prefiqs.pruning.spec import PruningSpec

Option = bool | int | float | str | list[int] | None

COLUMNS = ("label", "method", "network", "granularity", "criterion", "ratio", "options", "supervision", "trained_on")
"""What a table says of a method beside its key. `granularity`, `criterion` and `ratio` are missing where nothing is
pruned; `options` is JSON; `trained_on`: the network was trained, or the method
calibrated, on images of the benchmark that is scored or, if they are degraded, on images degraded likewise."""

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
    def of(cls, method: str, network: str = "", **options: Option) -> Self:
        """The identity of a method with options."""
        frozen = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
        return cls(method, network, tuple(sorted(frozen.items())))

    @classmethod
    def of_spec(cls, network: str, spec: PruningSpec) -> Self:
        """PreFIQs with one pruned network."""
        seed = {"seed": spec.seed} if spec.criterion == "random" else {}
        return cls.of("prefiqs", network, **{name: getattr(spec, name) for name in _PRUNING}, **seed)

    @classmethod
    def severity(cls) -> Self:
        """How strongly an image was degraded: a bound that no method can know."""
        return cls("severity", options=(("known", True),), supervised="oracle")

    @property
    def key(self) -> str:
        """Different for different identities, and safe in file names: `prefiqs@sface,criterion=l1,…`."""
        options = [f"{_safe(name)}={_safe(_text(value))}" for name, value in self.options]
        return ",".join([f"{_safe(self.method)}@{_safe(self.network)}", *options])

    @property
    def label(self) -> str:
        """What people read."""
        if not self.network:
            return "true severity" if self.supervised == "oracle" else self.method
        title, options = METHODS[self.method].title, dict(self.options)
        if self.method == "quality-network":
            title = self.network  # the network is the method
        spec = {name: options[name] for name in PruningSpec.__annotations__ if name in options}
        if self.method == "prefiqs" and set(_PRUNING) <= spec.keys():
            return f"{title}, {PruningSpec(**spec).label}"
        told = [f"{'ρ' if name == 'ratio' else name} = {value}" for name, value in self.options]
        return f"{title} ({', '.join(told)})" if told else title

    @property
    def supervision(self) -> str:
        """ "unsupervised", "semi-supervised", "supervised", or "oracle"."""
        return METHODS[self.method].supervision if self.network else self.supervised


def short(label: str) -> str:
    """A label for figures, without the pruning strategy of the paper."""
    return label.replace("unstructured L1, ", "")


def identity_table(methods: Mapping[MethodId, bool]) -> pd.DataFrame:
    """One row a method, `key` and `COLUMNS`; `methods` says of each whether its network was trained on the images."""
    rows = []
    for method, trained_on in methods.items():
        options = dict(method.options)
        pruning = [options.pop(name, None) for name in _PRUNING]
        names = method.key, method.label, method.method, method.network
        rows.append([*names, *pruning, json.dumps(options), method.supervision, trained_on])
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
