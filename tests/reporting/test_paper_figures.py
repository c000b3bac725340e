"""The figures of the paper and of the ablations: what is drawn where, in which style, and that it can be read."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from prefiqs.methods.registry import METHODS
from prefiqs.reporting.figures import style
from prefiqs.reporting.figures.areas import areas_by_block, forest, lines_by_ratio
from prefiqs.reporting.figures.curves import edc_grid
from prefiqs.reporting.figures.distributions import density_panels, genuine_and_impostor
from prefiqs.reporting.tables import marked

DISCARD = np.arange(20) / 20
SLOPES = {"CR-FIQA": 0.9, "FROQ": 0.5, "SER-FIQ": 0.6, "norm": 0.3, "prefiqs": 0.8}
MANY = SLOPES | {"x": 0.4, "y": 0.35, "z": 0.1}
PRINTED = 6.5  # inches of text on an A4 page


def start(verifier, benchmark):
    """FNMR with nothing discarded: another scale for each panel."""
    return 0.01 * (1 + verifier) * 1.5**benchmark


def edc_table(verifiers=2, benchmarks=3, slopes=SLOPES, fmr=1e-3):
    """Straight lines, from which areas follow in closed form; the last three points lack an impostor pair."""
    enough = round(10 / fmr)
    rows = [
        (f"v{v}", f"b{b}", key, f"the {key}", key, fmr, r, start(v, b) * (1 - slope * r), r < 0.94)
        + (10**6, enough if r < 0.84 else enough - 1)
        for v in range(verifiers)
        for b in range(benchmarks)
        for key, slope in slopes.items()
        for r in DISCARD
    ]
    columns = "verifier benchmark key label method fmr discard fnmr fmr_resolvable n_genuine n_impostor"
    return pd.DataFrame(rows, columns=columns.split()).assign(trained_on=False)


def random_band(verifiers=2, benchmarks=3):
    keys = [(f"v{v}", f"b{b}", r, start(v, b)) for v in range(verifiers) for b in range(benchmarks) for r in (0, 0.95)]
    table = pd.DataFrame(keys, columns=["verifier", "benchmark", "discard", "fnmr"])
    return table.assign(low=0.5 * table["fnmr"], high=1.5 * table["fnmr"])


def drawn_grid(curves, fmr=1e-3, limit=0.3, **arranged):
    chance = random_band(curves["verifier"].nunique(), curves["benchmark"].nunique()).assign(fmr=fmr)
    return edc_grid(curves, chance, fmr, limit, "a title", **arranged)


def labelled(axes):
    """The lines of a panel by key: points with enough errors only."""
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def texts(figure):
    return [text for text in figure.findobj(mpl.text.Text) if text.get_text() and text.get_visible()]


def area(polygon):
    x, y = polygon.get_paths()[0].vertices.T
    return 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))  # shoelace


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_grid_has_a_row_a_verifier_and_a_column_a_benchmark_with_its_own_scale():
    figure = drawn_grid(edc_table())
    grid = np.array(figure.axes).reshape(2, 3)
    assert [axes.get_title() for axes in grid[0]] == ["benchmark b0", "benchmark b1", "benchmark b2"]
    assert [axes.get_ylabel() for axes in grid[:, 0]] == ["verifier\nv0\nFNMR (%)", "verifier\nv1\nFNMR (%)"]
    for (v, b), axes in np.ndenumerate(grid):
        low, high = axes.get_ylim()
        assert low == 0 and start(v, b) < high < 1.5 * start(v, b)  # not stretched by the range of random orders
        assert labelled(axes)["FROQ"].get_ydata()[:4] == pytest.approx(start(v, b) * (1 - 0.5 * DISCARD[:4]))
    assert len(figure.legends) == 1 and legend_of(figure)[0] == "the prefiqs"  # labels are printed, not keys


def test_verifiers_can_stand_side_by_side():
    figure = drawn_grid(edc_table(benchmarks=1), rows="benchmark", columns="verifier")
    assert [axes.get_title() for axes in figure.axes] == ["verifier v0", "verifier v1"]
    assert figure.axes[0].get_ylabel() == "FNMR (%)"


def test_four_methods_have_a_colour_of_their_own_the_others_are_grey():
    figure = drawn_grid(edc_table(slopes=MANY))
    panels = [labelled(axes) for axes in figure.axes]
    colours = [{name: line.get_color() for name, line in panel.items()} for panel in panels]
    assert all(panel == colours[0] for panel in colours)
    # the norm has its colour though it is worse than the others
    others = dict.fromkeys(["FROQ", "x", "y", "z"], style.PALE)
    own = {name: look["color"] for name, look in style.looks(MANY).items() if name not in others}
    assert own["prefiqs"] == style.METHODS["prefiqs"]["color"] and own["norm"] == "black"
    assert colours[0] == others | own
    named = ["the prefiqs", "the norm", "the CR-FIQA", "the SER-FIQ"]
    assert legend_of(figure)[:5] == [*named, "4 other methods"]


def test_of_a_method_drawn_twice_the_second_curve_is_dashed():
    twice = edc_table(slopes=SLOPES | {"prefiqs at its best": 0.85})
    twice["method"] = twice["method"].replace("prefiqs at its best", "prefiqs")
    lines = labelled(drawn_grid(twice).axes[0])
    first, second = lines["prefiqs"], lines["prefiqs at its best"]
    assert first.get_color() == second.get_color()
    assert (first.get_linestyle(), second.get_linestyle()) == ("-", "--")


def test_a_method_looks_alike_whatever_stands_beside_it():
    """The transformer's method is the best here and the worst there; there are two quality networks."""
    curves = edc_table(slopes={"prefiqs": 0.5, "ex-fiqa": 0.9, "qualityface": 0.6, "lightqnet": 0.7, "attn-fiqa": 0.1})
    curves["method"] = curves["method"].replace(["qualityface", "lightqnet"], "quality-network")
    lines = labelled(drawn_grid(curves).axes[0])
    assert lines["ex-fiqa"].get_color() == style.METHODS["ex-fiqa"]["color"]
    looks = [(lines[key].get_color(), lines[key].get_linestyle()) for key in ("qualityface", "lightqnet")]
    assert looks == [(style.METHODS["quality-network"]["color"], line) for line in ("-", "--")]
    table = interval_table().replace({"method": {"x": "ex-fiqa"}})
    points = [line for line in forest(table, "title", "difference").axes[0].lines if len(line.get_xdata()) == 1]
    assert [point.get_color() for point in points[:2]] == [lines[key].get_color() for key in ("prefiqs", "ex-fiqa")]

    mine = labelled(drawn_grid(edc_table(slopes={"prefiqs": 0.1, "mine": 0.2, "yours": 0.9})).axes[0])
    table = interval_table().assign(key=["prefiqs", "mine", "mine", "prefiqs", "yours"], estimate=[3.0, 2, 2, 3, 1])
    points = [line for line in forest(table.assign(method=table["key"]), "t", "d").axes[0].lines][:3]
    assert [point.get_color() for point in points] == [mine[key].get_color() for key in ("yours", "mine", "prefiqs")]


