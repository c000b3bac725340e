"""Figures: what they draw, that they stay off pyplot, and that their files do not change."""

from dataclasses import replace
from io import BytesIO

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from PIL import Image
from student.figures import training_curves

from prefiqs.evaluation.curve import Curve, RandomOrder
from prefiqs.reporting.figures.areas import grouped_pauc, lines_by_ratio, pauc_intervals, ratio_by_fmr
from prefiqs.reporting.figures.cost import pauc_by_cost
from prefiqs.reporting.figures.curves import edc_figure, edc_grid
from prefiqs.reporting.figures.distributions import (
    density_panels,
    drift_histograms,
    rank_correlations,
    scatter_agreement,
)
from prefiqs.reporting.figures.faces import attention_grid, face_grid, method_agreement
from prefiqs.reporting.figures.style import as_png, save_figure

DISCARD = np.arange(20) / 20


def curve(slope):
    steps = len(DISCARD)
    impostors = np.linspace(20_000, 100, steps).astype(int)
    return Curve(
        discard=DISCARD,
        fnmr=0.3 - slope * DISCARD,
        thresholds=np.full(steps, 0.4),
        fmr=np.full(steps, 1e-3),
        n_genuine=np.full(steps, 1000),
        n_impostor=impostors,
        fmr_resolvable=DISCARD < 0.9,
        target_fmr=1e-3,
    )


@pytest.fixture
def random_order():
    fnmr = 0.3 + np.random.default_rng(0).normal(0, 0.01, (20, len(DISCARD)))
    return RandomOrder(discard=DISCARD, fnmr=fnmr, pauc=np.full(20, 0.0901))


def points(n=400):
    rng = np.random.default_rng(1)
    x = rng.random(n)
    return x, np.exp(x + 0.2 * rng.normal(size=n))


def faces(n):
    return np.random.default_rng(2).integers(0, 256, (n, 112, 112, 3), np.uint8)


def strategies(value):
    rows = [(name, ratio / 10, level) for name, level in (("L1", 34.0), ("random", 60.0)) for ratio in range(1, 10)]
    return pd.DataFrame(rows, columns=["strategy", "ratio", value])


def edc_rows():
    point = dict(verifier="sface", benchmark="orl", fmr=1e-3, fmr_realised=1e-3, threshold=0.4, n_genuine=9)
    parts = [
        dict(key=m, label=m, supervision="unsupervised", fnmr=curve(slope).fnmr, **point)
        for m, slope in (("PreFIQs", 0.3), ("norm", 0.1))
    ]
    last = dict(discard=DISCARD, n_impostor=curve(0).n_impostor, fmr_resolvable=DISCARD < 0.9)
    return pd.concat([pd.DataFrame(part | last) for part in parts])


def percentiles(n):
    return pd.DataFrame(np.random.default_rng(3).uniform(0, 100, (n, 6)), columns=[*"abcde", "a longer name"])


def log():
    steps = np.arange(250, 2001, 250)
    losses = {name: 1000 / steps for name in ("loss", "cosine", "similarity", "quality")}
    return pd.DataFrame({"step": steps, **losses, "orl": steps / 2100})


def areas(*key):
    rows = [(a, b, 10.0 * a + b, 10 * a + b - 1, 10 * a + b + 1) for a in (1, 2) for b in (3, 4)]
    return pd.DataFrame(rows, columns=[*key, "pauc", "pauc_low", "pauc_high"])


RANDOM = pd.DataFrame({"verifier": [1, 2], "pauc_min": 70, "pauc_mean": 75, "pauc_max": 80})


DRAWN = {
    "faces": lambda: face_grid(faces(13), [f"{i}\n0.5" for i in range(13)], columns=5, title="faces"),
    "histograms": lambda: drift_histograms({f"ρ = 0.{i}": points()[1] for i in range(1, 5)}, "drift"),
    "edc": lambda: edc_figure({"ours": curve(0.3), "norm": curve(0.1)}, "t", 0.3, oracle=curve(0.31)),
    "pauc": lambda: lines_by_ratio(strategies("pauc"), "pauc", "t", {"true severity": 30}, RANDOM.iloc[0]),
    "accuracy": lambda: lines_by_ratio(strategies("accuracy"), "accuracy", "t", {"not pruned": 99}),
    "grid": lambda: edc_grid(edc_rows(), edc_rows().assign(low=0.1, high=0.2), "PreFIQs", 1e-3, 0.3, "t"),
    "intervals": lambda: pauc_intervals(areas("verifier", "key").assign(label="m"), RANDOM, "t"),
    "grouped": lambda: grouped_pauc(areas("question", "label")),
    "ratio and FMR": lambda: ratio_by_fmr(areas("ratio", "fmr"), "t"),
    "density": lambda: density_panels(points()[0], {"y": points()[1], "z": points()[0]}, "x"),
    "scatter": lambda: scatter_agreement(*points(), "x", "y"),
    "ranks": lambda: rank_correlations(percentiles(50).corr(), "orl"),
    "side by side": lambda: method_agreement(faces(20), percentiles(20), [f"face {i}" for i in range(20)]),
    "training": lambda: training_curves(log(), {"orl": 0.99}),
    "costs": lambda: pauc_by_cost(areas("verifier", "cost").assign(key="k", label="m", group="g"), "passes", "k", "t"),
    "attention": lambda: attention_grid(faces(2), np.random.default_rng(3).random((2, 12, 8, 8)), [1, 12], ["a", "b"]),
}


