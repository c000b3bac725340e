"""ORL and the cross-quality benchmark built from it: counts, labels, repeatability, files, known error rates."""

import dataclasses
import hashlib

import numpy as np
import pandas as pd
import pytest
from photo_sets import encoded, picture
from small_networks import synthetic_faces

import prefiqs
from prefiqs.datasets.benchmark import Benchmark, Templates, save_benchmark
from prefiqs.datasets.cross_quality import build_cross_quality, same_pixels
from prefiqs.datasets.orl import build_orl
from prefiqs.datasets.pairs import all_pairs, with_folds
from prefiqs.datasets.source import LazyFaces, face_index
from prefiqs.errors import InputError, NoFaceFound
from prefiqs.evaluation.error_rates import fnmr_at_fmr
from prefiqs.evaluation.pairs import cosine_similarity
from prefiqs.faces.degrade import degrade

STRONGEST = {"gaussian-blur": 4.0, "jpeg": 95.0, "occlusion": 0.4}


@pytest.fixture(scope="module")
def source() -> Benchmark:
    """Four people with three faces each."""
    names = [f"s{person}/{i}.pgm" for person in range(1, 5) for i in range(1, 4)]
    images = synthetic_faces(len(names))
    return Benchmark("small", images, face_index(names), *all_pairs(np.array([n.split("/")[0] for n in names])))


def cross_quality(source: Benchmark, copies: int = 3, seed: int = 7, impostors: int = 50) -> Benchmark:
    return build_cross_quality("small-xq", source, copies, STRONGEST, impostors, seed)


def first_of(source: Benchmark, n: int) -> Benchmark:
    index = source.index[:n]
    return Benchmark("part", source.images[:n], index, *all_pairs(index["subject"].to_numpy()))


def assert_same_benchmark(one: Benchmark, other: Benchmark) -> None:
    """But for the checksums, which a benchmark has once it was saved."""
    for field in dataclasses.fields(Benchmark):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, pd.DataFrame):
            pd.testing.assert_frame_equal(*(index.drop(columns="sha256", errors="ignore") for index in (a, b)))
        elif isinstance(a, Templates):
            for part in ("rows", "media", "ids"):
                np.testing.assert_array_equal(getattr(a, part), getattr(b, part))
        else:
            np.testing.assert_array_equal(a, b)


def test_orl_has_the_published_counts(orl):
    assert orl.summary() == {"images": 400, "people": 40, "genuine": 1800, "impostor": 78000}
    assert (orl.images.shape, orl.images.dtype) == ((400, 112, 112, 3), np.uint8)
    assert list(orl.names[[0, 9, 10, 399]]) == ["s1/1.pgm", "s1/10.pgm", "s2/1.pgm", "s40/10.pgm"]
    assert list(orl.subjects[[0, 9, 10, 399]]) == ["s1", "s1", "s2", "s40"]
    assert (orl.images == orl.images[..., :1]).all()  # grey photos


def test_the_index_of_orl(orl, tmp_path):
    save_benchmark(orl, tmp_path)
    index = prefiqs.load_benchmark("orl", tmp_path).index
    assert list(index) == ["name", "subject", "source", "sha256", "degradation", "severity"]
    assert (index["severity"] == 0).all()
    assert (index["degradation"] == "none").all()
    assert index["sha256"].nunique() == 400
    assert index["sha256"][123] == hashlib.sha256(orl.images[123].tobytes()).hexdigest()


# The reference of issue 2 is "about 0.1, 0.2 and 0.7 %", that is 2, 4 and 13 of 1,800 genuine pairs; 2, 4 and 8 were
# measured when this was written. The bounds leave room for a handful of pairs, as another release of OpenCV may move
# landmarks a little; a wrong colour order, crop or scaling costs several percent.
@pytest.mark.long
@pytest.mark.parametrize(
    ("model", "at_most"), [("sface", 0.003), ("mobilefacenet-512", 0.005), ("mobilefacenet-192", 0.010)]
)
def test_known_error_rates_of_aligned_orl(orl, orl_embeddings, model, at_most):
    similarity = cosine_similarity(orl_embeddings[model], orl.pairs)
    fnmr = fnmr_at_fmr(similarity, orl.genuine, fmr=1e-3)
    assert 0 < fnmr <= at_most


