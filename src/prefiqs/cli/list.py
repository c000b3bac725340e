"""`prefiqs list …`: what is known and what is present."""

import typer

from prefiqs.assets.location import data_root

listing = typer.Typer(no_args_is_help=True, help="Show what is known and what is present.")


@listing.command()
def methods() -> None:
    """Quality methods and what each is."""
    from prefiqs.methods.registry import METHODS

    for name, card in METHODS.items():
        print(f"{name}: {(card.module.__doc__ or '').partition(chr(10))[0]}")


@listing.command()
def models() -> None:
    """FR models: input, size of the embedding, licence of the weights, and whether they are there."""
    from prefiqs.models.weights import card_of, known_models, weights_state

    for name in known_models():
        card, spec = card_of(name), card_of(name).input_spec
        pixels = f"{spec.colour.upper()}, (x - {spec.mean:g})/{spec.std:g}"
        size = f"{card.embedding_size}-d" if card.embedding_size else "size of the embedding as in the file"
        print(f"{name}: {card.description}; {pixels}; {size}; licence: {card.licence}; {weights_state(name)}")


@listing.command()
def assets() -> None:
    """Weights and data sets: where they lie, whether they are right, their licence."""
    from prefiqs.assets.fetch import status
    from prefiqs.assets.registry import ASSETS

    for name, state in status().items():
        print(f"{name}: {state}, {data_root() / ASSETS[name].path}, {ASSETS[name].licence}")


@listing.command()
def benchmarks() -> None:
    """Every known benchmark: built (with counts), source present, or what is missing; and those made of others."""
    from prefiqs.datasets.registry import inventory

    for line in inventory(data_root()).values():
        print(line)
