"""Figures: what they draw, that they stay off pyplot, and that their files do not change."""

from dataclasses import replace
from io import BytesIO

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from PIL import Image

from prefiqs.errors import InputError
from prefiqs.evaluation.curve import Curve
from prefiqs.evaluation.random_order import RandomOrder
from prefiqs.reporting import figures
from prefiqs.reporting.figures.style import as_png

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
    rows = [(name, ratio / 10, level) for name, level in (("L1", 0.034), ("random", 0.06)) for ratio in range(1, 10)]
    return pd.DataFrame(rows, columns=["strategy", "ratio", value])


def edc_rows():
    point = dict(verifier="sface", benchmark="orl", fmr=1e-3, fmr_realised=1e-3, threshold=0.4, n_genuine=9)
    parts = [dict(method=m, fnmr=curve(slope).fnmr, **point) for m, slope in (("PreFIQs", 0.3), ("norm", 0.1))]
    last = dict(discard=DISCARD, n_impostor=curve(0).n_impostor, fmr_resolvable=DISCARD < 0.9)
    return pd.concat([pd.DataFrame(part | last) for part in parts])


def percentiles(n):
    return pd.DataFrame(np.random.default_rng(3).uniform(0, 100, (n, 6)), columns=[*"abcde", "a longer name"])


def log():
    steps = np.arange(250, 2001, 250)
    losses = {name: 1000 / steps for name in ("loss", "cosine", "similarity", "quality")}
    return pd.DataFrame({"step": steps, **losses, "orl": steps / 2100})


def areas(key, low, high):
    rows = [(a, b, 10.0 * a + b, 10 * a + b - 1, 10 * a + b + 1) for a in (1, 2) for b in (3, 4)]
    return pd.DataFrame(rows, columns=[*key, "pauc", low, high])


DRAWN = {
    "faces": lambda: figures.face_grid(faces(13), [f"{i}\n0.5" for i in range(13)], columns=5, title="faces"),
    "ladder": lambda: figures.degradation_ladder({"blur": faces(3), "jpeg": faces(3)}, [0, 0.5, 1]),
    "histograms": lambda: figures.drift_histograms({f"ρ = 0.{i}": points()[1] for i in range(1, 5)}, "drift"),
    "edc": lambda: figures.edc_figure({"ours": curve(0.3), "norm": curve(0.1)}, oracle=curve(0.31), title="t"),
    "pauc": lambda: figures.pauc_by_ratio(strategies("pauc"), (0.07, 0.075, 0.08), oracle=0.03),
    "accuracy": lambda: figures.accuracy_by_ratio(strategies("accuracy"), unpruned=0.1),
    "grid": lambda: figures.edc_grid(edc_rows(), {"PreFIQs": "unsupervised", "norm": "baseline"}),
    "intervals": lambda: figures.pauc_intervals(areas(("verifier", "method"), "pauc_low", "pauc_high")),
    "grouped": lambda: figures.grouped_pauc(areas(("question", "variant"), "low", "high")),
    "ratio and FMR": lambda: figures.ratio_by_fmr(areas(("ratio", "fmr"), "low", "high")),
    "density": lambda: figures.density_panels([dict(x=points()[0], y=points()[1], xlabel="x", ylabel="y")] * 2),
    "scatter": lambda: figures.scatter_agreement(*points(), "x", "y"),
    "ranks": lambda: figures.rank_correlations(percentiles(50).corr(), "orl"),
    "side by side": lambda: figures.side_by_side(faces(20), percentiles(20), [f"face {i}" for i in range(20)]),
    "training": lambda: figures.training_curves(log(), {"orl": 0.99}),
    "costs": lambda: figures.pauc_by_gflops(areas(("network", "exit"), "gflops", "high")),
    "attention": lambda: figures.attention_grid(faces(2), np.random.default_rng(3).random((2, 12, 8, 8))),
}


def texts(figure):
    return [text.get_text() for text in figure.findobj(mpl.text.Text) if text.get_text()]


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_twice_a_figure_is_the_same_bytes_and_fits_the_screen(name, tmp_path):
    settings = dict(mpl.rcParams)
    figures.save_figure(DRAWN[name](), "f", tmp_path / "a")
    figure = DRAWN[name]()
    assert figure._repr_png_().startswith(b"\x89PNG")  # a notebook shows it; the files must not differ for that
    figures.save_figure(figure, "f", tmp_path / "b")
    for kind in ("png", "pdf"):
        first, second = ((tmp_path / folder / f"f.{kind}").read_bytes() for folder in ("a", "b"))
        assert first == second
        assert b"CreationDate" not in first and b"Software" not in first
    plain = BytesIO()
    figure.savefig(plain, format="png", dpi=150)
    expected, shown = (np.asarray(Image.open(f).convert("RGB"), int) for f in (plain, tmp_path / "a" / "f.png"))
    difference = np.abs(expected - shown)
    photos = any(axes.images for axes in figure.axes)
    assert difference.max() <= (0 if photos else 8)
    assert figure.get_figwidth() <= 9
    assert dict(mpl.rcParams) == settings and not plt.get_fignums()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["f.pdf", "f.png"]


