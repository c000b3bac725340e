"""Adience in its published layout: fold lists, both folders of crops, identities, sampled pairs."""

import numpy as np
import pytest
from photo_sets import BLANK, align, encoded, picture, top_left

from prefiqs.datasets.adience import build_adience
from prefiqs.errors import InputError

HEADER = "user_id\toriginal_image\tface_id\tage\tgender\tx\ty\tdx\tdy\ttilt_ang\tfiducial_yaw_angle\tfiducial_score\n"
# User, photo, face. Two people are in one album, and two faces in one photo.
FACES = [
    ("30601258@N03", "10399646885_67c7d20df9_o.jpg", 1), ("30601258@N03", "10424815813_e94629b1ec_o.jpg", 2),
    ("30601258@N03", "10437979845_5985be4b26_o.jpg", 1), ("30601258@N03", "10437979845_5985be4b26_o.jpg", 3),
    ("7153718@N04", "9017386712_b2bdc4b3a8_o.jpg", 2041), ("7153718@N04", "8900000000_0000000000_o.jpg", 2041),
    ("113525713@N07", "11625100823_2f9a0c5df0_o.jpg", 1183),
]  # fmt: skip
FOLDS = [FACES[:2], FACES[2:4], FACES[4:5], FACES[5:6], FACES[6:]]


def row(user: str, photo: str, face: int) -> str:
    return f"{user}\t{photo}\t{face}\t(25, 32)\tf\t0\t414\t1086\t1383\t-115\t30\t17\n"


def write_lists(folder, stem="fold", folds=FOLDS):
    for i, faces in enumerate(folds):
        (folder / f"{stem}_{i}_data.txt").write_text(HEADER + "".join(row(*face) for face in faces))


def crop_name(user: str, photo: str, face: int, start="landmark_aligned_face") -> str:
    return f"{user}/{start}.{face}.{photo}"


def write_crops(folder, top="aligned", start="landmark_aligned_face", pictures=None):
    for i, face in enumerate(FACES):
        path = folder / top / crop_name(*face, start)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded((pictures or {}).get(i, picture(i, 200))))


@pytest.fixture
def source(tmp_path):
    write_lists(tmp_path)
    write_crops(tmp_path)
    return tmp_path


def as_set(pairs):
    return {tuple(sorted(map(int, pair))) for pair in pairs}


def test_identity_per_user(source):
    benchmark = build_adience(source, align)
    assert list(benchmark.names) == [crop_name(*face) for face in FACES]
    assert list(benchmark.subjects) == [user for user, _, _ in FACES]
    np.testing.assert_array_equal(benchmark.images, [top_left(picture(i, 200)) for i in range(7)])
    assert as_set(benchmark.pairs[benchmark.genuine]) == {(a, b) for a in range(4) for b in range(a + 1, 4)} | {(4, 5)}
    assert benchmark.summary() == {"images": 7, "people": 3, "genuine": 7, "impostor": 21 - 7}
    assert benchmark.folds is None
    assert benchmark.excluded == ()


def test_identity_per_face(source):
    benchmark = build_adience(source, align, identity="face_id")
    assert list(benchmark.subjects) == ["1", "2", "1", "3", "2041", "2041", "1183"]
    assert as_set(benchmark.pairs[benchmark.genuine]) == {(0, 2), (4, 5)}


def test_the_other_folder_of_crops(tmp_path):
    write_lists(tmp_path)
    write_crops(tmp_path, "faces", "coarse_tilt_aligned_face")
    benchmark = build_adience(tmp_path, align)
    assert benchmark.names[0] == "30601258@N03/coarse_tilt_aligned_face.1.10399646885_67c7d20df9_o.jpg"


def test_frontal_lists_alone_and_beside_the_others(source):
    both = build_adience(source, align)
    write_lists(source, "fold_frontal", [FACES[1:2], [], [], FACES[:1], FACES[6:]])
    assert list(build_adience(source, align).names) == list(both.names)
    for i in range(5):
        (source / f"fold_{i}_data.txt").unlink()
    assert list(build_adience(source, align).names) == [crop_name(*FACES[i]) for i in (1, 0, 6)]


def test_a_crop_without_a_face_is_excluded(tmp_path):
    write_lists(tmp_path)
    write_crops(tmp_path, pictures={2: BLANK[:200, :200]})
    benchmark = build_adience(tmp_path, align)
    assert benchmark.excluded == ((crop_name(*FACES[2]), "Expected at least one face, got none."),)
    assert list(benchmark.names) == [crop_name(*face) for i, face in enumerate(FACES) if i != 2]
    assert as_set(benchmark.pairs[benchmark.genuine]) == {(0, 1), (0, 2), (1, 2), (3, 4)}


def test_a_list_that_is_missing(source):
    (source / "fold_3_data.txt").unlink()
    with pytest.raises(InputError, match=r"File not found: .*fold_3_data.txt \(1 listed files are missing\)"):
        build_adience(source, align)


def test_no_crops(tmp_path):
    write_lists(tmp_path)
    with pytest.raises(InputError, match=r"Folder not found: aligned or faces in "):
        build_adience(tmp_path, align)


def test_a_crop_that_is_missing(source):
    (source / "aligned" / crop_name(*FACES[4])).unlink()
    with pytest.raises(InputError, match=r"File not found: .*face.2041.9017386712.* \(1 listed files are missing\)"):
        build_adience(source, align)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"fold_2_data.txt cannot be read as tab-separated columns user_id, original_image, face_id: "),
        ("user_id,original_image,face_id\na,b,1\n", "cannot be read as tab-separated columns"),
        (
            HEADER + row("../../etc", "x.jpg", 1),
            "fold_2_data.txt has names that are empty or unsafe: .*etc",
        ),
        (HEADER + row("..", "x.jpg", 1), "names that are empty or unsafe"),
        (HEADER + row("a@N01", "b/x.jpg", 1), "names that are empty or unsafe"),
        (HEADER + row("", "x.jpg", 1), "names that are empty or unsafe"),
    ],
)
def test_a_list_that_is_not_of_the_format(source, text, message):
    (source / "fold_2_data.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        build_adience(source, align)
