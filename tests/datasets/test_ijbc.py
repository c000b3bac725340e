"""IJB-C from small lists and crops in exactly the published form: what is read, and what is refused."""

import cv2
import numpy as np
import pytest

import prefiqs
from prefiqs.datasets.benchmark import save_benchmark
from prefiqs.datasets.ijbc import build_ijbc
from prefiqs.errors import InputError
from prefiqs.faces.template import ARCFACE_TEMPLATE

POINTS, MEDIA, PAIRS = "ijbc_name_5pts_score.txt", "ijbc_face_tid_mid.txt", "ijbc_template_pair_label.txt"
# Four templates, 3 and 20 of one person, 7 and 9 of two others; 20 holds two frames of video 5 and a photo.
ROWS = [("1.jpg", 20, 5), ("2.jpg", 20, 5), ("3.jpg", 20, 8), ("4.jpg", 3, 5), ("5.jpg", 7, 2), ("6.jpg", 9, 1)]
COMPARED = ["3 20 1", "3 7 0", "20 9 0", "7 9 0"]


def crop(i: int) -> np.ndarray:
    """A smooth crop, mostly red, all of them different; RGB."""
    y, x = np.mgrid[:250, :240]
    return np.stack([255 - y / 4 - i, x / 2, (x + y) / 8 + 2 * i], axis=-1).astype(np.uint8)


def landmarks(i: int) -> np.ndarray:
    """Where a face twice the size of the template has its five points, moved by a whole number of pixels."""
    return 2 * ARCFACE_TEMPLATE + [i, 10 + i]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "meta").mkdir()
    (tmp_path / "loose_crop").mkdir()
    points = []
    for i, (name, _, _) in enumerate(ROWS):
        quality = [cv2.IMWRITE_JPEG_QUALITY, 100]
        assert cv2.imwrite(str(tmp_path / "loose_crop" / name), crop(i)[..., ::-1], quality)
        points.append(f"{name} {' '.join(f'{v:.4f}' for v in landmarks(i).ravel())} {0.9 + i / 100:.6f}")
    write(tmp_path / "meta" / POINTS, points)
    write(tmp_path / "meta" / MEDIA, [f"{name} {template} {medium}" for name, template, medium in ROWS])
    write(tmp_path / "meta" / PAIRS, COMPARED)
    return tmp_path


def write(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines))


def change(path, line, new):
    """Replace one line (from 1); None removes it."""
    lines = path.read_text().splitlines()
    lines[line - 1 : line] = [] if new is None else [new]
    write(path, lines)


def test_faces_are_cut_by_the_given_points(folder):
    benchmark = build_ijbc(folder)
    assert len(benchmark.images) == 6
    for i, face in enumerate(benchmark.images):
        assert (face.shape, face.dtype) == ((112, 112, 3), np.uint8)
        # Pixel (x, y) of the aligned face is pixel (2x + i, 2y + 10 + i) of the crop; JPEG moves values a little.
        expected = crop(i)[10 + i : 10 + i + 224 : 2, i : i + 224 : 2]
        assert np.abs(face.astype(int) - expected).max() <= 4
        np.testing.assert_array_equal(benchmark.images[i], face)


def test_labels_templates_and_pairs(folder):
    benchmark = build_ijbc(folder)
    assert benchmark.name == "ijbc"
    assert list(benchmark.names) == [name for name, _, _ in ROWS]
    assert list(benchmark.index["detection"]) == pytest.approx([0.90, 0.91, 0.92, 0.93, 0.94, 0.95])
    templates = benchmark.templates
    assert templates.ids.tolist() == [3, 7, 9, 20]
    assert templates.rows.tolist() == [3, 3, 3, 0, 1, 2]
    assert templates.media.tolist() == [5, 5, 8, 5, 2, 1]
    assert [
        f"{a} {b} {int(g)}" for (a, b), g in zip(templates.ids[benchmark.pairs], benchmark.genuine, strict=True)
    ] == (COMPARED)
    assert (benchmark.pairs.dtype, benchmark.genuine.dtype, templates.rows.dtype) == (np.int32, bool, np.int32)
    # 20 is connected with 3 by a genuine pair, and named after it.
    assert list(benchmark.subjects) == ["3", "3", "3", "3", "7", "9"]
    assert benchmark.summary() == {"images": 6, "people": 3, "templates": 4, "genuine": 1, "impostor": 3}


def test_people_are_connected_through_others(folder):
    write(folder / "meta" / PAIRS, ["20 9 1", "7 9 1", "3 9 0"])
    assert list(build_ijbc(folder).subjects) == ["7", "7", "7", "3", "7", "7"]


