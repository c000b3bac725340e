"""Options of several commands, and how NAME=VALUE is read."""

from typing import Annotated

from typer import Option

from prefiqs.errors import InputError

Model = Annotated[str, Option(help="Face recognition model (see `prefiqs list models`), or an .onnx file.")]
Methods = Annotated[
    str,
    Option(
        "--method",
        help="Quality methods, separated by commas (see `prefiqs list methods`); METHOD@MODEL sets the network of one.",
        rich_help_panel="Method",
    ),
]
Device = Annotated[str, Option(help="auto (a GPU if available), cpu, cuda or cuda:N.")]


def name_value_pairs(flag: str, given: list[str] | None) -> dict[str, str]:
    """The values by name of an option that is given as NAME=VALUE, any number of times."""
    pairs = [pair.partition("=") for pair in given or []]
    if bad := [name for name, equals, _ in pairs if not equals]:
        raise InputError(f"{flag} needs NAME=VALUE, not {bad[0]!r}.")
    return {name: value for name, _, value in pairs}