def texts(figure):
    return [text.get_text() for text in figure.findobj(mpl.text.Text) if text.get_text()]


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_twice_a_figure_is_the_same_bytes_and_fits_the_screen(name, tmp_path):
    settings = dict(mpl.rcParams)
    save_figure(DRAWN[name](), tmp_path / "a.png")
    figure = DRAWN[name]()
    assert figure._repr_png_().startswith(b"\x89PNG")  # a notebook shows it; the files must not differ for that
    save_figure(figure, tmp_path / "b.png")
    first, second = ((tmp_path / f"{drawing}.png").read_bytes() for drawing in "ab")
    assert first == second and b"Software" not in first
    plain = BytesIO()
    figure.savefig(plain, format="png", dpi=150)
    expected, shown = (np.asarray(Image.open(f).convert("RGB"), int) for f in (plain, tmp_path / "a.png"))
    difference = np.abs(expected - shown)
    photos = any(axes.images for axes in figure.axes)
    assert difference.max() == 0 if photos else (difference > 8).mean() < 0.01  # softened edges only
    assert figure.get_figwidth() <= 9
    assert dict(mpl.rcParams) == settings and not plt.get_fignums()


def test_grey_pictures_take_a_byte_a_pixel(tmp_path):
    grey = faces(10)[..., :1].repeat(3, axis=3)
    save_figure(face_grid(grey, [""] * 10), tmp_path / "grey.png")
    with Image.open(tmp_path / "grey.png") as saved:
        assert saved.mode == "L"


def test_edc_shows_areas_the_band_and_what_is_unreliable(random_order):
    figure = edc_figure({"ours": curve(0.3), "norm": curve(0.0)}, "t", 0.3, random_order)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    # a line from 0.3 falling by 0.3 · 0.3 = 0.09 has the area (0.3 + 0.21) / 2 · 0.3 = 0.0765
    assert labels == [
        "random orders, mean and 5–95 % (pAUC·10³ 90.1)",
        "ours (pAUC·10³ 76.5)",
        "norm (pAUC·10³ 90.0)",
        "hollow: fewer than 1,000 impostor pairs left",
    ]
    axes = figure.axes[0]
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
    assert [line.get_xdata().tolist() for line in hollow] == [[0.9, 0.95]] * 2
    filled = next(line for line in axes.lines if line.get_label().startswith("ours"))
    assert np.isnan(filled.get_ydata()[-2:]).all() and np.isfinite(filled.get_ydata()[:-2]).all()
    assert axes.get_ylim()[0] == 0 and axes.get_ylabel() == "FNMR at FMR 0.001"
    assert [0.3, 0.3] in [list(line.get_xdata()) for line in axes.lines]  # where the area ends


def test_edc_marks_the_unreliable_points_of_the_oracle_too():
    sure = replace(curve(0.3), fmr_resolvable=np.ones(len(DISCARD), bool))
    figure = edc_figure({"ours": sure}, "t", 0.3, oracle=curve(0.31))
    (hollow,) = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "white"]
    assert hollow.get_xdata().tolist() == [0.9, 0.95] and hollow.get_color() == "black"
    assert any("hollow" in text for text in texts(figure))


def test_edc_without_unreliable_points_explains_none():
    sure = replace(curve(0.3), fmr_resolvable=np.ones(len(DISCARD), bool))
    assert not any("hollow" in text for text in texts(edc_figure({"ours": sure}, "t", 0.3)))


def test_each_strategy_is_a_line_over_the_ratio():
    axes = DRAWN["pauc"]().axes[0]
    lines = {line.get_label(): line for line in axes.lines if len(line.get_xdata()) == 9}
    assert {name: set(line.get_ydata()) for name, line in lines.items()} == {"L1": {34}, "random": {60}}
    assert lines["L1"].get_xdata().tolist() == [ratio / 10 for ratio in range(1, 10)]
    assert lines["L1"].get_color() != lines["random"].get_color()


def test_a_legend_never_leaves_the_figure():
    names = {f"a method with quite a long name, number {i}": curve(0.3) for i in range(9)}
    figure = edc_figure(names, "t", 0.3)
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= -1
    assert not box.overlaps(figure.axes[0].get_tightbbox())


def test_density_map_writes_the_rank_correlation():
    x = np.arange(50.0)
    assert "Spearman −1.000" in texts(density_panels(x, {"y": np.exp(-x / 9)}, "x"))
    assert "Spearman undefined" in texts(density_panels(x, {"y": np.ones(50)}, "x"))


def test_scatter_says_what_log_axes_cannot_show():
    x = np.arange(50.0)
    shown = texts(scatter_agreement(x, x, "x", "y"))
    assert "Spearman 1.000\n1 of 50 not above 0, not drawn" in shown


@pytest.mark.parametrize("dpi", [100, 150])
def test_captions_below_methods_are_not_cut(dpi):
    figure = method_agreement(faces(20), percentiles(20), ["gaussian-blur", "s4/10.pgm#0"] * 10)
    picture = plt.imread(BytesIO(as_png(figure, dpi)))
    assert (picture[-2:, :, :3] == 1).all()
