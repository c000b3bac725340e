"""The benchmarks that the stages align and degrade write are what the later stages read."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from small_run import HIDDEN, PEOPLE, PHOTOS_EACH, small_photos, small_run

from prefiqs.errors import InputError
from prefiqs.pipeline.studies import align
from prefiqs.pipeline.studies.align import align_study
from prefiqs.pipeline.studies.degrade import degrade_study


@pytest.fixture
def built(monkeypatch):
    monkeypatch.setattr(align, "build_benchmark", lambda *_: small_photos())


def test_aligned_faces_get_folds_with_people_in_one_only(tmp_path, built):
    run = small_run(tmp_path)
    study = align_study(run, "orl")
    study.write(tmp_path / "results")
    faces = run.benchmark("orl")
    assert np.array_equal(faces.images, small_photos().images)
    people_of_fold = [set(faces.subjects[faces.pairs[faces.folds == fold]].ravel()) for fold in range(3)]
    assert sum(map(len, people_of_fold)) == len(set.union(*people_of_fold)) == PEOPLE
    numbers = json.loads((tmp_path / "results" / "numbers.json").read_text())
    images = PEOPLE * PHOTOS_EACH
    genuine = PEOPLE * PHOTOS_EACH * (PHOTOS_EACH - 1) // 2
    assert numbers == {
        "images": images,
        "people": PEOPLE,
        "genuine": genuine,
        "impostor": images * (images - 1) // 2 - genuine,
        "pairs_in_folds": int((faces.folds >= 0).sum()),
    }


def test_a_folder_of_people_is_a_benchmark(tmp_path, assets):
    """Its name in `params.yaml` is that of its folder."""
    names = {"all": ["orl", "orl-xq", "staff"], "paired": ["orl-xq", "staff"], "photos": ["orl", "staff"]}
    run = small_run(tmp_path, {"benchmarks": names, "align": {"show_faces": {"staff": False}}})
    for person in map("s{}".format, range(1, 7)):
        shutil.copytree(assets["orl"] / person, run.layout.data / "sources" / "staff" / person)
    study = align_study(run, "staff")
    study.write(tmp_path / "results")
    assert study.faces is None, "nobody allowed to show them"
    assert run.benchmark("staff").summary() == {"images": 60, "people": 6, "genuine": 270, "impostor": 1500}


def test_faces_that_cannot_have_their_pair_set_are_refused_before_they_are_embedded(tmp_path, built):
    made = {"name": "crossed", "source": "orl", "across": "pose", "impostors": 9, "seed": 0}
    run = small_run(tmp_path, {"benchmarks": {"paired": ["orl", "orl-xq"], "pair_sets": [made]}})
    with pytest.raises(InputError, match="orl has no column 'pose'"):
        align_study(run, "orl")


def test_photos_aligned_by_their_own_points_are_counted(tmp_path, monkeypatch):
    photos = small_photos()
    landmarks = ["detector"] * (len(photos.images) - 2) + ["fiducials"] * 2
    photos = replace(photos, index=photos.index.assign(landmarks=landmarks))
    monkeypatch.setattr(align, "build_benchmark", lambda *_: photos)
    assert align_study(small_run(tmp_path), "orl").numbers["by_fiducials"] == 2


def test_fewer_people_and_no_pictures_where_params_say_so(tmp_path, built):
    run = small_run(tmp_path, {"align": {"people": 6, "show_faces": HIDDEN}})
    assert align_study(run, "orl").faces is None
    run = small_run(tmp_path, {"align": {"people": 4}, "folds": {"count": 2}})
    study = align_study(run, "orl")
    assert study.numbers["people"] == 4
    assert study.faces is not None


def test_degraded_copies_run_through_all_severities(tmp_path):
    run = small_run(tmp_path)
    before = run.benchmark("orl-xq")
    study = degrade_study(run, "orl-xq")
    study.write(tmp_path / "results")
    faces, source = run.benchmark("orl-xq"), run.benchmark("orl")
    assert np.array_equal(faces.images, before.images)
    for row, face in enumerate(source.images):
        untouched, mild, strong = range(3 * row, 3 * row + 3)
        assert np.array_equal(faces.images[untouched], face)
        severity = faces.index["severity"]
        assert severity[untouched] == 0 and 0 <= severity[mild] <= 0.5 <= severity[strong] <= 1
        assert faces.index["degradation"][mild] != faces.index["degradation"][strong]
    numbers = json.loads((tmp_path / "results" / "numbers.json").read_text())
    assert numbers["kinds"]["none"] == len(source.images)
    assert sum(numbers["kinds"].values()) == numbers["images"] == 3 * len(source.images)
    assert study.kinds is not None and study.copies is not None


def test_degraded_faces_need_a_source_and_leave_to_be_shown(tmp_path):
    run = small_run(tmp_path, {"align": {"show_faces": {"orl-xq": False}}})
    study = degrade_study(run, "orl-xq")
    assert study.kinds is None and study.copies is None
    with pytest.raises(InputError, match="orl is not in `benchmarks.cross_quality`"):
        degrade_study(run, "orl")
