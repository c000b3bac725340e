"""The run that the tests of studies share is one that the studies can read."""

import numpy as np
from small_run import small_run, use_small_networks, write_embeddings, write_method_scores, write_scores


def test_a_small_run_has_benchmarks_embeddings_scores_and_networks(tmp_path, monkeypatch):
    run = small_run(tmp_path, {"methods": {"compared": ["pruning-margin"]}})
    use_small_networks(monkeypatch, run)
    write_embeddings(run, "orl-xq", "sface")
    write_scores(run, "orl-xq")
    write_method_scores(run, "orl-xq")
    images, scores = run.benchmark("orl-xq"), run.all_scores("orl-xq", "sface")
    assert images.folds is not None and len(images.images) == 3 * len(run.benchmark("orl").images)
    assert run.raw_embeddings("orl-xq", "sface", run.params.usual).shape == (len(images.images), 8)
    assert np.array_equal(scores.names, images.names)
    assert len(scores.methods) == len(run.params.prune.specs) + 3  # and norm, pruning-margin, severity

    from prefiqs.models.loading import load_model

    assert load_model("sface", device="cpu").embedding_size == 8