def test_every_method_has_a_look_of_its_own():
    assert set(METHODS) < set(style.METHODS)
    assert len({look["marker"] for look in style.METHODS.values()}) == len(style.METHODS)
    others = style.looks(["ex-fiqa", "norm", "mine", "yours"])
    assert others["ex-fiqa"] == style.METHODS["ex-fiqa"]
    assert len({look["color"] for look in others.values()}) == 4
    many = style.looks([*style.METHODS, *(f"file {i}" for i in range(6))]).values()
    assert len({(look["color"], look["linestyle"]) for look in many}) == len(style.METHODS) + 6


def test_grid_colours_the_best_methods_where_none_is_known():
    many = {f"m{i}": 0.9 - 0.1 * i for i in range(8)}  # from the steepest line to the flattest
    figure = drawn_grid(edc_table(slopes=many))
    assert legend_of(figure)[:5] == [*(f"the m{i}" for i in range(4)), "4 other methods"]
    lines = labelled(figure.axes[0])
    drawn = sorted(lines, key=lambda key: lines[key].get_zorder())
    assert set(drawn[:4]) == {"m4", "m5", "m6", "m7"} and drawn[-1] == "m0"  # grey below, the first on top


@pytest.mark.parametrize("shown", [
    [*style.METHODS.values(), dict(color=style.PALE, linestyle="-")],
    [*style.STRATEGIES.values(), style.METHODS["norm"], style.METHODS["severity"]],
])  # fmt: skip
def test_colours_stay_apart_for_the_colour_blind(shown):
    """Of two looks, those that a figure may have, in which only the colour differs."""
    # Machado, Oliveira and Fernandes 2009, severity 1: no red cones, no green cones, no blue cones
    protan = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    deutan = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    tritan = [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    looks = list({(look["color"], look["linestyle"]): look for look in shown}.values())
    rgb = np.array([to_rgb(look["color"]) for look in looks])
    same_line = np.array([[one["linestyle"] == other["linestyle"] for one in looks] for other in looks])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    for seen in (np.eye(3), protan, deutan, tritan):
        xyz = np.clip(linear @ np.array(seen).T, 0, 1) @ np.array(to_xyz).T / [0.95047, 1, 1.08883]
        f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
        lab = np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)
        apart = np.linalg.norm(lab[:, None] - lab, axis=-1)  # CIELAB; about 2 is just noticeable
        assert apart[same_line & ~np.eye(len(looks), dtype=bool)].min() > 25


