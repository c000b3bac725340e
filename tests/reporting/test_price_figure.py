"""The front and its figure, on points whose order is written down."""

from itertools import combinations

import pandas as pd
import pytest
from matplotlib.text import Text

from prefiqs.errors import InputError
from prefiqs.reporting import figures

ROWS = [("a", "dear", 2.0, 5.0), ("b", "cheap", 1.0, 9.0), ("a", "beaten", 1.5, 9.5), ("b", "middle", 1.5, 7.0),
        ("a", "as dear, worse", 2.0, 6.0), ("a", "dearest, equal", 3.0, 5.0)]  # fmt: skip


def points():
    one = pd.DataFrame(ROWS, columns=["group", "method", "passes", "pauc"])
    return pd.concat([one.assign(verifier="v"), one.assign(verifier="w", pauc=12 - one["pauc"])], ignore_index=True)


def test_front_holds_what_nothing_beats():
    of_v = points().query("verifier == 'v'")
    assert figures.pareto_front(of_v)["method"].tolist() == ["cheap", "middle", "dear"]
    of_w = points().query("verifier == 'w'")
    assert figures.pareto_front(of_w)["method"].tolist() == ["cheap", "beaten"]


def test_figure_has_a_panel_a_verifier_with_points_front_and_names():
    figure = figures.pauc_by_passes(points(), ["cheap", "dear"], "title")
    assert [axes.get_title() for axes in figure.axes] == ["v verifies", "w verifies"]
    for axes, verifier in zip(figure.axes, "vw", strict=True):
        drawn = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
        of_verifier = points()[points()["verifier"] == verifier]
        for group in "ab":
            assert (
                drawn[group] == of_verifier.loc[of_verifier["group"] == group, ["passes", "pauc"]].to_numpy().tolist()
            )
        assert drawn["Pareto front"] == figures.pareto_front(of_verifier)[["passes", "pauc"]].to_numpy().tolist()
        assert sorted(text.get_text() for text in axes.texts) == ["cheap", "dear"]


def test_names_of_close_points_do_not_cover_one_another():
    rows = [("a", f"name {i}", 1 + i / 100, 9 + i / 100, "v") for i in range(4)] + [("a", "far", 3.0, 2.0, "v")]
    close = pd.DataFrame(rows, columns=["group", "method", "passes", "pauc", "verifier"])
    figure = figures.pauc_by_passes(close, close["method"].tolist())
    boxes = [Text.get_window_extent(text) for text in figure.axes[0].texts]  # without the lines to the points
    assert len(boxes) == 5
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_names_of_the_dearest_points_do_not_leave_the_panel():
    rows = [("a", "cheap", 1.0, 3.0, "v"), ("a", "a long name of a dear point", 4.0, 2.0, "v")]
    figure = figures.pauc_by_passes(
        pd.DataFrame(rows, columns=["group", "method", "passes", "pauc", "verifier"]), ["a long name of a dear point"]
    )
    (text,), frame = figure.axes[0].texts, figure.axes[0].get_window_extent()
    box = Text.get_window_extent(text)
    assert frame.x0 <= box.x0 and box.x1 <= frame.x1


def test_figure_refuses_a_point_given_twice():
    with pytest.raises(InputError, match="got two for verifier v, method dear"):
        figures.pauc_by_passes(pd.concat([points(), points()[:1]]), [])
