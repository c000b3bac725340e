"""Scores of PreFIQs, of a compared method, and the errors of a verifier, each compared with loops."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from small_networks import TinyNet, embedded_by_hand, small_vit_fiqa, unit_rows
from small_run import HIDDEN, small_run, use_small_networks, write_embeddings

import prefiqs
from prefiqs.datasets.benchmark import save_benchmark
from prefiqs.io.arrays import write_array
from prefiqs.models.cards import TABLE
from prefiqs.pipeline.identity import MethodId, Scores
from prefiqs.pipeline.studies.method import method_study
from prefiqs.pipeline.studies.score import score_study
from prefiqs.pipeline.studies.verifier import verifier_study
from prefiqs.reporting.figures.faces import ends_of_people


def test_quality_is_what_survives_pruning(tmp_path):
    run = small_run(tmp_path)
    write_embeddings(run, "orl-xq", "sface")
    study = score_study(run, "orl-xq", "sface")
    study.write(tmp_path / "results")
    scores = Scores.read(run.layout.scores("orl-xq", "sface"))
    raw = run.raw_embeddings("orl-xq", "sface").astype(float)
    numbers = json.loads((tmp_path / "results" / "numbers.json").read_text())
    for spec in run.params.prune.specs:
        pruned = run.raw_embeddings("orl-xq", "sface", spec).astype(float)
        drifts = [
            np.linalg.norm(a / np.linalg.norm(a) - b / np.linalg.norm(b)) for a, b in zip(raw, pruned, strict=True)
        ]
        found = scores[MethodId.of_spec("sface", spec)]
        np.testing.assert_allclose(found, [1 - drift / 2 for drift in drifts], atol=1e-6)
        assert numbers["median_drift"][spec.key] == pytest.approx(np.median(drifts), rel=1e-5)
    np.testing.assert_allclose(scores[MethodId.of("norm", "sface")], [np.sqrt((row**2).sum()) for row in raw], 1e-6)
    assert scores.methods["trained_on"].sum() == 0 and len(scores.methods) == len(run.params.prune.specs) + 1
    assert sum(study.numbers["worst"].values()) == len(raw)  # fewer than 100 images: all of them, at both ends
    assert (tmp_path / "results" / "gallery.png").is_file()


def test_a_pruned_network_of_which_nothing_is_left_is_noticed(tmp_path):
    run = small_run(tmp_path)
    write_embeddings(run, "orl", "sface")
    first, second, third, *_ = run.params.prune.specs
    for spec, rows in ((first, np.ones), (second, np.zeros)):
        table = run.raw_embeddings("orl", "sface", spec)
        write_array(rows(table.shape, np.float32), run.layout.embeddings("orl", "sface", spec))
    write_array(run.raw_embeddings("orl", "sface"), run.layout.embeddings("orl", "sface", third))
    study = score_study(run, "orl", "sface")
    assert study.numbers["constant"] == [first.key, second.key, third.key]
    why = dict.fromkeys([first, second], "until all faces have (nearly) the same embedding")
    why[third] = "so little that no embedding changes (random order)"
    assert [finding for finding in study.findings if "mean nothing" in finding] == [
        f"With {spec.label}, the network is pruned {how}, so the scores mean nothing." for spec, how in why.items()
    ]


def test_degradations_are_counted_at_both_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("prefiqs.pipeline.studies.score.ENDS", 7)
    run = small_run(tmp_path, {"align": {"show_faces": HIDDEN}})
    write_embeddings(run, "orl-xq", "sface")
    study = score_study(run, "orl-xq", "sface")
    study.write(tmp_path / "results")
    quality = Scores.read(run.layout.scores("orl-xq", "sface"))[MethodId.of_spec("sface", run.params.usual)]
    kinds = [kind for _, kind in sorted(zip(quality, run.benchmark("orl-xq").index["degradation"], strict=True))]
    assert study.numbers["worst"] == Counter(kinds[:7]) and study.numbers["best"] == Counter(kinds[-7:])
    drift = {
        spec.label: median
        for spec, median in ((s, study.numbers["median_drift"][s.key]) for s in run.params.prune.specs)
    }
    assert max(drift, key=drift.get) in study.findings[0].partition("largest")[2]
    assert f"the 7 faces with the highest quality is {Counter(kinds[-7:]).most_common(1)[0][0]}" in study.findings[2]


def test_no_gallery_where_faces_may_not_be_shown(tmp_path):
    run = small_run(tmp_path, {"align": {"show_faces": HIDDEN}})
    write_embeddings(run, "orl", "sface")
    study = score_study(run, "orl", "sface")
    study.write(tmp_path / "results")
    assert study.gallery is None and not (tmp_path / "results" / "gallery.png").exists()
    assert study.numbers["worst"] == study.numbers["best"] == {}  # nothing is degraded


def test_both_ends_of_a_gallery_show_each_person_once():
    scores = np.array([0.5, 0.1, 0.2, 0.9, 0.8, 0.3])
    people = np.array(["a", "a", "a", "b", "b", "c"])
    lowest, highest = ends_of_people(scores, people, 2)
    assert lowest.tolist() == [1, 5] and highest.tolist() == [0, 3]
    lowest, highest = ends_of_people(scores, people, 20, columns=2)  # three people, but a full row of two
    assert lowest.tolist() == [1, 5] and highest.tolist() == [0, 3]


@pytest.mark.parametrize("trained_on", [False, True])
def test_a_compared_method_scores_as_the_public_call(tmp_path, monkeypatch, trained_on):
    run = small_run(tmp_path, {"align": {"show_faces": HIDDEN}})
    use_small_networks(monkeypatch, run)
    seen = {"seen": ["orl-xq"] if trained_on else []}
    monkeypatch.setitem(TABLE, "vit-prefiqs", TABLE["vit-prefiqs"] | seen)
    study = method_study(run, "orl-xq", "ex-fiqa")
    study.write(tmp_path / "results")
    scores = Scores.read(run.layout.method_scores("orl-xq", "ex-fiqa"))
    images = np.asarray(run.benchmark("orl-xq").images)
    expected = prefiqs.score(images, "ex-fiqa", small_vit_fiqa(), fusion="depth", device="cpu")
    np.testing.assert_allclose(scores[study.method], expected, atol=1e-5)
    assert scores.methods["trained_on"].tolist() == [trained_on]
    assert scores.methods["method"].tolist() == ["ex-fiqa"] and scores.methods["network"].tolist() == ["vit-prefiqs"]
    numbers = json.loads((tmp_path / "results" / "numbers.json").read_text())
    assert numbers["median"] == pytest.approx(np.median(expected), abs=1e-5)
    assert study.gallery is None and study.calibrations == []


def test_a_verifier_is_judged_at_its_threshold(tmp_path, monkeypatch):
    run = small_run(tmp_path)
    use_small_networks(monkeypatch, run)
    study = verifier_study(run, "orl-xq", "mobilefacenet-512")
    study.write(tmp_path / "results")
    faces = run.benchmark("orl-xq")
    expected = embedded_by_hand(TinyNet(1), np.asarray(faces.images))
    found = run.raw_embeddings("orl-xq", "mobilefacenet-512")
    np.testing.assert_allclose(unit_rows(found), expected, atol=1e-5)
    similarity = [float(a @ b) for a, b in unit_rows(found)[faces.pairs]]
    impostors = sorted(s for s, same in zip(similarity, faces.genuine, strict=True) if not same)
    genuine = [s for s, same in zip(similarity, faces.genuine, strict=True) if same]
    # With 500 impostor pairs, an FMR of 0.001 is nearest to none or one of them.
    rejected = [sum(s <= limit for s in genuine) / len(genuine) for limit in impostors[-2:]]
    assert rejected[0] - 1e-9 <= study.numbers["fnmr"] <= rejected[1] + 1e-9
    assert json.loads((tmp_path / "results" / "numbers.json").read_text())["pairs"] == len(faces.pairs)


@pytest.mark.parametrize(("benchmark", "marked"), [("lfw", True), ("lfw-all", True), ("cfp-fp", True), ("orl", False)])
def test_a_method_is_marked_where_it_was_chosen(tmp_path, benchmark, marked):
    """`pruning-margin` on LFW and CFP-FP, with the official pairs or others; the norm was not chosen on anything."""
    made = {"name": "lfw-all", "source": "lfw", "across": "source", "impostors": 10, "seed": 0}
    photos = ["orl", "lfw", "cfp-fp"]
    everything = [*photos, "orl-xq"]
    benchmarks = {"all": everything, "paired": everything, "photos": photos, "pair_sets": [made]}
    run = small_run(tmp_path, {"benchmarks": benchmarks, "align": {"show_faces": dict.fromkeys(everything, False)}})
    assert run.is_known(benchmark, MethodId.of("pruning-margin", "sface")) == marked
    assert not run.is_known(benchmark, MethodId.of("norm", "sface"))


@pytest.mark.long
@pytest.mark.parametrize(("calibrated_on", "benchmark"), [("orl", "orl"), ("orl", "orl-xq"), ("orl-xq", "orl")])
def test_nobody_is_scored_by_a_calibration_on_own_faces(tmp_path, monkeypatch, calibrated_on, benchmark):
    """Each score is the rank of the face among all under one calibration, which does not know its person."""
    from prefiqs.methods import froq

    run = small_run(tmp_path, {"methods": {"calibrated_on": calibrated_on, "calibration_faces": 10}})
    use_small_networks(monkeypatch, run)
    used, calibrate, network = [], froq.calibrate, TinyNet()
    network.name = "sface"

    def recorded(images, *args, **options):
        used.append((images, calibrate(images, *args, **options)))
        return used[-1][1]

    monkeypatch.setattr(froq, "calibrate", recorded)
    study = method_study(run, benchmark, "froq")
    study.write(tmp_path / "results")
    found = Scores.read(run.layout.method_scores(benchmark, "froq"))
    assert found.methods["trained_on"].tolist() == [False]
    faces, source = run.benchmark(benchmark), run.benchmark(calibrated_on)
    person_of = {face.tobytes(): person for face, person in zip(source.images, source.subjects, strict=True)}
    explained = np.zeros(len(faces.images), bool)
    for images, calibration in used:
        knows = {person_of[face.tobytes()] for face in images}
        assert len(images) == 10 and len(knows) == 3  # half of the people
        alone = prefiqs.score(np.asarray(faces.images), "froq", network, device="cpu", calibration=calibration)
        rank = np.array([np.mean(alone <= value) for value in alone])
        mine = np.isclose(found[study.method], rank, atol=1e-6)
        explained |= mine & ~np.isin(faces.subjects, [*knows])
    assert explained.all() and len(used) == 2 and study.calibrations == [calibration for _, calibration in used]


def test_people_of_another_benchmark_calibrate_once(tmp_path, monkeypatch):
    run = small_run(tmp_path, {"methods": {"calibrated_on": "orl-xq", "calibration_faces": 5}})
    use_small_networks(monkeypatch, run)
    strangers = run.benchmark("orl")
    index = strangers.index.assign(subject="other " + strangers.index["subject"])
    save_benchmark(replace(strangers, images=np.array(strangers.images), index=index), run.layout.data)
    study = method_study(run, "orl", "froq")
    study.write(tmp_path / "results")
    images = np.asarray(run.benchmark("orl-xq").images)
    from prefiqs.methods.froq import calibrate

    network = TinyNet()
    network.name = "sface"
    expected = calibrate(images[[int(i * (len(images) - 1) / 4) for i in range(5)]], network, device="cpu")
    assert study.calibrations == [expected] and study.gallery is not None
    alone = prefiqs.score(np.asarray(strangers.images), "froq", network, device="cpu", calibration=expected)
    np.testing.assert_allclose(Scores.read(run.layout.method_scores("orl", "froq"))[study.method], alone)