@pytest.mark.parametrize("limit", [0.3, 0.33])  # a point of the grid, and one between two
def test_grid_shades_what_the_pauc_measures(limit):
    figure = drawn_grid(edc_table(), limit=limit)
    for (v, b), axes in np.ndenumerate(np.array(figure.axes).reshape(2, 3)):
        _, shaded = axes.collections  # the first is the range of random orders
        assert to_rgb(shaded.get_facecolor()[0]) == pytest.approx(to_rgb(labelled(axes)["prefiqs"].get_color()))
        assert area(shaded) == pytest.approx(start(v, b) * limit * (1 - 0.8 * limit / 2))


def test_grid_draws_what_rests_on_few_errors_faint():
    figure = drawn_grid(edc_table(slopes=MANY))
    for axes in figure.axes:
        for line in labelled(axes).values():
            assert np.isnan(line.get_ydata()[-3:]).all() and np.isfinite(line.get_ydata()[:-3]).all()
            assert line.get_alpha() is None
        faint = [line for line in axes.lines if line.get_alpha() == 0.35]
        assert len(faint) == 8 and all(np.isfinite(line.get_ydata()).all() for line in faint)
    assert "faint: fewer than ten expected false matches or rejected genuine pairs" in legend_of(figure)
    sure = edc_table().assign(n_impostor=10_000)
    assert not any("faint" in text.get_text() for text in texts(drawn_grid(sure)))
    ten = drawn_grid(sure.assign(fnmr=0.1, n_genuine=np.where(sure["discard"] < 0.24, 95, 94)))  # 9.5 and 9.4 errors
    for line in labelled(ten.axes[0]).values():
        assert np.isfinite(line.get_ydata()).sum() == 5


def test_grid_takes_the_fmr_asked_for_and_sorts_the_points():
    both = pd.concat([edc_table(), edc_table(fmr=1e-4).assign(fnmr=0.5)]).sample(frac=1, random_state=0)
    figure = drawn_grid(both, fmr=1e-4)
    line = labelled(figure.axes[0])["FROQ"]
    assert line.get_xdata().tolist() == DISCARD.tolist() and set(line.get_ydata()[:17]) == {0.5}
    assert "faint: fewer than ten expected false matches or rejected genuine pairs" in legend_of(figure)


def test_grid_draws_the_random_order_as_a_band():
    figure = drawn_grid(edc_table())
    axes = figure.axes[-1]
    band = axes.collections[0].get_paths()[0].vertices
    assert band.min(axis=0) == pytest.approx([0, 0.5 * start(1, 2)])
    assert band.max(axis=0) == pytest.approx([0.95, 1.5 * start(1, 2)])
    assert "random orders, mean and range" in legend_of(figure)


def test_grid_says_where_nothing_was_run():
    table = edc_table()
    figure = drawn_grid(table[(table["verifier"] != "v1") | (table["benchmark"] != "b2")])
    notes = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert notes == [[]] * 5 + [["not run"]] and not labelled(figure.axes[5])


