"""Landmarks that a data set brings: every form gives the crop that the points ask for, and nothing is detected."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_networks import TinyNet

from prefiqs.apps.score.run import write_scores
from prefiqs.apps.score.scorer import PhotoScorer
from prefiqs.errors import InputError
from prefiqs.faces.find import find_images
from prefiqs.faces.landmarks import GivenLandmarks
from prefiqs.faces.reader import FaceReader
from prefiqs.faces.template import ARCFACE_TEMPLATE, align_to_template

POINTS = {"a b.png": ARCFACE_TEMPLATE * 0.9 + [20, 9], "p/1.png": ARCFACE_TEMPLATE[:, ::-1] * [-1, 1] + [140, 5]}
OWN = [f"{point}_{axis}" for point in ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth") for axis in "xy"]
CELEBA = [f"{p}_{a}" for p in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth") for a in "xy"]
RETINA = [f"{p}{a}" for p in ("LeftEye ", "RightEye ", "Nose Tip ", "Mouth Left ", "Mouth Right ") for a in "XY"]


@pytest.fixture
def folder(tmp_path):
    """Two photos of noise, in which no detector would find a face."""
    for name in POINTS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(len(name)).integers(0, 256, (150, 160, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    return tmp_path


def table(columns, **more) -> pd.DataFrame:
    rows = [points.ravel() for points in POINTS.values()]
    return pd.DataFrame(rows, columns=columns).assign(**more)


def crops(folder, path, **options):
    reader = FaceReader(landmarks=path, **options)
    photos = [reader(image) for shard in find_images([folder / name for name in POINTS]) for image in shard.images()]
    assert [photo.reason for photo in photos] == ["", ""]
    return photos


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        (OWN, "path"), (CELEBA, "image_id"), (RETINA, "File Name"),
        ([f"{a}{i}" for i in range(1, 6) for a in "xy"], "name"),
        ([f"{a}_{p}" for p in ("leye", "reye", "nose", "lmouth", "rmouth") for a in "xy"], "img"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_tables(folder, columns, name, suffix):
    given = table(columns, **{name: list(POINTS), "age": [3, 4]}).iloc[:, ::-1]  # columns in any order
    path = folder / f"points{suffix}"
    given.to_parquet(path) if suffix == ".parquet" else given.to_csv(
        path, index=False, sep="\t" if "t" in suffix else ","
    )
    for photo, (file, points) in zip(crops(folder, path), POINTS.items(), strict=True):
        (face,) = photo.faces
        np.testing.assert_array_equal(
            face.image, align_to_template(np.array(Image.open(folder / file)), points.round(2))
        )
        np.testing.assert_allclose(face.landmarks, points, atol=0.0051)
        assert np.isnan(face.box).all() and np.isnan(face.confidence)


@pytest.mark.parametrize("more", ["", " 0.998"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_text_as_of_ijb(folder, more, end):
    (folder / "a b.png").rename(folder / "ab.png")
    try:
        POINTS["ab.png"] = POINTS.pop("a b.png")
        lines = [f"{name} {' '.join(map(str, points.ravel()))}{more}" for name, points in POINTS.items()]
        (folder / "points.txt").write_text(end.join([*lines, ""]), newline="")
        for photo in crops(folder, folder / "points.txt"):
            expected = next(points for name, points in POINTS.items() if photo.name.endswith(name))
            np.testing.assert_allclose(photo.faces[0].landmarks, expected, atol=0.0051)
    finally:
        POINTS["a b.png"] = POINTS.pop("ab.png")


@pytest.mark.parametrize("blanks", [" ", "  ", "\t"])
def test_text_as_of_celeba(folder, blanks, caplog):
    """A count, and a header without a column of names; names are numbers, of which a run warns once."""
    (folder / "img_align").mkdir()
    photos = [folder / "img_align" / f"00000{i}.png" for i in (1, 2, 3)]
    for photo in photos:
        photo.write_bytes((folder / "p" / "1.png").read_bytes())
    lines = [f"{photo.name}{blanks}{blanks.join(map(str, POINTS['p/1.png'].round().ravel()))}" for photo in photos]
    path = folder / "list_landmarks_align_celeba.txt"
    path.write_text("\n".join(["3", f"{blanks.join(CELEBA)} ", *lines, ""]))
    scorer = PhotoScorer("norm", TinyNet(), device="cpu", landmarks=path)
    rows = [row for rows in scorer(find_images([folder / "img_align"])) for row in rows]
    assert [row["status"] for row in rows] == ["ok"] * 3
    np.testing.assert_array_equal([rows[0][name] for name in OWN], POINTS["p/1.png"].round().ravel())
    assert [record.levelname for record in caplog.records if record.name.startswith("prefiqs")] == ["WARNING"]
    path.write_text("\n".join(["3", " ".join(CELEBA), *lines[:2], "000003.png 1 2", ""]))
    with pytest.raises(InputError, match="Line 5 of"):
        GivenLandmarks(path)


def test_left_and_right_of_the_person(folder):
    """Points in which left is the person's would mirror the face; they are exchanged."""
    mirrored = {name: points[[1, 0, 2, 4, 3]] for name, points in POINTS.items()}
    given = pd.DataFrame([p.ravel() for p in mirrored.values()], columns=OWN).assign(path=list(POINTS))
    given.to_csv(folder / "points.csv", index=False)
    for photo in crops(folder, folder / "points.csv"):
        name = next(name for name in POINTS if photo.name.endswith(name))
        np.testing.assert_allclose(photo.faces[0].landmarks, POINTS[name], atol=0.0051)


