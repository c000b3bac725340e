"""`prefiqs list …`: methods, models, assets and benchmarks."""

import typer

from prefiqs.assets.location import data_root

listing = typer.Typer(no_args_is_help=True, help="List methods, models, assets and benchmarks, and what is present.")


@listing.command()
def methods() -> None:
    """Quality methods, with a description."""
    from prefiqs.methods.registry import METHODS

    for name, card in METHODS.items():
        print(f"{name}: {(card.module.__doc__ or '').partition(chr(10))[0]}")


@listing.command()
def models() -> None:
    """FR models: input, embedding size, licence of the weights, and whether the weights are present."""
    from prefiqs.models.registry import card_of, known_models, weights_state

    for name in known_models():
        card, spec = card_of(name), card_of(name).input_spec
        pixels = f"{spec.colour.upper()}, (x - {spec.mean:g})/{spec.std:g}" if spec else "input as in the file"
        size = f"{card.embedding_size}-d" if card.embedding_size else "embedding size as in the file"
        print(f"{name}: {card.description}; {pixels}; {size}; licence: {card.licence}; {weights_state(name)}")


@listing.command()
def assets() -> None:
    """Downloadable weights and data sets: status, path, licence."""
    from prefiqs.assets.fetch import ASSETS, status

    for name, state in status().items():
        print(f"{name}: {state}, {data_root() / ASSETS[name].path}, {ASSETS[name].licence}")


@listing.command()
def benchmarks() -> None:
    """Benchmarks, including degraded ones: built (with counts), source present, or what is missing."""
    from prefiqs.datasets.registry import inventory

    for line in inventory(data_root()).values():
        print(line)
