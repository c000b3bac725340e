"""Which quality measure, and which threshold, for one's own recogniser: from photos of people to a report."""

import hashlib
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.apps.evaluate.compare import Report, evaluate
from prefiqs.apps.evaluate.inputs import EvaluationInputs, Settings, labelled, read_groups
from prefiqs.apps.score.rows import LANDMARKS, read_scores
from prefiqs.apps.score.run import write_scores
from prefiqs.apps.score.scorer import PhotoScorer, Wanted
from prefiqs.datasets.pairs import cross_source_pairs
from prefiqs.datasets.people import IMPOSTORS, people_in
from prefiqs.datasets.source import LazyFaces
from prefiqs.embedding.embedder import write_embeddings
from prefiqs.errors import InputError
from prefiqs.faces.align import cut_out
from prefiqs.faces.decode import EncodedPhoto, read_file
from prefiqs.faces.find import find_images
from prefiqs.io.arrays import read_array
from prefiqs.io.atomic import read_text, write_text
from prefiqs.io.names import ImageNameIndex
from prefiqs.io.scores import read_image_scores
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import load_model


def benchmark(
    people: Path,
    out: Path,
    methods: Sequence[str],
    model: str,
    verifiers: Mapping[str, str],
    settings: Settings,
    scores: Collection[str] = (),
    lower_is_better: Collection[str] = (),
    impostors: int = IMPOSTORS,
    groups: str | None = None,
    device: str = "auto",
) -> Report:
    """Score and embed the largest face of each photo, compare all genuine and sampled impostor pairs, and report.

    What was computed before is found again in `out`, if photos, networks and options are the same. The numbers are
    those of the pipeline for a benchmark of the same faces (`build_people`).

    people: as for `people_in`. out: folder for `scores.parquet`, `embeddings/` and what `evaluate` writes. methods,
    model: as for `PhotoScorer`. verifiers: FR networks that compare the faces, names or files of weights by label.
    scores, lower_is_better: score files of other tools for the same photos, as for `read_image_scores`. impostors:
    number of pairs drawn by `settings.seed`. groups: FILE:COLUMN, as for `read_groups`.

    Raises `InputError` as these functions do, as far as possible before photos are scored, and if there are no genuine
    or no impostor pairs.
    """
    photos = people_in(people)
    if photos.warning:
        logging.getLogger(__name__).warning(photos.warning)
    person_of, nothing = photos.person_of, np.empty((0, 2), np.int64)
    of_all = ImageNameIndex(list(person_of), str(people))
    read_image_scores(map(labelled, scores), of_all, lower_is_better, nothing[:, 0], methods)
    subjects = np.array(list(person_of.values()), object)
    inputs = EvaluationInputs(list(person_of), {}, None, subjects, True, nothing, nothing[:, 0] == 1, {}, {}, unused=0)
    if groups:
        read_groups(groups, inputs)
    networks = {name: load_model(network, device=device) for name, network in verifiers.items()}
    if wrong := [name for name, network in networks.items() if network.embedding_size == 1]:
        raise InputError(f"{wrong[0]} predicts quality and cannot compare faces. Choose another --verifier.")
    scorer = PhotoScorer(methods, model, device=device)
    _check_unchanged(photos.sha256, out / "photos.json")
    write_scores(scorer, find_images(person_of), out / "scores.parquet", resume=True)
    table = read_scores(out / "scores.parquet").to_pandas()
    largest = table[table["path"].isin(person_of) & (table["face"] == 1)]
    of_photo = largest.drop_duplicates("path").set_index("path")
    names, faces = sorted(person_of, key=lambda name: name not in of_photo.index), len(of_photo)  # with a face first
    of_photo = of_photo.loc[names[:faces]]
    subjects = np.array([person_of[name] for name in names], object)
    pairs, genuine = cross_source_pairs(subjects[:faces], np.arange(faces), impostors, settings.seed)
    if genuine.all() or not genuine.any():
        lacking = "fewer than two people have a photo" if genuine.all() else "no person has two photos"
        raise InputError(f"In {people}, {lacking} with a detected face. Add photos.")
    lost, lost_genuine = _pairs_of_failures(subjects, faces, (~genuine).sum(), settings.seed)
    vectors = _embeddings(of_photo, verifiers, networks, out / "embeddings", device)
    files = [(None, out / "scores.parquet"), *map(labelled, scores)]
    found = read_image_scores(files, ImageNameIndex(names, str(people)), lower_is_better, np.arange(faces))
    absent = (0, len(names) - faces), (0, 0)  # rows of NaN below the others
    of_verifiers = {name: np.pad(of, absent, constant_values=np.nan) for name, of in vectors.items()}
    sign = {method: -1 if method in lower_is_better else 1 for method in found}
    pairs, genuine = np.concatenate([pairs, lost]), np.concatenate([genuine, lost_genuine])
    inputs = replace(inputs, names=names, verifiers=of_verifiers, subjects=subjects, pairs=pairs, genuine=genuine,
                     scores=found, sign=sign)  # fmt: skip
    pixels = {"pixels": "; ".join(f"{name} takes {network.input_spec}" for name, network in networks.items())}
    return evaluate(inputs, settings, out, people.name, read_groups(groups, inputs) if groups else None, pixels)