def test_a_photo_without_a_face_stops_orl(tmp_path):
    (tmp_path / "s1").mkdir()
    (tmp_path / "s1" / "1.pgm").write_bytes(encoded(picture(1)))

    def refuse(photo):
        np.testing.assert_array_equal(photo, picture(1))
        raise NoFaceFound("none")

    with pytest.raises(NoFaceFound, match="none"):
        build_orl(tmp_path, refuse)


def test_cross_quality_is_repeatable_by_seed(source):
    assert_same_benchmark(cross_quality(source), cross_quality(source))
    other = cross_quality(source, seed=8)
    degraded = other.index["severity"] > 0
    assert (cross_quality(source).index["severity"] != other.index["severity"])[degraded].all()


def test_cross_quality_labels(source):
    copies = 4
    benchmark = cross_quality(source, copies)
    index = benchmark.index
    assert benchmark.images.shape == (12 * copies, 112, 112, 3)
    assert list(index) == list(source.index)
    assert index["name"].is_unique
    assert list(index["source"]) == list(np.repeat(source.names, copies))
    assert list(index["subject"]) == list(np.repeat(source.subjects, copies))
    # Copy 0 is the face itself; copy c has a severity in the c-th third, and another kind than the other copies.
    clean = index.iloc[::copies]
    assert set(clean["degradation"]) == {"none"} and (clean["severity"] == 0).all()
    np.testing.assert_array_equal(benchmark.images[::copies], source.images)
    graded = index.drop(clean.index)
    stratum = np.tile(np.arange(3), 12)
    assert ((graded["severity"] >= stratum / 3 - 1e-4) & (graded["severity"] <= (stratum + 1) / 3 + 1e-4)).all()
    assert (graded.groupby("source")["degradation"].nunique() == 3).all()
    assert set(graded["degradation"]) == set(STRONGEST)


def test_cross_quality_images_are_what_their_labels_say(source):
    """Blur and compression have nothing random in them: kind and severity alone give the pixels."""
    benchmark = cross_quality(source)
    checked = 0
    for image, row in zip(benchmark.images, benchmark.index.itertuples(), strict=True):
        if row.degradation not in ("occlusion", "none"):
            face = source.images[list(source.names).index(row.source)]
            rng = np.random.default_rng(0)
            np.testing.assert_array_equal(
                image, degrade(face, row.degradation, row.severity, STRONGEST[row.degradation], rng)
            )
            checked += 1
    # two degraded copies of twelve faces, of which a third is covered
    assert checked == 16


def test_cross_quality_pairs(source):
    """Genuine: 3 pairs of photos for each of 4 people, in 3×3 copies; impostor: as many as wanted, or all there are."""
    wanted = cross_quality(source)
    assert wanted.summary() == {"images": 36, "people": 4, "genuine": 4 * 3 * 9, "impostor": 50}
    sources = wanted.index["source"].to_numpy()
    assert (sources[wanted.pairs[:, 0]] != sources[wanted.pairs[:, 1]]).all()
    assert cross_quality(source, impostors=10**6).summary()["impostor"] == (66 - 12) * 9


def test_a_smaller_cross_quality_benchmark_is_the_beginning_of_a_larger_one(source):
    small, large = cross_quality(first_of(source, 6)), cross_quality(source)
    np.testing.assert_array_equal(small.images, large.images[:18])
    pd.testing.assert_frame_equal(small.index, large.index[:18])


