"""What several commands share: options, and how NAME=VALUE is read."""

from functools import partial
from typing import Annotated

from typer import Option

from prefiqs.errors import InputError

ray_option = partial(Option, rich_help_panel="Ray")

Model = Annotated[str, Option(help="Face recognition model (see `prefiqs list models`), or an .onnx file.")]
Method = Annotated[str, Option(help="Quality method (see `prefiqs list methods`).", rich_help_panel="Method")]
Methods = Annotated[
    str,
    Option(
        "--method",
        help="Quality methods, separated by commas (see `prefiqs list methods`); METHOD@MODEL sets the network of one.",
        rich_help_panel="Method",
    ),
]
Aligned = Annotated[bool, Option("--aligned", help="The photos are already aligned 112×112 faces.")]
AllFaces = Annotated[bool, Option("--all-faces", help="Use every face of a photo, one row each, not only the largest.")]
Device = Annotated[str, Option(help="auto (a GPU if available), cpu, cuda or cuda:N.")]
Workers = Annotated[int | None, ray_option(help="Number of processes; default: one per GPU, or one per machine.")]
ShardSize = Annotated[int, ray_option(help="Images per shard; a tar or zip file is always one shard.")]
Settings = Annotated[
    list[str] | None, Option("--set", help="KEY=VALUE: a parameter to change, such as edc.limit=0.2; may be repeated.")
]
Fmrs = Annotated[list[float], Option("--fmr", help="Target FMR; may be repeated.")]
FMRS = [1e-3, 1e-4]
TargetFnmrs = Annotated[
    list[float],
    Option("--target-fnmr", help="Target FNMR that the rejection threshold must reach; may be repeated."),
]
TARGET_FNMRS = [0.05]
LowerIsBetter = Annotated[list[str] | None, Option(help="Method whose lower scores are better; may be repeated.")]
Groups = Annotated[str | None, Option(help="FILE:COLUMN: a table that puts images or people into 2 to 20 groups.")]
Address = Annotated[str | None, ray_option(help="Address of a running cluster; default: this machine.")]


def name_value_pairs(flag: str, given: list[str] | None) -> dict[str, str]:
    """The values by name of an option that is given as NAME=VALUE, any number of times."""
    pairs = [pair.partition("=") for pair in given or []]
    if bad := [name for name, equals, _ in pairs if not equals]:
        raise InputError(f"{flag} needs NAME=VALUE, not {bad[0]!r}.")
    return {name: value for name, _, value in pairs}
