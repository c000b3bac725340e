"""The figure of attention maps: each over its face, on the pixels of its patches."""

import numpy as np
import pytest

from prefiqs.reporting.figures.faces import attention_grid


def faces(n):
    return np.random.default_rng(0).integers(0, 256, (n, 112, 112, 3), np.uint8)


def test_attention_has_a_row_a_face_and_a_column_a_block():
    maps = np.random.default_rng(1).random((3, 12, 12, 12))
    figure = attention_grid(faces(3), maps, range(1, 13), list("abc"), "t")
    grid = np.array(figure.axes).reshape(3, 13)
    assert [axes.get_title() for axes in grid[0]] == ["face", *(f"block {i}" for i in range(1, 13))]
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
    figure = attention_grid(faces(1), np.ones((1, 1, side, side)), [1], ["a"], "t")
    axes = figure.axes[1]
    assert list(axes.images[1].get_extent()) == [-0.5, covered - 0.5, covered - 0.5, -0.5]
    assert (axes.get_xlim(), axes.get_ylim()) == ((-0.5, 111.5), (111.5, -0.5))  # the whole face stays in view


def test_chosen_blocks_alone_are_shown():
    maps = np.random.default_rng(1).random((1, 12, 8, 8))
    figure = attention_grid(faces(1), maps, [3, 12], ["a"], "t")
    assert [axes.get_title() for axes in figure.axes] == ["face", "block 3", "block 12"]
    np.testing.assert_array_equal(figure.axes[1].images[1].get_array(), maps[0, 2])


def test_a_face_has_its_label():
    figure = attention_grid(faces(2), np.ones((2, 1, 8, 8)), [1], ["low", "high"], "t")
    assert [axes.get_ylabel() for axes in figure.axes] == ["low", "", "high", ""]


def test_a_map_of_zeros_is_dark_all_over():
    """On a scale that has a width, though the largest value is 0."""
    figure = attention_grid(faces(1), np.zeros((1, 2, 8, 8)), [1, 2], ["a"], "t")
    for axes in figure.axes[1:]:
        drawn = axes.images[1]
        assert drawn.get_clim() == (0, 1) and not drawn.get_array().any()