def test_more_copies_than_kinds(source):
    index = cross_quality(source, copies=6).index
    assert (index.groupby("source")["degradation"].nunique() == 1 + 3).all()
    assert (index.groupby("source").size() == 6).all()


def test_faces_are_found_again_by_their_pixels(source, tmp_path):
    benchmark = cross_quality(source)
    for each in (source, benchmark):
        save_benchmark(each, tmp_path)
    rows = same_pixels(*(prefiqs.load_benchmark(name, tmp_path).index for name in ("small-xq", "small")))
    np.testing.assert_array_equal(rows[::3], np.arange(12))  # copy 0 is the face itself
    for image, row in zip(benchmark.images, rows, strict=True):
        same = [np.array_equal(image, face) for face in source.images]
        assert (row == -1 and not any(same)) or same[row]


@pytest.mark.parametrize("folded", [True, False])
def test_what_is_saved_is_loaded(source, tmp_path, folded):
    benchmark = cross_quality(source, impostors=10**6)
    if folded:
        benchmark = with_folds(benchmark, folds=2, per_fold=5, seed=3)
        assert sorted(benchmark.folds)[-20:] == [0] * 10 + [1] * 10
    folder = save_benchmark(benchmark, tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["images.npy", "index.parquet", "pairs.parquet"]
    loaded = prefiqs.load_benchmark("small-xq", tmp_path)
    assert [hashlib.sha256(i.tobytes()).hexdigest() for i in benchmark.images] == list(loaded.index["sha256"])
    assert_same_benchmark(loaded, benchmark)
    assert isinstance(loaded.images, np.memmap)
    assert (loaded.pairs.dtype, loaded.genuine.dtype) == (np.int32, bool)


@pytest.mark.parametrize("name", ["images.npy", "index.parquet", "pairs.parquet"])
def test_a_benchmark_with_a_file_missing(source, tmp_path, name):
    folder = save_benchmark(source, tmp_path)
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"Benchmark 'small' has no {name} in {folder}. Build it with `dvc repro`"):
        prefiqs.load_benchmark("small", tmp_path)


def test_a_benchmark_that_was_never_built(tmp_path):
    with pytest.raises(
        InputError, match="Benchmark 'lfw' has no images.npy, index.parquet, pairs.parquet in .*Build it"
    ):
        prefiqs.load_benchmark("lfw", str(tmp_path))


def test_a_benchmark_whose_files_do_not_belong_together(source, tmp_path):
    folder = save_benchmark(source, tmp_path)
    np.save(folder / "images.npy", source.images[:5])
    with pytest.raises(InputError, match="index.parquet has 12 rows for 5 images. Rebuild it"):
        prefiqs.load_benchmark("small", tmp_path)


def with_everything(source: Benchmark, images) -> Benchmark:
    """Images of three templates, two images excluded, labels, and no SHA-256 yet."""
    index = source.index.assign(quality=np.linspace(0, 1, 12))
    templates = Templates.of(np.repeat([30, 7, 12], 4), np.tile([5, 5, 9, 5], 3))
    pairs, genuine = np.array([[0, 1], [2, 1]], np.int32), np.array([True, False])
    excluded = (("s9/1.pgm", "no face, or two"), ("NA", ""))
    return dataclasses.replace(
        source, images=images, index=index, pairs=pairs, genuine=genuine, templates=templates, excluded=excluded
    )


def test_templates_are_numbered_in_ascending_order_of_their_published_numbers(source):
    templates = with_everything(source, source.images).templates
    assert templates.ids.tolist() == [7, 12, 30]
    assert templates.rows.tolist() == [2] * 4 + [0] * 4 + [1] * 4
    assert len(templates) == 3
    assert (templates.ids.dtype, templates.rows.dtype, templates.media.dtype) == (np.int32,) * 3


