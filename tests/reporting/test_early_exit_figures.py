"""Figures of the exits of a transformer: each value where it belongs, each map over its face."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from prefiqs.reporting.figures.cost import pauc_by_gflops
from prefiqs.reporting.figures.faces import attention_grid

NETWORKS = {"T": 6.5, "C": 6.6}
RANDOM = pd.Series({"verifier": "v", "pauc_min": 9.0, "pauc_mean": 9.5, "pauc_max": 10.5})


def exits_table():
    """Costs and areas as simple functions of the exit, rows out of order."""
    rows = [(name, i, 0.1 + 0.95 * i, low + 1 / i) for name, low in NETWORKS.items() for i in range(12, 0, -1)]
    return pd.DataFrame(rows, columns=["network", "exit", "gflops", "pauc"])


def fusions_table():
    rows = [
        (name, fusion, 11.9, low - less) for name, low in NETWORKS.items() for fusion, less in (("F", 0), ("FW", 0.1))
    ]
    return pd.DataFrame(rows, columns=["network", "fusion", "gflops", "pauc"])


def drawn(fusions=None):
    return pauc_by_gflops(exits_table(), fusions_table() if fusions is None else fusions, RANDOM, "title")


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_exits_are_a_line_in_order_of_cost_with_their_numbers():
    axes = drawn(fusions_table()[:0]).axes[0]
    assert [line.get_label() for line in axes.lines[1:]] == ["T, block by block", "C, block by block"]
    for line, low in zip(axes.lines[1:], NETWORKS.values(), strict=True):
        np.testing.assert_allclose(line.get_xdata(), [0.1 + 0.95 * exit for exit in range(1, 13)])
        np.testing.assert_allclose(line.get_ydata(), [low + 1 / exit for exit in range(1, 13)])
    numbers = {(text.get_text(), text.xy) for text in axes.texts}
    expected = {(str(row.exit), (row.gflops, row.pauc)) for row in exits_table().itertuples()}
    assert numbers == expected
    assert axes.get_xlim()[0] == 0


def test_fusions_are_points_in_the_colour_of_their_network_and_the_shape_of_their_kind():
    figure = drawn()
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    points = {name: line for name, line in lines.items() if name.startswith("F")}
    assert list(points) == ["F, T (6.50)", "FW, T (6.40)", "F, C (6.60)", "FW, C (6.50)"]
    assert points["FW, C (6.50)"].get_xydata().tolist() == [[11.9, 6.5]]
    for name, line in points.items():
        fusion, network = name.split(" (")[0].split(", ")
        assert line.get_color() == lines[f"{network}, block by block"].get_color()
        assert line.get_marker() == points[f"{fusion}, T ({6.5 if fusion == 'F' else 6.4:.2f})"].get_marker()
    assert points["F, T (6.50)"].get_marker() != points["FW, T (6.40)"].get_marker()
    assert legend(figure) == list(lines)


def test_a_random_order_is_a_band():
    figure = drawn()
    axes = figure.axes[0]
    (band,) = axes.patches
    assert (band.get_y(), band.get_y() + band.get_height()) == (9.0, 10.5)
    assert list(axes.lines[0].get_ydata()) == [9.5, 9.5]
    assert legend(figure)[0] == "random orders, mean and range"


def test_no_two_networks_share_a_colour():
    _, first, second, *_ = drawn().axes[0].lines
    assert to_rgb(first.get_color()) != to_rgb(second.get_color())


def faces(n):
    return np.random.default_rng(0).integers(0, 256, (n, 112, 112, 3), np.uint8)


def test_attention_has_a_row_a_face_and_a_column_an_exit():
    maps = np.random.default_rng(1).random((3, 12, 12, 12))
    figure = attention_grid(faces(3), maps, range(1, 13), list("abc"))
    grid = np.array(figure.axes).reshape(3, 13)
    assert [axes.get_title() for axes in grid[0]] == ["face", *(f"exit {i}" for i in range(1, 13))]
    for (row, column), axes in np.ndenumerate(grid):
        if column == 0:
            assert len(axes.images) == 1 and np.array_equal(axes.images[0].get_array(), faces(3)[row])
            continue
        _, drawn = axes.images
        np.testing.assert_array_equal(drawn.get_array(), maps[row, column - 1])
        assert drawn.get_clim() == (0, maps[row, column - 1].max())
    assert figure.get_figwidth() <= 9


@pytest.mark.parametrize(("side", "covered"), [(12, 108), (8, 112), (14, 112)])
def test_a_map_lies_on_the_pixels_of_its_patches(side, covered):
    figure = attention_grid(faces(1), np.ones((1, 1, side, side)), [1], ["a"])
    axes = figure.axes[1]
    assert list(axes.images[1].get_extent()) == [-0.5, covered - 0.5, covered - 0.5, -0.5]
    assert (axes.get_xlim(), axes.get_ylim()) == ((-0.5, 111.5), (111.5, -0.5))  # the whole face stays in view


def test_chosen_exits_alone_are_shown():
    maps = np.random.default_rng(1).random((1, 12, 8, 8))
    figure = attention_grid(faces(1), maps, [3, 12], ["a"])
    assert [axes.get_title() for axes in figure.axes] == ["face", "exit 3", "exit 12"]
    np.testing.assert_array_equal(figure.axes[1].images[1].get_array(), maps[0, 2])


def test_a_face_has_its_label():
    figure = attention_grid(faces(2), np.ones((2, 1, 8, 8)), [1], ["low", "high"])
    assert [axes.get_ylabel() for axes in figure.axes] == ["low", "", "high", ""]


def test_faces_can_be_withheld():
    images = faces(2)
    figure = attention_grid(images, np.ones((2, 2, 8, 8)), [1, 2], ["low", "high"], withheld=True)
    for axes in figure.axes:
        assert len(np.unique(axes.images[0].get_array())) == 1
    assert np.array_equal(images, faces(2))


def test_a_map_of_zeros_is_dark_all_over():
    """On a scale that has a width, though the largest value is 0."""
    figure = attention_grid(faces(1), np.zeros((1, 2, 8, 8)), [1, 2], ["a"])
    for axes in figure.axes[1:]:
        drawn = axes.images[1]
        assert drawn.get_clim() == (0, 1) and not drawn.get_array().any()
