"""A method's identity: one key for each, safe as a file name, and columns instead of names that are parsed."""

import json
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefiqs.errors import InputError
from prefiqs.pipeline.identity import COLUMNS, MethodId, Scores, identity_table, short_label
from prefiqs.pruning.spec import PruningSpec

text = st.text(st.sampled_from("ab1,=@%\"'ρ /.-"), max_size=4)
options = st.dictionaries(text.filter(bool), st.one_of(text, st.integers(-3, 3), st.booleans(), st.none()), max_size=3)
identities = st.builds(lambda m, n, o: MethodId(m, n, tuple(sorted(o.items()))), text, text, options)


@given(identities, identities)
def test_different_methods_have_different_keys_that_are_file_names(a, b):
    assert (a.key == b.key) == (a == b and repr(a) == repr(b))  # True and 1 are equal, and different options
    assert set(a.key) <= set(string.ascii_letters + string.digits + "+._-~%@,=")


def test_a_pruned_network_is_told_by_columns():
    spec = PruningSpec(0.4, "structured", "random", 3)
    table = identity_table({MethodId.of_spec("sface", spec): False, MethodId.of("norm", "sface"): True})
    assert list(table) == ["key", *COLUMNS]
    first, norm = table.iloc[0], table.iloc[1]
    assert (first["method"], first["granularity"], first["criterion"], first["ratio"]) == (
        "prefiqs", "structured", "random", 0.4,
    )  # fmt: skip
    assert json.loads(first["options"]) == {"seed": 3} and not first["trained_on"]
    assert norm["label"] == "embedding norm" and norm["trained_on"] and np.isnan(norm["ratio"])
    assert first["label"] == "PreFIQs, structured random, ρ = 0.4, seed 3"


def test_labels_say_what_options_were_given():
    assert MethodId.of("grafiqs", "sface", block=1).label == "GraFIQs (block = 1)"
    assert MethodId.of("ser-fiq", "sface").label == "SER-FIQ"
    assert MethodId("CR-FIQA(L)", supervised="supervised").label == "CR-FIQA(L)"
    assert short_label(PruningSpec(0.4)) == "PreFIQs, ρ = 0.4"
    assert short_label(PruningSpec(0.4, "structured")) == "PreFIQs, structured L1, ρ = 0.4"
    assert MethodId.severity().label == "true severity" and MethodId.severity().supervision == "oracle"


NAMES = np.array(["a", "b", "c"])


def scores_of(*methods):
    values = {method: np.arange(3) + i for i, method in enumerate(methods)}
    return Scores.of(NAMES, values, lambda method: method.method == "ser-fiq")


def test_scores_come_back_as_they_were_written(tmp_path):
    wrote = scores_of(MethodId.of("ser-fiq", "sface"), MethodId.of_spec("sface", PruningSpec(0.1)))
    wrote.write(tmp_path)
    read = Scores.read(tmp_path)
    assert read.names.tolist() == NAMES.tolist()
    assert read[MethodId.of_spec("sface", PruningSpec(0.1))].tolist() == [1, 2, 3]
    assert read.methods.set_index("method")["trained_on"].to_dict() == {"ser-fiq": True, "prefiqs": False}
    assert read.where(read.methods["ratio"] == 0.1).values.keys() == {
        "prefiqs@sface,criterion=l1,granularity=unstructured,ratio=0.1"
    }


def test_a_file_of_another_tool_cannot_take_the_place_of_a_method():
    norm = scores_of(MethodId.of("norm", "sface"))
    joined = norm.joined(scores_of(MethodId("norm", supervised="unsupervised")))
    assert len(joined.values) == 2, "the key of a file's scores differs from that of every method"
    with pytest.raises(InputError, match="Two methods are called 'embedding norm'"):
        norm.joined(scores_of(MethodId("embedding norm", supervised="unsupervised")))
    with pytest.raises(InputError, match="Two methods"):
        norm.joined(norm)