def _check_unchanged(sha256: Mapping[str, str], record: Path) -> None:
    """Note the checksums of the photos that results are of; `InputError` if a photo has changed since."""
    before = json.loads(read_text(record)) if record.is_file() else {}
    if changed := [name for name, digest in sha256.items() if before.get(name, digest) != digest]:
        count = f"{len(changed)} such photos"
        raise InputError(f"{changed[0]} has changed since it was scored ({count}). Choose another --out.")
    write_text(json.dumps(before | dict(sha256), indent=0), record)


def _pairs_of_failures(subjects: np.ndarray, faces: int, impostors: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The pairs that photos without a face would have had, int64 (P, 2), and bool (P,), whether they are genuine.

    subjects: of n images, those from number `faces` on without a face. All genuine pairs, and as large a share of the
    impostor pairs as `impostors` is of those among the faces.
    """
    rng, kept = np.random.default_rng(seed), []
    same = pd.Series(subjects[:faces]).value_counts().to_numpy()
    rate = impostors / ((faces**2 - (same**2).sum()) / 2)
    for failed in range(faces, len(subjects)):
        is_genuine = subjects[:failed] == subjects[failed]
        partners = np.flatnonzero(is_genuine | (rng.random(failed) < rate))
        kept.append(np.column_stack([partners, np.full(len(partners), failed), is_genuine[partners]]))
    table = np.concatenate([np.empty((0, 3), np.int64), *kept])
    return table[:, :2], table[:, 2].astype(bool)


def _embeddings(
    photos: pd.DataFrame, verifiers: Mapping[str, str], networks: Mapping[str, FaceModel], folder: Path, device: str
) -> dict[str, np.ndarray]:
    """Raw embeddings, float32 n×d by verifier, of the faces with these landmarks, indexed by path."""
    landmarks = photos[list(LANDMARKS)].to_numpy(float)
    digest = hashlib.sha256(json.dumps(photos.index.tolist()).encode() + landmarks.tobytes()).hexdigest()

    def face(row: int) -> np.ndarray:
        name = photos.index[row]
        return cut_out(EncodedPhoto(read_file(Path(name)), name), landmarks[row].reshape(5, 2), 1).image

    files, missing = {name: folder / f"{name}.npy" for name in verifiers}, {}
    for name, file in files.items():
        made_of = {"network": Wanted(None, None, verifiers[name], {}).settings(networks[name]), "faces": digest}
        record, content = file.with_suffix(".json"), json.dumps(made_of)
        if not (file.is_file() and record.is_file() and read_text(record) == content):
            missing[name] = record, content
    jobs = (networks[name] for name in missing)
    write_embeddings(jobs, LazyFaces(len(photos), face), len(photos), [files[name] for name in missing], device=device)
    for record, content in missing.values():
        write_text(content, record)
    return {name: read_array(file) for name, file in files.items()}