def test_what_is_saved_is_loaded(folder, tmp_path):
    built = build_ijbc(folder)
    saved = save_benchmark(built, tmp_path / "data")
    names = ["images.npy", "index.parquet", "pairs.parquet", "templates.parquet"]
    assert sorted(path.name for path in saved.iterdir()) == names
    loaded = prefiqs.load_benchmark("ijbc", tmp_path / "data")
    np.testing.assert_array_equal(loaded.images, np.stack(list(built.images)))
    for field in ("rows", "media", "ids"):
        np.testing.assert_array_equal(getattr(loaded.templates, field), getattr(built.templates, field))
    np.testing.assert_array_equal(loaded.pairs, built.pairs)
    assert loaded.summary() == built.summary()


def test_lists_beside_the_crops(folder):
    for name in (POINTS, MEDIA, PAIRS):
        (folder / "meta" / name).rename(folder / name)
    (folder / "meta").rmdir()
    assert build_ijbc(folder).summary()["templates"] == 4


def test_windows_line_ends_and_trailing_blanks(folder):
    for name in (POINTS, MEDIA, PAIRS):
        path = folder / "meta" / name
        path.write_bytes(path.read_bytes().replace(b"\n", b" \r\n"))
    assert build_ijbc(folder).summary()["genuine"] == 1


@pytest.mark.parametrize(
    ("name", "line", "new", "message"),
    [
        (
            POINTS,
            2,
            "2.jpg 1 2 3 4 5 6 7 8 9 10",
            r"Line 2 of .* is not of the form `NAME X1 Y1 … SCORE`: '2.jpg 1 2",
        ),
        (POINTS, 3, "3.jpg 1 2 3 4 5 x 7 8 9 10 0.9", "Line 3 of .*name_5pts_score.txt"),
        (POINTS, 3, "3.jpg 1 2 3 4 5 nan 7 8 9 10 0.9", "Line 3 of .*name_5pts_score.txt"),
        (MEDIA, 1, "1.jpg 20 5 1", "Line 1 of .*tid_mid.txt is not of the form `NAME TEMPLATE MEDIUM`: '1.jpg 20 5 1'"),
        (MEDIA, 6, "6.jpg 9", "Line 6 of .* is not of the form `NAME TEMPLATE MEDIUM`"),
        (MEDIA, 6, "6.jpg 9.5 1", "Line 6 of .* is not of the form `NAME TEMPLATE MEDIUM`"),
        (MEDIA, 6, "", "tid_mid.txt has 5 lines for 6 images"),
        (MEDIA, 4, "5.jpg 3 5", r"Line 4 of .*tid_mid.txt names image 5\.jpg; .*5pts_score.txt has 4\.jpg there"),
        (MEDIA, 6, None, "tid_mid.txt has 5 lines for 6 images"),
        (PAIRS, 2, "3 8 0", "3 and 8 in line 2 of .*pair_label.txt are not two templates that have images"),
        (PAIRS, 2, "21 3 0", "21 and 3 in line 2 of .*pair_label.txt are not two templates that have"),
        (PAIRS, 3, "20 9 2", r"label in line 3 of .*pair_label.txt is 2, but must be 1 \(genuine\)"),
        (PAIRS, 3, "20 9", "Line 3 of .* is not of the form `TEMPLATE1 TEMPLATE2 LABEL`"),
        (PAIRS, 4, "7 99999999999 0", "Line 4 of .* is not of the form `TEMPLATE1 TEMPLATE2 LABEL`"),
    ],
)
def test_a_line_that_does_not_fit(folder, name, line, new, message):
    change(folder / "meta" / name, line, new)
    with pytest.raises(InputError, match=message):
        build_ijbc(folder)


@pytest.mark.parametrize("name", [POINTS, MEDIA, PAIRS])
def test_a_list_that_is_missing_or_empty(folder, name):
    (folder / "meta" / name).write_text("")
    with pytest.raises(InputError, match=f"{name} cannot be read as lines of the form"):
        build_ijbc(folder)
    (folder / "meta" / name).unlink()
    with pytest.raises(InputError, match=f"File not found: .*{name}"):
        build_ijbc(folder)


def test_missing_crops_are_known_before_the_first_is_read(folder):
    for name in ("3.jpg", "5.jpg"):
        (folder / "loose_crop" / name).unlink()
    with pytest.raises(InputError, match=r"File not found: .*loose_crop/3\.jpg \(2 listed files are missing\)"):
        build_ijbc(folder)


def test_a_crop_that_is_no_image(folder, tmp_path):
    (folder / "loose_crop" / "5.jpg").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"5\.jpg"):
        save_benchmark(build_ijbc(folder), tmp_path / "data")