def test_several_faces_of_a_photo(folder):
    given = pd.concat([table(OWN, path=list(POINTS)), table(OWN, path=list(POINTS)).assign(nose_x=50.0)])
    given.to_csv(folder / "points.csv", index=False)
    assert [len(photo.faces) for photo in crops(folder, folder / "points.csv")] == [1, 1]
    photos = crops(folder, folder / "points.csv", all_faces=True)
    assert [(len(photo.faces), photo.faces[1].landmarks[2, 0], photo.faces[0].faces) for photo in photos] == [
        (2, 50, 2)
    ] * 2


def test_the_table_of_an_earlier_run_gives_its_scores_again(assets, tmp_path):
    photos = [assets["orl"] / f"s{i}" / "1.pgm" for i in range(1, 4)]
    first = PhotoScorer("norm", TinyNet(), device="cpu")
    write_scores(first, find_images(photos), tmp_path / "scores.csv")
    again = PhotoScorer("norm", TinyNet(), device="cpu", landmarks=tmp_path / "scores.csv")
    write_scores(again, find_images(photos), tmp_path / "again.csv")
    before, after = pd.read_csv(tmp_path / "scores.csv"), pd.read_csv(tmp_path / "again.csv")
    assert before["score"].to_list() == after["score"].to_list() and after["x"].isna().all()
    assert again.settings.startswith(first.settings + " landmarks=")
    blank = tmp_path / "blank.png"
    Image.new("RGB", (99, 99)).save(blank)
    (rows,) = again(find_images([blank]))
    assert rows[0]["status"] == f"{tmp_path}/scores.csv has no landmarks of {blank}."


@pytest.mark.parametrize(
    ("first", "last", "count"), [("7 ", "", 11), ("20 9 101 101 ", "", 14), ("7 ", " 0.99", 12), ("", " 2", 11)]
)
def test_more_numbers_need_a_header(folder, first, last, count):
    """A label or a box in front would shift the points, which need not look odd: x and y are exchanged."""
    path = folder / "points.txt"
    path.write_text("".join(f"{n} {first}{' '.join(map(str, POINTS['p/1.png'].ravel()))}{last}\n" for n in "ab"))
    with pytest.raises(InputError, match=f"points.txt has {count} numbers after each path, but must have ten"):
        GivenLandmarks(path)


@pytest.mark.parametrize(
    "order", [[1, 0, 2, 3, 4], [0, 1, 2, 4, 3], [2, 0, 1, 3, 4], [0, 1, 3, 4, 2]], ids=["eyes", "mouth", "nose", "last"]
)
def test_points_in_another_order_are_not_those_of_a_face(folder, order):
    wrong = table(OWN, path=list(POINTS))
    wrong.loc[wrong["path"] == "a b.png", OWN] = POINTS["a b.png"][order].ravel()
    wrong.to_csv(folder / "points.csv", index=False)
    (shard,) = find_images([folder])
    (bad, good) = map(FaceReader(landmarks=folder / "points.csv"), shard.images())
    assert f"The landmarks of {folder}/a b.png in {folder}/points.csv are not those of a face." in bad.reason
    assert len(good.faces) == 1 and not bad.faces


