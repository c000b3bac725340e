"""The front and its figure, on points whose order is written down."""

from itertools import combinations

import pandas as pd
from matplotlib.text import Text

from prefiqs.reporting.figures.cost import pareto_front, pauc_by_cost

ROWS = [("a", "dear", 2.0, 5.0), ("b", "cheap", 1.0, 9.0), ("a", "beaten", 1.5, 9.5), ("b", "middle", 1.5, 7.0),
        ("c", "as dear, worse", 2.0, 6.0), ("a", "dearest, equal", 3.0, 5.0)]  # fmt: skip


def points():
    one = pd.DataFrame(ROWS, columns=["group", "key", "cost", "pauc"])
    one["label"], one["method"] = "the " + one["key"], one["group"].map({"a": "norm", "b": "", "c": ""})
    return pd.concat([one.assign(panel="v"), one.assign(panel="w", pauc=12 - one["pauc"])], ignore_index=True)


def test_front_holds_what_nothing_beats():
    of_v = points().query("panel == 'v'")
    assert pareto_front(of_v)["key"].tolist() == ["cheap", "middle", "dear"]
    of_w = points().query("panel == 'w'")
    assert pareto_front(of_w)["key"].tolist() == ["cheap", "beaten"]


def test_each_panel_has_points_front_and_names():
    figure = pauc_by_cost(points(), "forward passes of a face", "title")
    assert [axes.get_title() for axes in figure.axes] == ["v", "w"]
    for axes, panel in zip(figure.axes, "vw", strict=True):
        drawn = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
        of_panel = points()[points()["panel"] == panel]
        for group in "ab":
            assert drawn[group] == of_panel.loc[of_panel["group"] == group, ["cost", "pauc"]].to_numpy().tolist()
        assert drawn["Pareto front"] == pareto_front(of_panel)[["cost", "pauc"]].to_numpy().tolist()
        named = {*pareto_front(of_panel)["label"], "the as dear, worse"}  # the front, and a group of its own
        assert {text.get_text() for text in axes.texts} == named


def test_random_orders_are_a_band_and_groups_differ_in_colour_and_marker():
    random = pd.Series({"verifier": "v", "pauc_min": 9.0, "pauc_mean": 9.5, "pauc_max": 10.5})
    figure = pauc_by_cost(points(), "passes", "title", random)
    for axes in figure.axes:
        (band,) = axes.patches
        assert (band.get_y(), band.get_y() + band.get_height()) == (9.0, 10.5)
        mean, first, second, alone, _ = axes.lines
        assert list(mean.get_ydata()) == [9.5, 9.5]
        assert (first.get_color(), first.get_linestyle()) == ("black", "-")  # the norm, as everywhere
        for line in (second, alone):  # of no method: hollow and grey
            assert line.get_color() == "0.45" and line.get_markerfacecolor() == "none"
        assert len({line.get_marker() for line in (first, second, alone)}) == 3
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["random orders, mean and range", "a", "b", "Pareto front"]


def crowded():
    """Ten scores of almost one cost and area, and two far from them."""
    rows = [(f"name {i}", 1 + i / 100, 9 - i / 100) for i in range(10)]
    rows += [("a long name of a dear point", 4.0, 2.0), ("beaten", 2.0, 12.0)]
    return pd.DataFrame(rows, columns=["key", "cost", "pauc"]).assign(
        group="a", method="", panel="v", label=lambda t: t["key"]
    )


def test_names_cover_neither_one_another_nor_a_point_nor_the_front_and_stay_in_the_panel():
    points = crowded()
    axes = pauc_by_cost(points, "passes", "title").axes[0]
    boxes = [Text.get_window_extent(text) for text in axes.texts]  # without the lines to the points
    assert len(boxes) == 11
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    (front,) = [line for line in axes.lines if line.get_label() == "Pareto front"]
    outline = front.get_path().interpolated(50).transformed(front.get_transform())
    frame = axes.get_window_extent()
    for box in boxes:
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
        assert not any(box.contains(*point) for point in axes.transData.transform(points[["cost", "pauc"]]))
        assert not any(box.contains(*point) for point in outline.vertices)
