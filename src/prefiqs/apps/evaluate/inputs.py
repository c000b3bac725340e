"""What a user brings: settings, and embeddings, pairs, scores and groups, read and brought into one order."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.datasets.benchmark import Templates
from prefiqs.datasets.lfw import is_lfw_list, read_lfw_pairs
from prefiqs.datasets.pairs import linked, people_of
from prefiqs.errors import InputError
from prefiqs.evaluation.bootstrap import numbered_people
from prefiqs.evaluation.edc import EdcProtocol
from prefiqs.evaluation.groups import Grouping
from prefiqs.evaluation.inputs import check_choice
from prefiqs.evaluation.templates import pool_templates
from prefiqs.io.embeddings import Embeddings, is_array, read_embeddings
from prefiqs.io.names import ImageNameIndex
from prefiqs.io.pairs import read_pairs, read_template_pairs, read_templates
from prefiqs.io.scores import read_image_scores, split_column
from prefiqs.io.user_tables import find_column, names_of, read_user_table

RANDOM_ORDERS = 10
MOST_GROUPS = 20


@dataclass(frozen=True)
class Settings(EdcProtocol):
    """How curves are drawn, areas taken, and intervals made.

    resamples: of the bootstrap; 0 = no intervals and no verdict on methods, as with fewer than ten people; None =
        1,000, but 100 above a million pairs. resample_unit: "people" or "pairs", for the areas.
    seed: of all draws. target_fnmrs: for which the lowest rejection threshold is sought, each in (0, 1).
    """

    resamples: int | None = None
    resample_unit: str = "people"
    seed: int = 0
    target_fnmrs: tuple[float, ...] = (0.05,)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self.resample_unit, "resample_unit", ("people", "pairs"))
        if self.resamples is not None and self.resamples < 0:
            raise InputError(f"The number of bootstrap resamples cannot be {self.resamples}; 0 means no intervals.")
        if self.seed < 0:
            raise InputError(f"The seed must be at least 0, not {self.seed}.")
        for target in self.target_fnmrs:
            if not 0 < target < 1:
                raise InputError(f"The target FNMR must be above 0 and below 1, not {target}; 0.05 is usual.")


@dataclass(frozen=True, eq=False)
class EvaluationInputs:
    """The embeddings of any number of verifiers, the pairs they compare, and the scores of any number of methods."""

    names: list[str]  # of n images, those that occur in pairs
    verifiers: dict[str, np.ndarray]  # embeddings of images, float n×d, not normalised, a row of NaN where there is no
    # face; or those of templates, pooled
    templates: Templates | None  # the sets of images that are compared; None if single images are
    subjects: np.ndarray  # person shown in each image or, if there are any, template, as text
    named_people: bool  # listed in a file, not inferred from the pairs
    pairs: np.ndarray  # int P×2, rows of `names` or `templates`
    genuine: np.ndarray  # bool P
    scores: dict[str, np.ndarray]  # by method, float64 n, higher = better; NaN for an image that it could not score
    sign: dict[str, int]  # by method, −1 if its scores were negated because lower is better, else 1
    unused: int  # embedded images that occur in no pair


def read_inputs(
    scores: Collection[str],
    embeddings: Collection[str],
    pairs: Path,
    names: Path | None = None,
    lower_is_better: Collection[str] = (),
    templates: Path | None = None,
) -> EvaluationInputs:
    """Read score files (PATH or METHOD=PATH), embeddings (PATH or VERIFIER=PATH) and a pair list; formats as in `io`.

    names: of the rows of all embeddings that are arrays. templates: which images make up which template, where `pairs`
    has pairs of templates; without `names`, rows of arrays are its lines. Pairs may also be LFW's or XQLFW's own list.

    Raises `InputError` for what these readers refuse, for two verifiers of one name, for an image of a pair that a
    verifier has no embedding of, and for people who contradict the pair list.
    """
    listed, *numbers = ([],) if templates is None else read_templates(templates)
    paths: dict[str, Path] = {}
    for label, path in map(labelled, embeddings):
        verifier = label or (path.name if path.is_dir() else path.stem)
        if verifier in paths:
            raise InputError(f"Two verifiers are called {verifier!r}. Rename one: --embeddings NAME={path}.")
        paths[verifier] = path
    of_rows = names or listed or None
    tables = (
        (verifier, read_embeddings(path, of_rows if is_array(path) or len(paths) == 1 else None))
        for verifier, path in paths.items()
    )
    first, own = next(tables)
    images, people = own.names, own.subjects
    if templates is None:
        rows, genuine = _read_pairs(pairs, images)
        used, compact = np.unique(rows, return_inverse=True)
        compact, sets = compact.reshape(rows.shape), None
        listed = [images.all[row] for row in used]
        who = np.array(people_of(listed, compact[genuine]))
    else:
        used, sets = images.rows(listed), Templates.of(*numbers)
        compact, genuine = read_template_pairs(pairs, sets.ids)
        who = sets.ids[linked(len(sets), compact[genuine])].astype(str)
    verifiers = {first: _compared(first, own, listed, sets)}
    del own  # embeddings of millions of images are large, so there are those of one verifier at a time
    for verifier, own in tables:
        verifiers[verifier] = _compared(verifier, own, listed, sets)
        del own
    by_method = read_image_scores(map(labelled, scores), images, lower_is_better, used)
    by_method = {method: values[used] for method, values in by_method.items()}
    if named := people is not None:
        shown = who = people[used]
        if sets is not None:
            who = shown[np.unique(sets.rows, return_index=True)[1]]
            if len(wrong := np.flatnonzero(who[sets.rows] != shown)):
                template, image = f"Template {sets.ids[sets.rows[wrong[0]]]}", repr(listed[wrong[0]])
                raise InputError(f"{template} has images of several people: {image} is of {shown[wrong[0]]}.")
    number = np.unique(who, return_inverse=True)[1]
    wrong = (number[compact[:, 0]] == number[compact[:, 1]]) != genuine
    if wrong.any():
        row = int(wrong.argmax())
        left, right = (f"{listed[i] if sets is None else sets.ids[i]} ({who[i]})" for i in compact[row])
        what = f"{pairs} has {left} and {right} as {'a genuine' if genuine[row] else 'an impostor'} pair"
        if named:
            raise InputError(f"{what}, which contradicts the people listed ({int(wrong.sum())} such pairs). Correct "
                             "the pair list or the column subject.")  # fmt: skip
        logging.getLogger(__name__).warning(
            "%s, although other genuine pairs connect them (%d such pairs). Check the labels.", what, wrong.sum()
        )
    sign = {method: -1 if method in lower_is_better else 1 for method in by_method}
    unused = len(images) - len(set(used.tolist()))
    return EvaluationInputs(listed, verifiers, sets, who, named, compact, genuine, by_method, sign, unused)


def _compared(verifier: str, own: Embeddings, images: list[str], templates: Templates | None) -> np.ndarray:
    """The embeddings of the images, in this order, or of the templates; `InputError` if there is none of an image."""
    places = own.names.rows(images)
    if len(lacking := np.flatnonzero(places < 0)):
        name, counts = images[lacking[0]], f"{len(lacking)} of {len(images)} images lack one"
        raise InputError(f"{verifier} has no embedding of {name!r} ({counts}): it {own.names.why_unknown(name)}.")
    in_order = np.array_equal(places, np.arange(len(own.names)))
    return pool_templates(own.vectors if in_order else own.vectors[places], templates)


def _read_pairs(path: Path, images: ImageNameIndex) -> tuple[np.ndarray, np.ndarray]:
    if not is_lfw_list(path):
        return read_pairs(path, images)
    names, local, genuine, _ = read_lfw_pairs(path)
    rows = images.rows(names)
    if len(lacking := np.flatnonzero(rows < 0)):
        name = names[lacking[0]]
        raise InputError(f"The image {name} of {path} {images.why_unknown(name)} ({len(lacking)} such images).")
    return rows[local], genuine


def read_groups(given: str, inputs: EvaluationInputs) -> Grouping:
    """Read FILE:COLUMN, a table with a column that names images (or people: `subject`) and one of groups.

    An image without a row or without a value is in no group, nor is a template with images of several groups.
    Raises InputError for another form, an unknown column, an image or a person in two groups, fewer than two groups or
    more than 20.
    """
    file, _, column = given.rpartition(":")
    path = Path(file)
    if not file:
        raise InputError(f"--groups needs FILE:COLUMN, such as people.csv:sex, not {given!r}.")
    tables = (read_user_table(path, {field: "str"}) for field in ("name", "subject"))
    table = next((table for table in tables if column in table), None)
    if table is None:
        raise InputError(f"{path} needs a column {column!r} and one that names images (name) or people (subject).")
    table = table[table[column].notna() & (table[column].astype(str).str.strip() != "")]
    whole = (int(v) if isinstance(v, float) and v.is_integer() else v for v in table[column])
    who = find_column(table, "subject")
    if who is not None and find_column(table, "name") is None:
        people, asked = pd.Index(np.unique(inputs.subjects)), table[who].astype(str)
        rows, places = people.get_indexer(asked), people.get_indexer(inputs.subjects)
    else:
        asked = names_of(table, path)
        rows, places = ImageNameIndex(inputs.names, "the images").rows(asked), np.arange(len(inputs.names))
    found = pd.DataFrame({"asked": asked, "row": rows, "value": [str(value).strip() for value in whole]})
    found = found[found["row"] >= 0]
    if found.empty:
        unknown = "" if inputs.named_people else " People have no names here: list them with the embeddings (subject)."
        raise InputError(f"{path} names none of the compared images or people. Check the names.{unknown}")
    if (twice := found.groupby("row")["value"].transform("nunique") > 1).any():
        raise InputError(f"{path} has two values of {column} for {found.loc[twice, 'asked'].iloc[0]!r}. Remove one of "
                         "them.")  # fmt: skip
    values = found.drop_duplicates("row").set_index("row")["value"].reindex(places)
    if inputs.templates is not None and len(values) == len(inputs.names):
        of_set = values.groupby(inputs.templates.rows)
        values = of_set.first().where(of_set.nunique(dropna=False) == 1)
    group, names = pd.factorize(values, sort=True)
    if not 2 <= len(names) <= MOST_GROUPS:
        wanted = f"2 to {MOST_GROUPS} values for these images, not {len(names)}"
        raise InputError(f"The column {column} of {path} must have {wanted}. Combine ages and the like into ranges.")
    return Grouping(names.tolist(), group, numbered_people(inputs.subjects))


def labelled(given: str) -> tuple[str | None, Path]:
    """Return the name, if given, and the path of NAME=PATH or PATH; a path may hold a `=` itself."""
    name, equals, path = given.partition("=")
    if not equals or Path(given).exists() or not split_column(Path(path))[0].exists():
        return None, Path(given)
    return name, Path(path)