@pytest.mark.parametrize(("verifiers", "benchmarks"), [(1, 1), (1, 8), (4, 1), (4, 8)])
def test_grid_can_be_read_in_print_and_nothing_is_cut_off_or_covered(verifiers, benchmarks):
    many = {f"method {i}": 0.9 - 0.05 * i for i in range(14)}
    table = edc_table(verifiers, benchmarks, many).replace({"b0": "AgeDB-30", "v0": "CurricularFace"})
    figure = drawn_grid(table.assign(label="PreFIQs, unstructured L1, ρ = 0.4"))
    assert figure.get_figheight() < 2**0.5 * figure.get_figwidth()  # A4, upright
    shrunk = min(1, PRINTED / figure.get_figwidth())
    assert all(shrunk * text.get_fontsize() >= 6 for text in texts(figure))
    panels = [axes.get_tightbbox() for axes in figure.axes]  # with their numbers and titles
    parts = [*panels, *(text.get_window_extent() for text in figure.texts), figure.legends[0].get_window_extent()]
    for place, box in enumerate(parts):
        assert box.x0 > -1 and box.y0 > -1 and box.x1 < figure.bbox.x1 + 1 and box.y1 < figure.bbox.y1 + 1
        assert not box.padded(-1).count_overlaps(parts[place + 1 :])
    assert all(axes.bbox.width > 0.6 * figure.dpi for axes in figure.axes)


def numbers_by_cell(axes):
    mesh = axes.collections[0]
    x, y = mesh.get_coordinates()[0, :, 0], mesh.get_coordinates()[:, 0, 1]
    return np.ma.filled(mesh.get_array(), 0).reshape(len(y) - 1, len(x) - 1), x, y


@pytest.mark.parametrize("n", [400, 20_000])
def test_density_counts_every_point_once(n):
    rng = np.random.default_rng(n)
    x = rng.random(n)
    y = x + rng.random(n)
    y[0] = 50
    axes = density_panels(x, {"score": y}, "label", "t").axes[0]
    counts, x_edges, y_edges = numbers_by_cell(axes)
    expected = np.zeros(counts.shape)
    for a, b in zip(x[1:], y[1:], strict=True):  # an independent count
        column = min(np.searchsorted(x_edges, a, side="right"), len(x_edges) - 1) - 1
        row = min(np.searchsorted(y_edges, b, side="right"), len(y_edges) - 1) - 1
        expected[row, column] += 1
    assert np.array_equal(counts, expected) and counts.sum() == n - 1
    assert counts.size == {400: 15**2, 20_000: 54**2}[n]
    rank = np.corrcoef(np.argsort(np.argsort(x)), np.argsort(np.argsort(y)))[0, 1]
    assert axes.texts[0].get_text() == f"Spearman {rank:.3f}\n1 outside"


def test_density_gives_each_set_label_a_column_of_its_own():
    x = np.repeat([0.0, 0.2, 1.0], [10, 20, 30])
    counts, edges, _ = numbers_by_cell(density_panels(x, {"y": np.arange(60.0)}, "x", "t").axes[0])
    assert edges.tolist() == pytest.approx([-0.1, 0.1, 0.6, 1.4]) and counts.sum(axis=0).tolist() == [10, 20, 30]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_density_panels_are_lettered_and_share_one_logarithmic_colour_scale(n):
    rng = np.random.default_rng(0)
    x = rng.choice(rng.random(1000), 2000)
    scores = {f"score {i}": np.where(rng.random(2000) < i / 8, 0.5, rng.random(2000)) for i in range(n)}
    figure = density_panels(x, scores, "x", "t")
    drawn = [axes for axes in figure.axes if axes.get_xlabel() == "x"]
    assert [axes.get_title() for axes in drawn] == (["(a)", "(b)", "(c)", "(d)", "(e)"][:n] if n > 1 else [""])
    assert [axes.get_ylabel() for axes in drawn] == list(scores)
    norms = {id(axes.collections[0].norm): axes.collections[0].norm for axes in drawn}
    (norm,) = norms.values()
    most = max(numbers_by_cell(axes)[0].max() for axes in drawn)
    assert isinstance(norm, mpl.colors.LogNorm) and (norm.vmin, norm.vmax) == (1, most)
    for axes in drawn:  # the correlation does not lie on any cell
        _, _, y_edges = numbers_by_cell(axes)
        box = axes.texts[0].get_window_extent().transformed(axes.transData.inverted())
        assert box.y0 > y_edges[-1]


