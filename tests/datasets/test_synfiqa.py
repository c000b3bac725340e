"""SynFIQA from a small folder as the generator of its authors writes it."""

import cv2
import numpy as np
import pytest

import prefiqs
from prefiqs.datasets.benchmark import save_benchmark
from prefiqs.datasets.synfiqa import build_synfiqa
from prefiqs.errors import InputError

LABELS = {"0/0.jpg": 0.25, "0/1.jpg": 1.0, "10/0.jpg": 0.0, "2/0.jpg": 0.875}


@pytest.fixture
def folder(tmp_path):
    for i, name in enumerate(LABELS):
        write_image(tmp_path / "data" / name, np.full((112, 112, 3), (10 * i, 50, 200), np.uint8))
    write_image(tmp_path / "data" / "0" / "Ref-0.jpg", np.zeros((112, 112, 3), np.uint8))
    (tmp_path / "Quality-Scores.txt").write_text("".join(f"/{name}\t{label}\n" for name, label in LABELS.items()))
    return tmp_path


def write_image(path, rgb):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])


def test_images_people_and_labels(folder):
    benchmark = build_synfiqa(folder)
    assert benchmark.name == "synfiqa"
    assert list(benchmark.names) == list(LABELS)
    assert list(benchmark.subjects) == ["0", "0", "10", "2"]
    assert benchmark.index["quality"].tolist() == list(LABELS.values())
    assert benchmark.summary() == {"images": 4, "people": 3, "genuine": 0, "impostor": 0}
    for i, face in enumerate(benchmark.images):
        assert face.shape == (112, 112, 3)
        assert np.abs(face.astype(int) - (10 * i, 50, 200)).max() <= 3


def test_a_benchmark_without_pairs_is_saved_and_loaded(folder, tmp_path):
    save_benchmark(build_synfiqa(folder), tmp_path / "out")
    loaded = prefiqs.load_benchmark("synfiqa", tmp_path / "out")
    assert (loaded.pairs.shape, loaded.pairs.dtype, loaded.genuine.dtype) == ((0, 2), np.int32, bool)
    assert (loaded.folds, loaded.templates, loaded.excluded) == (None, None, ())
    assert loaded.index["quality"].tolist() == list(LABELS.values())
    assert loaded.images.shape == (4, 112, 112, 3)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/0/1.jpg", "Line 2 of .*Quality-Scores.txt is not of the form `PATH LABEL`: '/0/1.jpg'"),
        ("/0/1.jpg good", "Line 2 of .*Quality-Scores.txt is not of the form `PATH LABEL`: '/0/1.jpg good'"),
        ("/0/1.jpg 0.5 0.6", "File not found: .*/0/1.jpg 0.5 "),  # names may hold blanks
        ("/0/1.jpg nan", "The label in line 2 of .*Quality-Scores.txt must be a finite number, not nan"),
    ],
)
def test_a_line_that_does_not_fit(folder, line, message):
    lines = (folder / "Quality-Scores.txt").read_text().splitlines()
    (folder / "Quality-Scores.txt").write_text("\n".join([lines[0], line, *lines[2:]]))
    with pytest.raises(InputError, match=message):
        build_synfiqa(folder)


def test_no_list(folder):
    (folder / "Quality-Scores.txt").unlink()
    with pytest.raises(InputError, match=r"File not found: .*Quality-Scores\.txt"):
        build_synfiqa(folder)


def test_a_listed_image_is_missing(folder):
    (folder / "data" / "10" / "0.jpg").unlink()
    with pytest.raises(InputError, match=r"10/0\.jpg \(1 listed files are missing\)"):
        build_synfiqa(folder)


def test_a_face_of_another_size(folder, tmp_path):
    write_image(folder / "data" / "0" / "1.jpg", np.zeros((224, 224, 3), np.uint8))
    with pytest.raises(InputError, match=r"0/1\.jpg has 224×224 pixels, but"):
        save_benchmark(build_synfiqa(folder), tmp_path / "out")