def test_templates_excluded_images_and_labels_are_saved_and_loaded(source, tmp_path):
    benchmark = with_everything(source, source.images)
    assert benchmark.summary() == {
        "images": 12, "people": 4, "genuine": 1, "impostor": 1, "templates": 3, "excluded": 2
    }  # fmt: skip
    save_benchmark(benchmark, tmp_path)
    loaded = prefiqs.load_benchmark("small", tmp_path)
    # SHA-256 of each face is added as images pass by.
    assert list(loaded.index) == ["name", "subject", "source", "sha256", "degradation", "severity", "quality"]
    assert list(loaded.index["sha256"]) == [hashlib.sha256(image.tobytes()).hexdigest() for image in source.images]
    assert "sha256" not in benchmark.index
    assert_same_benchmark(loaded, benchmark)
    assert loaded.summary() == benchmark.summary()


def test_what_a_benchmark_no_longer_has_leaves_no_file(source, tmp_path):
    folder = save_benchmark(with_everything(source, source.images), tmp_path)
    assert {"templates.parquet", "excluded.parquet"} < {path.name for path in folder.iterdir()}
    save_benchmark(source, tmp_path)
    assert_same_benchmark(prefiqs.load_benchmark("small", tmp_path), source)


def test_faces_made_while_saving_are_those_saved_at_once(source, tmp_path):
    lazy = dataclasses.replace(source, images=LazyFaces(12, lambda i: source.images[i]))
    for name, benchmark in (("lazy", lazy), ("whole", source)):
        save_benchmark(dataclasses.replace(benchmark, name=name), tmp_path)
    for file in ("images.npy", "index.parquet"):
        one, other = ((tmp_path / "benchmarks" / name / file).read_bytes() for name in ("lazy", "whole"))
        assert one == other


def test_saving_that_breaks_off_leaves_the_old_benchmark(source, tmp_path):
    save_benchmark(source, tmp_path)

    def make(i):
        if i == 7:
            raise NoFaceFound("gone")
        return np.zeros((112, 112, 3), np.uint8)

    with pytest.raises(NoFaceFound):
        save_benchmark(with_everything(source, LazyFaces(12, make)), tmp_path)
    assert_same_benchmark(prefiqs.load_benchmark("small", tmp_path), source)


def test_a_face_of_another_size_is_not_saved(source, tmp_path):
    faces = LazyFaces(12, lambda i: np.zeros((112, 111 if i == 4 else 112, 3), np.uint8))
    with pytest.raises(InputError, match=r"Row 4 of .*images\.npy must be .*, not uint8 \(112, 111, 3\)"):
        save_benchmark(dataclasses.replace(source, images=faces), tmp_path)


def test_lazy_faces_come_in_order_and_few_at_a_time():
    made = []
    faces = LazyFaces(1000, lambda i: made.append(i) or np.full(3, i))
    assert (len(faces), made) == (1000, [])
    assert (faces[2][0], faces[-1][0]) == (2, 999)
    with pytest.raises(IndexError):
        faces[1000]
    most = 0
    for row, face in enumerate(faces):
        assert face[0] == row
        most = max(most, len(made) - 2 - row)
    assert sorted(made[2:]) == list(range(1000))
    assert most <= 256


def test_templates_of_another_benchmark_are_refused(source, tmp_path):
    folder = save_benchmark(with_everything(source, source.images), tmp_path)
    pd.read_parquet(folder / "templates.parquet")[:5].to_parquet(folder / "templates.parquet")
    with pytest.raises(InputError, match="templates.parquet has 5 rows for 12 images. Rebuild it"):
        prefiqs.load_benchmark("small", tmp_path)


def test_a_benchmark_is_looked_for_in_the_data_folder(source, tmp_path, monkeypatch):
    save_benchmark(source, tmp_path / "mine")
    monkeypatch.setenv("PREFIQS_DATA", str(tmp_path / "mine"))
    monkeypatch.chdir(tmp_path)
    assert_same_benchmark(prefiqs.load_benchmark("small"), source)
