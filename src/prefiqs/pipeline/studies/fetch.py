"""Weights and faces in place and checked, and params.yaml checked against the networks that it names."""

from collections.abc import Callable, Iterator
from functools import cache, partial

import pandas as pd

from prefiqs.assets.fetch import ASSETS, fetch_all
from prefiqs.errors import ConfigError, InputError
from prefiqs.faces.decode import read_photo
from prefiqs.methods._probes import require_layers, require_length
from prefiqs.methods.registry import METHODS, PreparedScorer, deciding_options
from prefiqs.models.face_model import ARCFACE_INPUT, FaceModel
from prefiqs.models.graph import GraphModel
from prefiqs.models.loading import load_model
from prefiqs.models.registry import MODELS, ModelCard, card_of, missing_weights, published_weights, weights_are_here
from prefiqs.models.vit import ViT
from prefiqs.pipeline.identity import MethodId
from prefiqs.pipeline.params import Method, Params
from prefiqs.pipeline.run import Run
from prefiqs.pruning.mask import prunable_weights
from prefiqs.pruning.prune import select_masks
from prefiqs.pruning.spec import PruningSpec
from prefiqs.reporting.figures.faces import face_grid
from prefiqs.reporting.study import Figure, Study, Table, saved_as

SHOWN = 10  # people of ORL


class FetchStudy(Study):
    """What a run starts from. `layers`: of the first quality estimator. `photos`: of some people of ORL, if allowed."""

    assets: Table = saved_as("assets")
    networks: Table = saved_as("networks")
    layers: Table
    photos: Figure | None
    photo_count: int


def fetch_study(run: Run) -> FetchStudy:
    """Check the parameters, then bring the assets of this run to data/assets and its weights to data/weights.

    Raises `ConfigError` if a network or method cannot be used, `AssetError` if an asset cannot be obtained.
    """
    check_networks(run.params)
    names = dict.fromkeys(network for _, network, _ in _uses(run.params))
    unused = {card.asset for name, card in MODELS.items() if name not in names}
    paths = fetch_all([asset for asset in ASSETS if asset not in unused], run.layout.data)
    sizes = {name: published_weights(name, run.layout.data / "weights").stat().st_size / 1e6 for name in names}
    networks = [(name, size, card_of(name).licence) for name, size in sizes.items()]
    assets = [(name, ASSETS[name].description, ASSETS[name].licence) for name in paths]
    estimator = run.params.models.quality[0]
    prunable = prunable_weights(load_model(estimator, device="cpu"))
    layers = [(name, " × ".join(map(str, weight.shape)), weight.numel()) for name, weight in prunable.items()]
    photos = None
    if run.shows_faces_of("orl"):
        files = {f"person {person}": paths["orl"] / f"s{person}" / "1.pgm" for person in range(1, SHOWN + 1)}
        photos = face_grid([read_photo(file) for file in files.values()], list(files))
    return FetchStudy(
        _table(assets, ["asset", "what", "licence"], "What is fetched, once, and checked by SHA-256"),
        _table(networks, ["network", "weights (MB)", "licence"], "The networks of this run"),
        _table(layers, ["layer", "shape", "weights"], f"Prunable layers of {estimator}"),
        photos,
        photo_count=len([*paths["orl"].rglob("*.pgm")]),
    )


def _table(rows: list[tuple], columns: list[str], caption: str) -> Table:
    return Table(pd.DataFrame(rows, columns=columns), caption, digits=1)


def check_networks(params: Params, thorough: bool = True) -> None:
    """Check what params.yaml says about networks before anything runs; nothing is downloaded, no weights are read.

    thorough: if False, this takes seconds instead of minutes: weights may be missing, and methods that take derivatives
    are not compiled, so a wrong value of one of their options goes unnoticed.
    Raises `ConfigError` for a network that is unknown, missing, or unsuitable for the key that names it.
    """
    network_of = cache(_network)
    for key, name, check in _uses(params, thorough):
        try:
            if thorough and (missing := missing_weights(name)):
                raise InputError(missing)
            if network := network_of(name):
                check(network)
        except InputError as error:
            raise ConfigError(f"params.yaml, `{key}`: {error}") from error
    _check_every_method_once(params)


