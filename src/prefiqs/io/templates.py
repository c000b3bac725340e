"""Which images make up which template: `NAME TEMPLATE MEDIUM` a line, as IJB-C has it, or a table with such columns."""

from pathlib import Path

import numpy as np

from prefiqs.errors import InputError
from prefiqs.io.user_tables import find_column, names_of, number_column, read_user_table


def read_templates(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Read images by template: n names, and int32 (n,) each, the published numbers of the template and of the medium.

    Raises `InputError` for another form or a number that is not whole.
    """
    table = read_user_table(path, {"name": "str", "template": "int32", "medium": "int32"})
    numbers = []
    for field in ("template", "media"):
        column = find_column(table, field)
        if column is None:
            raise InputError(f"{path} has no column {field}, only {', '.join(table.columns)}.")
        values = number_column(table, column, path)
        if not (np.abs(values) < 2**31).all() or (values % 1).any():
            raise InputError(f"The column {column} of {path} holds other values than whole numbers.")
        numbers.append(values.astype(np.int32))
    return names_of(table, path).tolist(), *numbers