@pytest.mark.parametrize(
    ("factor", "shift", "reason"),
    [
        (1 / 160, 0, "lie within a few pixels. They must be in pixels of the photo."),
        (1, 5000, "lies mostly outside the photo. Landmarks must be in its pixels."),
        (1, -80, "lies mostly outside the photo. Landmarks must be in its pixels."),
        (4, 0, "lies mostly outside the photo. Landmarks must be in its pixels."),
    ],
)
def test_points_that_are_not_in_pixels_of_the_photo(folder, factor, shift, reason):
    """But shares of its sides, those of a larger photo, or moved; the other photo has its score."""
    wrong = table(OWN, path=list(POINTS))
    wrong.loc[wrong["path"] == "a b.png", OWN] = (POINTS["a b.png"] * factor + shift).ravel()
    wrong.to_csv(folder / "points.csv", index=False)
    (shard,) = find_images([folder])
    (bad, good) = map(FaceReader(landmarks=folder / "points.csv"), shard.images())
    assert bad.reason.endswith(reason) and not bad.faces
    assert len(good.faces) == 1


def test_a_face_that_the_photo_cuts_is_scored(folder):
    cut = table(OWN, path=list(POINTS))
    cut[OWN] = [(points - [40, 0]).ravel() for points in (POINTS["a b.png"],) * 2]
    cut.to_csv(folder / "points.csv", index=False)
    assert all(0.1 < photo.faces[0].outside < 0.5 for photo in crops(folder, folder / "points.csv"))


def test_profiles_are_faces(folder):
    """From the side, points are far from the template: those of a solid head, turned by 80° and nodding by 20°."""
    head = np.array([[-33, -30, -20], [33, -30, -20], [0, 0, 20], [-25, 35, -5], [25, 35, -5]])
    turn, nod = np.radians([80, 20])
    across = head[:, 0] * np.cos(turn) + head[:, 2] * np.sin(turn)
    depth = head[:, 2] * np.cos(turn) - head[:, 0] * np.sin(turn)
    profile = np.stack([across, head[:, 1] * np.cos(nod) - depth * np.sin(nod)], 1) + 75
    rows = pd.DataFrame([profile.ravel()] * 2, columns=OWN).assign(path=list(POINTS))
    rows.to_csv(folder / "points.csv", index=False)
    for photo in crops(folder, folder / "points.csv"):
        np.testing.assert_allclose(photo.faces[0].landmarks, profile, atol=0.0051)


def test_what_cannot_be_used(folder):
    path = folder / "points.csv"
    table(OWN, path=list(POINTS)).drop(columns="nose_x").to_csv(path, index=False)
    with pytest.raises(InputError, match="points.csv must have ten coordinates"):
        GivenLandmarks(path)
    holes = table(OWN, path=list(POINTS))
    holes.loc[1, "nose_x"] = np.nan
    holes.to_csv(path, index=False)
    with pytest.raises(InputError, match="Coordinates are missing in line 3 of"):
        GivenLandmarks(path)
    holes.astype({"nose_x": object}).fillna("left").to_csv(path, index=False)
    with pytest.raises(InputError, match="contains 'left' in line 3"):
        GivenLandmarks(path)
    with pytest.raises(InputError, match="File not found"):
        FaceReader(landmarks=folder / "nowhere.txt")
    with pytest.raises(InputError, match="--aligned cannot be combined with --landmarks"):
        FaceReader(aligned=True, landmarks=path)
    table(OWN, path=list(POINTS)).assign(**dict.fromkeys(OWN, 5.0)).to_csv(path, index=False)
    (shard,) = find_images([folder / "p"])
    (photo,) = map(FaceReader(landmarks=path), shard.images())
    assert photo.reason.startswith("Landmarks must be finite and distinct")
