"""What a column of scores is (a method, its network and options, as data), and tables of such columns."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import numpy as np
import pandas as pd

from prefiqs.errors import InputError
from prefiqs.io.tables import read_parquet, write_table
from prefiqs.methods.registry import METHODS
from prefiqs.pruning.spec import PruningSpec

Option = bool | int | float | str | list[int] | None

COLUMNS = ("label", "method", "network", "granularity", "criterion", "ratio", "options", "supervision", "trained_on")
"""What a table says of a method beside its key. `granularity`, `criterion` and `ratio` are missing where nothing is
pruned; `options` is JSON; `trained_on`: the network was trained, or the method chosen, on images of the benchmark that
is scored or, if they are degraded, on images degraded likewise."""

_PRUNING = ("granularity", "criterion", "ratio")
_safe = partial(quote, safe="+")  # in names of files


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
    def on_any_network(self) -> Self:
        """The method and its options, without the network; a quality network as it is, because it is the method."""
        return self if self.method == "quality-network" else replace(self, network="")

    @property
    def supervision(self) -> str:
        """ "unsupervised", "semi-supervised", "supervised", or "oracle"."""
        return METHODS[self.method].supervision if self.network else self.supervised


def short_label(spec: PruningSpec) -> str:
    """PreFIQs in figures, which leave out the pruning strategy if it is that of the paper."""
    pruned = f"ρ = {spec.ratio!r}" if spec == PruningSpec(spec.ratio) else spec.label
    return f"{METHODS['prefiqs'].title}, {pruned}"


def identity_table(methods: Mapping[MethodId, bool]) -> pd.DataFrame:
    """One row a method, `key` and `COLUMNS`; `methods` says of each whether it knows the images."""
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


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of n images, by their `names`: `values`, float32 n by key, higher = better.

    methods: one row per method, `key` and `COLUMNS`.
    """

    names: np.ndarray
    methods: pd.DataFrame
    values: dict[str, np.ndarray]

    @classmethod
    def of(
        cls, names: np.ndarray, scores: Mapping[MethodId, np.ndarray], trained_on: Callable[[MethodId], bool]
    ) -> Self:
        """Scores by identity; `trained_on` says of a method whether it knows these images."""
        table = identity_table({method: trained_on(method) for method in scores})
        return cls(names, table, {method.key: np.asarray(s, np.float32) for method, s in scores.items()})

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Read what `write` wrote."""
        values = read_parquet(Path(folder) / "scores.parquet", ["name"])
        methods = read_parquet(Path(folder) / "methods.parquet", ["key", *COLUMNS])
        return cls(values["name"].to_numpy(), methods, {key: values[key].to_numpy() for key in methods["key"]})

    def write(self, folder: str | Path) -> None:
        """Write `scores.parquet` (name, one column per method's key) and `methods.parquet` into a folder."""
        write_table(pd.DataFrame({"name": self.names, **self.values}), Path(folder) / "scores.parquet")
        write_table(self.methods, Path(folder) / "methods.parquet")

    def joined(self, other: Self) -> Self:
        """These scores and others of the same images. `InputError` for a method or a label that both have."""
        if not np.array_equal(self.names, other.names):
            raise InputError("Cannot join scores of different images.")
        methods = pd.concat([self.methods, other.methods], ignore_index=True)
        for column in ("key", "label"):
            if repeated := methods[column][methods[column].duplicated()].tolist():
                raise InputError(f"Two methods are called {repeated[0]!r}; rename one of them.")
        return type(self)(self.names, methods, self.values | other.values)

    def where(self, chosen: pd.Series) -> Self:
        """The scores of the methods for which a Boolean mask over `methods` is true."""
        methods = self.methods[chosen].reset_index(drop=True)
        return type(self)(self.names, methods, {key: self.values[key] for key in methods["key"]})

    def __getitem__(self, method: MethodId) -> np.ndarray:
        return self.values[method.key]

    @property
    def labels(self) -> dict[str, str]:
        """Label by key."""
        return dict(zip(self.methods["key"], self.methods["label"], strict=True))