def interval_table():
    rows = [
        ("v0", "prefiqs", 10.0, 9, 12),
        ("v0", "x", 11, 10, 11.5),
        ("v1", "x", 50, 45, 60),
        ("v1", "prefiqs", 40, 3, 70),
    ]
    rows += [("v0", "worst", 30, np.nan, np.nan)]
    table = pd.DataFrame(rows, columns=["verifier", "key", "estimate", "low", "high"])
    return table.assign(label="the " + table["key"], method=table["key"])


def drawn_intervals(axes):
    """Method -> (low, point, high), read off the drawing."""
    name = axes.yaxis.get_major_formatter()
    points = {line.get_ydata()[0]: line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 1}
    segments = [part for part in axes.collections[0].get_segments() if len(part)]
    ends = {part[0, 1]: tuple(part[:, 0]) for part in segments if np.isfinite(part).all()}
    return {name(y): (ends[y][0], points[y], ends[y][1]) for y in ends}


def test_forest_has_a_panel_a_verifier_and_a_line_a_method_the_best_on_top():
    figure = forest(interval_table(), "title", "difference")
    first, second = figure.axes
    assert (first.get_title(), second.get_title()) == ("v0", "v1")
    assert drawn_intervals(first) == {"the prefiqs": (9, 10, 12), "the x": (10, 11, 11.5)}
    assert drawn_intervals(second) == {"the x": (45, 50, 60), "the prefiqs": (3, 40, 70)}
    assert [label.get_text() for label in first.get_yticklabels()] == ["the prefiqs", "the x", "the worst"]
    assert first.get_ylim()[0] > first.get_ylim()[1]  # downwards
    for axes in figure.axes:
        assert [0, 0] in [list(line.get_xdata()) for line in axes.lines]  # the norm
        assert axes.lines[0].get_color() == style.METHODS["prefiqs"]["color"]


def test_forest_of_areas_has_the_random_orders():
    random = [("v0", 18.0, 20.0, 23.0), ("v1", 70.0, 72.0, 75.0)]
    random = pd.DataFrame(random, columns=["verifier", "pauc_min", "pauc_mean", "pauc_max"])
    figure = forest(interval_table(), "title", "pAUC", random)
    for axes, low, mean, high in zip(figure.axes, (18, 70), (20, 72), (23, 75), strict=True):
        (band,) = axes.patches
        assert (band.get_x(), band.get_x() + band.get_width()) == (low, high)
        assert [mean, mean] in [list(line.get_xdata()) for line in axes.lines]
        assert [0, 0] not in [list(line.get_xdata()) for line in axes.lines]
    assert legend_of(figure) == ["random orders, mean and range"] and figure.legends[0].get_title().get_text() == "pAUC"


def test_forest_has_rows_under_the_names_of_their_groups():
    rows = [("layers", "all", 20.0, 19, 21), ("layers", "last", 15, np.nan, np.nan), ("distance", "L2", 20, 18, 22)]
    table = pd.DataFrame(rows, columns=["group", "key", "estimate", "low", "high"])
    figure = forest(table.assign(verifier="v", label=table["key"], method=""), "title", "pAUC")
    (axes,) = figure.axes
    labels = axes.get_yticklabels()
    assert [label.get_text() for label in labels] == ["layers", "all", "last", "distance", "L2"]  # not sorted
    assert [label.get_fontweight() for label in labels] == ["bold", "normal", "normal", "bold", "normal"]
    assert drawn_intervals(axes) == {"all": (19, 20, 21), "L2": (18, 20, 22)}


def test_points_that_are_not_on_the_front_are_hollow():
    table = interval_table()
    figure = forest(table.assign(front=table["method"] == "prefiqs"), "title", "difference")
    faces = {name: set() for name in ("prefiqs", "other")}
    for axes in figure.axes:
        names = axes.yaxis.get_major_formatter()
        for line in (line for line in axes.lines if len(line.get_xdata()) == 1):
            kind = "prefiqs" if names(line.get_ydata()[0]) == "the prefiqs" else "other"
            faces[kind].add(line.get_markerfacecolor())
    assert faces == {"prefiqs": {style.METHODS["prefiqs"]["color"]}, "other": {"white"}}