def test_grey_pictures_take_a_byte_a_pixel(tmp_path):
    grey = faces(10)[..., :1].repeat(3, axis=3)
    figures.save_figure(figures.face_grid(grey), "grey", tmp_path)
    assert Image.open(tmp_path / "grey.png").mode == "L"


def test_edc_shows_areas_the_band_and_what_is_unreliable(random_order):
    figure = figures.edc_figure({"ours": curve(0.3), "norm": curve(0.0)}, random_order)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    # a line from 0.3 falling by 0.3 · 0.3 = 0.09 has the area (0.3 + 0.21) / 2 · 0.3 = 0.0765
    assert labels == [
        "random order, mean and 5–95 % (pAUC·10³ 90.1)",
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


def test_edc_marks_the_unreliable_points_of_the_oracle_too():
    sure = replace(curve(0.3), fmr_resolvable=np.ones(len(DISCARD), bool))
    figure = figures.edc_figure({"ours": sure}, oracle=curve(0.31))
    (hollow,) = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "white"]
    assert hollow.get_xdata().tolist() == [0.9, 0.95] and hollow.get_color() == "black"
    assert any("hollow" in text for text in texts(figure))


def test_edc_without_unreliable_points_explains_none():
    sure = replace(curve(0.3), fmr_resolvable=np.ones(len(DISCARD), bool))
    assert not any("hollow" in text for text in texts(figures.edc_figure({"ours": sure})))


def test_pauc_is_shown_times_a_thousand():
    axes = DRAWN["pauc"]().axes[0]
    assert any(np.allclose(line.get_ydata(), 34) for line in axes.lines if len(line.get_xdata()) == 9)


def test_density_map_writes_the_rank_correlation():
    x = np.arange(50.0)
    assert "Spearman −1.000" in texts(figures.density_map(x, np.exp(-x / 9), "x", "y"))
    assert "Spearman undefined" in texts(figures.density_map(x, np.ones(50), "x", "y"))


def test_scatter_says_what_log_axes_cannot_show():
    x = np.arange(50.0)
    shown = texts(figures.scatter_agreement(x, x, "x", "y"))
    assert "Spearman 1.000\n1 of 50 not above 0, not drawn" in shown


@pytest.mark.parametrize(
    "call",
    [
        lambda: figures.face_grid(faces(2), ["one"]),
        lambda: figures.face_grid(faces(0)),
        lambda: figures.degradation_ladder({"blur": faces(2)}, [0, 0.5, 1]),
        lambda: figures.edc_figure({}),
        lambda: figures.rank_correlations(percentiles(5)),
        lambda: figures.side_by_side(faces(2), percentiles(3), ["a", "b"]),
        lambda: figures.training_curves(log().drop(columns="orl"), {"orl": 0.99}),
        lambda: figures.density_map([1, 2], [1], "x", "y"),
        lambda: figures.scatter_agreement([1, np.nan], [1, 2], "x", "y"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call):
    with pytest.raises(InputError, match="expected"):
        call()


def test_withheld_faces_are_not_drawn():
    """No pixel of a face is in the picture, in either figure that shows faces of photos."""
    shown, hidden = (figures.face_grid(faces(3), withheld=withheld) for withheld in (False, True))
    assert {im.get_array().shape for im in shown.findobj(mpl.image.AxesImage)} == {(112, 112, 3)}
    for figure in (hidden, figures.side_by_side(faces(3), percentiles(3), ["a", "b", "c"], withheld=True)):
        assert {im.get_array().shape for im in figure.findobj(mpl.image.AxesImage)} == {(1, 1)}


@pytest.mark.parametrize("dpi", [100, 150])
def test_captions_below_methods_are_not_cut(dpi):
    figure = figures.side_by_side(faces(20), percentiles(20), ["gaussian-blur", "s4/10.pgm#0"] * 10)
    picture = plt.imread(BytesIO(as_png(figure, dpi)))
    assert (picture[-2:, :, :3] == 1).all()
