"""params.yaml is checked before anything runs, across its blocks too, and an error names the key."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from prefiqs.errors import ConfigError
from prefiqs.pipeline.params import Params, overlaid, read_yaml
from prefiqs.pruning.spec import PruningSpec

ROOT = Path(__file__).parents[2]
PARAMS = ROOT / "params.yaml"
PRESETS = sorted((ROOT / "presets").glob("*.yaml"))


def with_values(**changes):
    """The content of params.yaml with values by dotted key (`__` for the dot)."""
    content = read_yaml(PARAMS)
    for key, value in changes.items():
        for block in reversed(key.split("__")):
            value = {block: value}
        content = overlaid(content, value)
    return content


def test_params_cannot_be_changed_by_a_stage():
    with pytest.raises(ValidationError, match="frozen"):
        Params.read(PARAMS).align.people = 3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("prune__ratios", [0.1, 1.0]),
        ("prune__ratios", []),
        ("prune__ratios", [0.4, 0.4]),
        ("prune__criteria", ["l3"]),
        ("prune__criteria", []),
        ("prune__granularities", []),
        ("edc__threshold", "floating"),
        ("edc__fmr", [0]),
        ("align__people", 1),
        ("folds__count", 1),
        ("embed__batch_size", 0),
        ("embed__device", "gpu"),
        ("embed__device", "cuda:x"),
        ("models__quality", []),
        ("models__cross", ["mobilefacenet-192", "mobilefacenet-192"]),
        ("methods__known", {"a/b": {"method": "norm", "model": "sface", "options": {}}}),
        ("methods__known", {"a.b": {"method": "norm", "model": "sface", "options": {}}}),
        ("benchmarks__all", ["orl", "orl.xq"]),
        ("prune__ratios", [0.4, 0.40000001]),
        ("candidates__exponents", [1, 1.0000001]),
    ],
)
def test_a_wrong_value_is_refused_by_its_key(key, value):
    with pytest.raises(ConfigError, match=rf"params.yaml: `{key.replace('__', '.')}"):
        Params.checked(with_values(**{key: value}))


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("benchmarks__paired", ["orl", "lfw"], "`benchmarks.paired` names 'lfw'"),
        ("report__claims", ["orl-qx"], "`report.claims` names 'orl-qx'"),
        ("report__labelled", ["orl"], "`report.labelled` names 'orl', which is not in `jacobian.benchmarks`"),
        ("methods__calibrated_on", "lfw", "`methods.calibrated_on` names 'lfw'"),
        ("transformer__benchmarks", ["lfw"], "`transformer.benchmarks` names 'lfw'"),
        ("verification__flip_test", ["orl-xq"], "names orl-xq, but not its source orl"),
    ],
)
def test_names_of_different_blocks_must_agree(key, value, reason):
    with pytest.raises(ConfigError, match=reason):
        Params.checked(with_values(**{key: value}))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"align__show_faces": {"orl": True}}, None),
        ({"benchmarks__all": ["orl", "orl-xq", "mine"], "benchmarks__photos": ["orl", "mine"]},
         "`align.show_faces` must say whether faces of 'mine' may be shown: true or false"),
        ({"models__cross": ["sface"]}, "`models.cross` names 'sface', which verifies as one of `models.quality`"),
        ({"jacobian__benchmarks": ["orl", "orl-xq"]},
         "`jacobian.benchmarks` names 'orl', which is not in `benchmarks.paired` or `report.labelled`"),
        ({"align__people": 19}, "`align.people` must be null or at least 20: two people in each of the `folds`"),
        ({"align__people": 20}, None),
        ({"precision": {"benchmarks": ["orl-xq"], "kinds": ["tf32"]}, "embed__device": "cpu"},
         "`precision.kinds` names 'tf32', which needs a GPU, but `embed.device` is 'cpu'"),
        ({"precision": {"benchmarks": ["orl-xq"], "kinds": ["tf32"]}}, None),
        ({"prune__criteria": ["random"]},
         "`prune.strategies.sface` lists none of the grid: unstructured-random, structured-random"),
        ({"prune__granularities": ["unstructured"]}, None),
    ],
)  # fmt: skip
def test_what_a_stage_would_miss_is_refused(changes, reason):
    if reason is None:
        Params.checked(with_values(**changes))
    else:
        with pytest.raises(ConfigError) as caught:
            Params.checked(with_values(**changes))
        assert reason in str(caught.value)


def test_a_mistyped_key_is_named():
    with pytest.raises(ConfigError, match="params.yaml: unknown key `degrade.copeis`"):
        Params.checked(with_values(degrade__copeis=3))


def test_blocks_that_do_not_go_together_are_refused():
    with pytest.raises(ConfigError, match="`all` must list exactly orl, orl-xq"):
        Params.checked(with_values(benchmarks__all=["orl"]))
    with pytest.raises(ConfigError, match="the source lfw is not among `photos`"):
        Params.checked(with_values(benchmarks__cross_quality=[{"name": "orl-xq", "source": "lfw"}]))
    with pytest.raises(ConfigError, match="`degrade.strongest.blurr` cannot be 'blurr': choose one of gaussian-blur"):
        Params.checked(with_values(degrade__strongest={"blurr": 3.0}))
    with pytest.raises(ConfigError, match=r"`limit` \(0.3\) must be a multiple of `step` \(0.2\)"):
        Params.checked(with_values(edc__step=0.2))
    with pytest.raises(ConfigError, match="`methods.known.x.method` cannot be 'ser-qif': choose one of prefiqs"):
        Params.checked(with_values(methods__known={"x": {"method": "ser-qif", "model": "sface", "options": {}}}))
    with pytest.raises(ConfigError, match="names 'nothing', which is not in `known`"):
        Params.checked(with_values(methods__compared=["nothing"]))


def test_a_pair_set_has_a_source_with_pairs_and_a_name_of_its_own():
    made = {"name": "lfw-all", "source": "orl", "across": "source", "impostors": 9, "seed": 0}
    paired = {"benchmarks__paired": ["orl", "orl-xq"]}
    params = Params.checked(with_values(**paired, benchmarks__pair_sets=[made], report__claims=["lfw-all"]))
    assert params.benchmarks.pair_lists == ["orl", "orl-xq", "lfw-all"]
    assert [params.faces_of(name) for name in ("orl", "lfw-all")] == ["orl", "orl"]
    for wrong, reason in {
        "source": "the source lfw of a pair set is not among `paired`",
        "name": "'orl' is listed twice",
    }.items():
        with pytest.raises(ConfigError, match=reason):
            other = made | {wrong: {"source": "lfw", "name": "orl"}[wrong]}
            Params.checked(with_values(**paired, benchmarks__pair_sets=[other]))


@pytest.mark.parametrize("name", ["orl_xq", "ORL-XQ", "orlxq"])
def test_benchmarks_that_tables_would_mix_are_refused(name):
    with pytest.raises(ConfigError, match=f"'orl-xq' and {name!r} differ in punctuation or case only"):
        Params.checked(with_values(benchmarks__all=["orl", "orl-xq", name], benchmarks__photos=["orl", name]))
    made = {"name": name, "source": "orl-xq", "across": "source", "impostors": 9, "seed": 0}
    with pytest.raises(ConfigError, match=f"'orl-xq' and {name!r} differ in punctuation or case only"):
        Params.checked(with_values(benchmarks__pair_sets=[made]))


def test_results_that_would_replace_each_other_are_refused():
    """Among the numbers of a run, those of `sface` on `orl-xq` and of `xq-sface` on `orl` are both `orl-xq-sface`."""
    method = {"method": "ser-fiq", "model": "sface", "options": {}}
    methods = {"compared": ["a", "xq-a"], "known": {"a": method, "xq-a": method | {"options": {"passes": 50}}}}
    for last, changes in (("sface", {"models__cross": ["xq-sface"]}), ("a", {"methods": methods})):
        with pytest.raises(ConfigError) as error:
            Params.checked(with_values(**changes))
        assert str(error.value) == (
            f"params.yaml: the results of 'xq-{last}' on 'orl' and '{last}' on 'orl-xq' would both be 'orl-xq-{last}'; "
            "rename one of them."
        )


def test_of_several_pair_sets_the_one_with_most_pairs_counts():
    made = [{"name": name, "source": "orl-xq", "across": "source", "impostors": n, "seed": 0}
            for name, n in (("few", 10), ("many", 30), ("some", 20))]  # fmt: skip
    params = Params.checked(with_values(benchmarks__pair_sets=made))
    assert [params.most_pairs_of(name) for name in ("orl", "orl-xq")] == ["orl", "many"]


def test_a_pair_set_differs_in_a_column_that_some_benchmark_has():
    made = {"name": "all", "source": "orl-xq", "across": "bogus", "impostors": 9, "seed": 0}
    with pytest.raises(ConfigError, match="`benchmarks.pair_sets.0.across` cannot be 'bogus': .*'source', 'pose'"):
        Params.checked(with_values(benchmarks__pair_sets=[made]))
    with pytest.raises(ConfigError, match="across `pose`, which the degraded faces of orl-xq do not have"):
        Params.checked(with_values(benchmarks__pair_sets=[made | {"across": "pose"}]))


def test_scores_of_another_tool_have_one_kind_of_supervision():
    with pytest.raises(ConfigError, match="'FROQ' is both in `supervised` and in `semi_supervised`"):
        Params.checked(with_values(external__supervised=["PFE", "FROQ"], external__semi_supervised=["FROQ"]))


def test_the_main_strategy_is_the_papers_where_it_was_run():
    assert {(s.granularity, s.criterion) for s in Params.read(PARAMS).prune.main} == {("unstructured", "l1")}
    models = Params.read(PARAMS).models.quality
    channels = {"granularities": ["structured"], "strategies": dict.fromkeys(models, ["structured-l1"])}
    structured = Params.checked(with_values(prune=channels, report__gallery_ratio=0.37))
    assert structured.usual == PruningSpec(0.4, "structured", "l1")
    few = Params.checked(with_values(prune__strategies={"sface": ["structured-l1", "unstructured-l1"]})).prune
    assert few.specs_of("other") == few.specs and len(few.specs) == 4 * 9
    assert few.specs_of("sface") == [spec for spec in few.specs if spec.criterion == "l1"]
    few = Params.checked(with_values(prune__strategies={"sface": ["structured-l1"]})).prune  # and the main one
    assert few.specs_of("sface") == [spec for spec in few.specs if spec.criterion == "l1"]
    strategies = dict.fromkeys(models, ["unstructured-random"])
    drawn = Params.checked(with_values(prune={"criteria": ["random"], "seed": 3, "strategies": strategies})).prune
    assert drawn.main[0] == PruningSpec(0.1, "unstructured", "random", 3)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda p: p.stem)
def test_presets_hold_only_what_differs_and_can_be_used(preset):
    base, overlay = read_yaml(PARAMS), read_yaml(preset)
    assert Params.checked(overlaid(base, overlay))

    def same_values(a, b):
        for key in b:
            if isinstance(b[key], dict):
                yield from same_values(a.get(key, {}), b[key])
            elif a.get(key) == b[key]:
                yield key

    assert not list(same_values(base, overlay))


def test_a_key_that_is_there_twice_is_refused(tmp_path):
    """Else the last one would count, and the first be ignored without a word."""
    path = tmp_path / "params.yaml"
    for text in ("edc: {limit: 0.2}\nprune: {seed: 1}\nedc: {step: 0.1}\n", "edc:\n  limit: 0.2\n  limit: 0.3\n"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=r'not valid YAML: .*duplicate key "(edc|limit)".*line 3, column'):
            read_yaml(path)


def test_numbers_are_read_as_dvc_reads_them(tmp_path):
    """By YAML 1.2: one without a point is a number too."""
    path = tmp_path / "params.yaml"
    path.write_text("edc: {fmr: [1e-3], seed: 010, on: 1}", encoding="utf-8")
    assert read_yaml(path) == {"edc": {"fmr": [0.001], "seed": 10, "on": 1}}


def test_a_missing_or_broken_file_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match="File not found"):
        Params.read(tmp_path / "params.yaml")
    path = tmp_path / "params.yaml"
    for text, message in [("prune: [", "not valid YAML"), ("[1, 2]", "mapping"), ("prune:\n", "missing block `run`")]:
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=message):
            Params.read(path)
    path.write_text("# müde".encode("latin-1").decode("latin-1"), encoding="latin-1")
    with pytest.raises(ConfigError, match="not valid YAML"):
        Params.read(path)
    path.write_text(yaml.safe_dump(read_yaml(PARAMS) | {"pruen": {}}), encoding="utf-8")
    with pytest.raises(ConfigError, match="unknown block `pruen`"):
        Params.read(path)