def test_a_mark_is_explained_where_there_is_one():
    seen = marked(pd.DataFrame({"label": ["EX-FIQA", "norm"], "trained_on": [True, False]}))
    assert seen.tolist() == ["EX-FIQA §", "norm"]
    for figure in (
        forest(interval_table().assign(trained_on=True), "title", "difference"),
        drawn_grid(edc_table().assign(trained_on=True)),
    ):
        assert any(style.EXPLAINED in text.get_text() for text in texts(figure))
    grey = edc_table(slopes=MANY).assign(trained_on=lambda table: table["key"] == "z")
    for figure in (forest(interval_table(), "title", "difference"), drawn_grid(edc_table()), drawn_grid(grey)):
        assert not any("§" in text.get_text() for text in texts(figure))


def test_intervals_of_strategies_stand_beside_each_other():
    rows = [(name, ratio, 10.0 + ratio, 8, 13) for name in ("unstructured l1", "structured l1") for ratio in (0.1, 0.2)]
    table = pd.DataFrame(rows, columns=["strategy", "ratio", "pauc", "pauc_low", "pauc_high"])
    axes = lines_by_ratio(table, "pauc", "title", {"embedding norm": ("norm", 9.0)}).axes[0]
    drawn = {line.get_label(): line for line in axes.lines}
    assert {drawn["embedding norm"].get_color(), drawn["unstructured L1"].get_color()} == {"black", style.OURS}
    for bars, line in zip(axes.collections, (drawn["unstructured L1"], drawn["structured L1"]), strict=True):
        for part, x in zip(bars.get_segments(), line.get_xdata(), strict=True):
            assert part.tolist() == [[x, 8], [x, 13]]
    first, second = (line.get_xdata() for line in (drawn["unstructured L1"], drawn["structured L1"]))
    assert (first < second).all() and (first + second) / 2 == pytest.approx([0.1, 0.2])


def test_areas_by_block_have_a_panel_a_verifier_and_say_what_a_block_costs():
    rows = [(v, "EX-FIQA §", "ex-fiqa", "", b, 50 * b, 10.0 * b) for v in "vw" for b in (1, 2)]
    rows += [(v, "EX-FIQA-F §", "ex-fiqa", "X", 2, 100, 15.0) for v in "vw"]
    columns = ["verifier", "line", "method", "marker", "block", "share", "pauc"]
    chance = pd.DataFrame({"verifier": ["v", "w"], "pauc_min": 28, "pauc_mean": 30, "pauc_max": 31})
    figure = areas_by_block(pd.DataFrame(rows, columns=columns).assign(trained_on=True), "title", chance)
    assert [axes.get_title("left") for axes in figure.axes] == ["verifier v", "verifier w"]
    for axes in figure.axes:
        _, exits, fused = axes.lines
        assert exits.get_xydata().tolist() == [[1, 10], [2, 20]] and fused.get_xydata().tolist() == [[2, 15]]
        assert exits.get_color() == fused.get_color() == style.METHODS["ex-fiqa"]["color"]
        assert (exits.get_marker(), fused.get_marker()) == ("^", "X")
    assert [label.get_text() for label in figure.axes[-1].get_xticklabels()] == ["1\n50 %", "2\n100 %"]
    assert legend_of(figure) == [style.RANDOM_LABEL, "EX-FIQA §", "EX-FIQA-F §", style.EXPLAINED]


def test_what_a_threshold_gets_wrong_is_counted():
    genuine, impostor = np.array([0.1, 0.6, 0.8, 0.9]), np.array([-0.2, 0.0, 0.1, 0.2, 0.7])
    figure = genuine_and_impostor(genuine, impostor, 0.5, "title")
    names = ["genuine pairs", "rejected: FNMR 25 %", "impostor pairs", "accepted: FMR 20 %", "threshold 0.500"]
    assert set(legend_of(figure)) == set(names)
    heights = [sum(bar.get_height() for bar in bars) for bars in figure.axes[0].containers]
    assert heights == pytest.approx([100, 25, 100, 20])
