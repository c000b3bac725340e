"""Mistakes about networks and methods stop a run before it starts; what a run starts from is listed."""

import cv2
import numpy as np
import pytest
from small_networks import TinyNet
from small_run import ROOT, small_run, use_small_networks

from prefiqs.errors import ConfigError
from prefiqs.pipeline.params import Params, overlaid, read_yaml
from prefiqs.pipeline.studies import fetch
from prefiqs.pipeline.studies.fetch import check_networks, fetch_study
from prefiqs.pruning.mask import prunable_weights


def params(changes):
    quick = {"prune": {"granularities": ["unstructured"]}}
    return Params.checked(overlaid(overlaid(read_yaml(ROOT / "params.yaml"), quick), changes))


def compared(name, **entry):
    return {"methods": {"compared": [name], "known": {name: entry}}}


def test_the_default_run_is_right_before_anything_is_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFIQS_DATA", str(tmp_path))
    check_networks(params({}))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "key", "reason"),
    [
        ({"models": {"cross": ["mobilfacenet"]}}, "models.cross", "mobilfacenet"),
        ({"models": {"cross": ["iresnet50"]}}, "models.cross", "The weights of iresnet50 are missing"),
        ({"models": {"quality": ["mobilefacenet-192"], "cross": []}}, "models.quality", "cannot be pruned"),
        ({"models": {"cross": ["qualityface"]}}, "models.cross", "qualityface is a quality network without embeddings"),
        ({"transformer": {"models": ["sface"]}}, "transformer.models", "sface"),
        (compared("ser-fiq", method="ser-fiq", model="sface", options={"pases": 5}), "methods.known.ser-fiq", "pases"),
        (compared("a", method="ser-fiq", model="sface", options={"passes": 1}), "methods.known.a", "2 passes"),
        (compared("a", method="vitnt-fiqa", model="sface", options={}), "methods.known.a", "sface"),
        (compared("a", method="grafiqs", model="mobilefacenet-192", options={}), "methods.known.a", "mobilefacenet"),
        (compared("a", method="froq", model="mobilefacenet-192", options={}), "methods.known.a", "mobilefacenet"),
        (compared("a", method="froq", model="sface", options={"seeds": 1}), "methods.known.a", "seeds"),
        (compared("a", method="norm", model="sfase", options={}), "methods.known.a", "sfase"),
    ],
)
def test_a_mistake_is_named_with_its_key(tmp_path, monkeypatch, changes, key, reason):
    monkeypatch.setenv("PREFIQS_DATA", str(tmp_path))
    with pytest.raises(ConfigError) as error:
        check_networks(params(changes))
    assert str(error.value).startswith(f"params.yaml, `{key}`: ")
    assert reason in str(error.value)


PUBLISHED = "'PreFIQs, unstructured L1, ρ = 0.4' with sface"


@pytest.mark.parametrize(
    ("method", "first", "second", "same"),
    [
        ("norm", {}, None, "'embedding norm' with sface"),  # it would replace the norm that claims are judged against
        ("norm", {"batch_size": 2}, None, "'embedding norm' with sface"),
        ("prefiqs", {"granularity": "unstructured", "criterion": "l1", "ratio": 0.4}, None, PUBLISHED),
        ("prefiqs", {"ratio": 0.4}, None, PUBLISHED),
        ("prefiqs", {}, None, PUBLISHED),
        ("prefiqs", {"criterion": "l1", "seed": 7}, None, PUBLISHED),  # L1 pruning draws nothing
        ("ser-fiq", {}, {"passes": 100}, "'a'"),
        ("ser-fiq", {"batch_size": 8}, {}, "'a'"),
        ("ser-fiq", {}, {"passes": 50}, None),
        ("prefiqs", {"ratio": 0.45}, {"ratio": 0.35}, None),
    ],
)
def test_a_method_cannot_be_compared_with_itself_under_another_name(tmp_path, monkeypatch, method, first, second, same):
    monkeypatch.setenv("PREFIQS_DATA", str(tmp_path))
    options = {name: given for name, given in (("a", first), ("b", second)) if given is not None}
    known = {name: {"method": method, "model": "sface", "options": given} for name, given in options.items()}
    found = params({"methods": {"compared": [*options], "known": known}, "models": {"quality": ["sface"]}})
    if same is None:
        check_networks(found, thorough=False)
    else:
        with pytest.raises(ConfigError) as error:
            check_networks(found, thorough=False)
        assert str(error.value) == f"params.yaml, `methods.compared`: {[*options][-1]!r} is the same as {same}."


@pytest.mark.parametrize("shown", [True, False])
def test_what_a_run_starts_from(tmp_path, monkeypatch, shown):
    run = small_run(tmp_path, {"align": {"show_faces": {"orl": shown}}, "methods": {"compared": []}})
    use_small_networks(monkeypatch, run)
    photos = tmp_path / "photos"
    for person in range(1, 11):
        (photos / f"s{person}").mkdir(parents=True)
        cv2.imwrite(str(photos / f"s{person}" / "1.pgm"), np.full((112, 92), person, np.uint8))
    monkeypatch.setattr(fetch, "fetch_all", lambda names, root: {"orl": photos})
    study = fetch_study(run)
    study.write(tmp_path / "results")
    assert study.photo_count == 10
    assert study.layers.frame["weights"].sum() == sum(weight.numel() for weight in prunable_weights(TinyNet()).values())
    assert (study.photos is not None) == shown
    networks = study.networks.frame
    assert networks["network"].tolist() == ["sface", "mobilefacenet-512", "vit-prefiqs"]
    for name, megabytes in zip(networks["network"], networks["weights (MB)"], strict=True):
        assert megabytes == (run.layout.data / "weights" / name / "model.safetensors").stat().st_size / 1e6
    assert {p.name for p in (tmp_path / "results").iterdir()} == {
        "assets.csv", "assets.md", "networks.csv", "networks.md"
    }  # fmt: skip