def _check_every_method_once(params: Params) -> None:
    """Refuse a method that is there already under another name, by every option that decides, given or default."""
    seen = dict[MethodId, str]()
    for model in params.models.quality:
        own = [MethodId.of("norm", model), *(MethodId.of_spec(model, spec) for spec in params.prune.specs)]
        seen |= {_with_defaults(method): f"{method.label!r} with {model}" for method in own}
    for name, entry in params.methods.entries.items():
        if (same := seen.setdefault(_with_defaults(entry.id), repr(name))) != repr(name):
            raise ConfigError(f"params.yaml, `methods.compared`: {name!r} is the same as {same}.")


def _with_defaults(method: MethodId) -> MethodId:
    options = deciding_options(method.method, dict(method.options))
    if options.get("criterion") == "l1":
        del options["seed"]  # which only random pruning reads
    return MethodId.of(method.method, method.network, **options)


def _uses(params: Params, thorough: bool = True) -> Iterator[tuple[str, str, Callable[[FaceModel], object]]]:
    """The key of params.yaml that names a network, its name, and a check that it suits that key."""
    for name in params.models.quality:
        granularities = dict.fromkeys(spec.granularity for spec in params.prune.specs_of(name))
        yield "models.quality", name, partial(_check_estimator, [PruningSpec(0.5, each) for each in granularities])
        if params.ablation.benchmarks:
            yield "ablation.benchmarks", name, partial(PreparedScorer, "ser-fiq")
    for name in params.prune.strategies:
        yield "prune.strategies", name, _check_verifier
    for name in params.models.cross:
        yield "models.cross", name, _check_verifier
    for name, entry in params.methods.entries.items():
        yield f"methods.known.{name}", entry.model, partial(_check_method, entry, thorough)
    for name in params.transformer.models:
        yield "transformer.models", name, partial(PreparedScorer, "ex-fiqa")
        yield "transformer.models", name, partial(PreparedScorer, "vitnt-fiqa")
        yield "transformer.exits", name, partial(_check_depth, max(params.transformer.exits))
        yield "transformer.first_depth", name, partial(_check_depth, params.transformer.first_depth)


def _check_verifier(network: FaceModel) -> None:
    if network.embedding_size == 1:
        raise InputError(f"{network.name} is a quality network without embeddings, so it cannot verify.")


def _check_estimator(specs: list[PruningSpec], network: FaceModel) -> None:
    _check_verifier(network)
    select_masks(network, specs)
    require_length(network, "norm", "cpu")  # to which every estimator is compared


def _check_depth(block: int, network: FaceModel) -> None:
    if isinstance(network, ViT) and block > (depth := len(network.blocks)):
        raise InputError(f"{network.name} has {depth} blocks, so there is no block {block}.")


def _check_method(entry: Method, thorough: bool, network: FaceModel) -> None:
    """Prepare a method as its stage will; one that has to be calibrated is not, as there are no faces yet."""
    card = METHODS[entry.method]
    derives = card.passes is None or card.passes[1] > 0
    if card.calibrates or (derives and not thorough):
        deciding_options(entry.method, entry.options)
        require_layers(network, entry.method)
    else:
        PreparedScorer(entry.method, network, **entry.options)


def _network(name: str) -> FaceModel | None:
    """A network without its weights. If only its file says how it is built, the loaded file; None if not here yet."""
    card = card_of(name)
    if card.network:
        return card.network(name=name, input_spec=card.input_spec)
    if weights_are_here(name):
        return load_model(name, device="cpu")
    return _GraphToCome(card) if card.asset and ASSETS[card.asset].path.endswith(".tflite") else None


class _GraphToCome(GraphModel):
    """A TFLite graph whose file is not here yet."""

    def __init__(self, card: ModelCard):
        FaceModel.__init__(self, card.name, card.input_spec or ARCFACE_INPUT, card.embedding_size or 1)
        self.eval()
