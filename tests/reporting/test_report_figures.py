"""Figures: what they draw, that they stay off pyplot, and that their files do not change."""

from io import BytesIO
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.image import AxesImage
from matplotlib.text import Text
from PIL import Image
from student.figures import training_curves

from prefiqs.reporting.figures.areas import areas_by_block, forest, lines_by_ratio
from prefiqs.reporting.figures.curves import edc_grid
from prefiqs.reporting.figures.distributions import (
    density_panels,
    drift_histograms,
    genuine_and_impostor,
    rank_correlations,
    scatter_agreement,
)
from prefiqs.reporting.figures.faces import attention_grid, face_grid, method_agreement
from prefiqs.reporting.figures.groups import group_shares
from prefiqs.reporting.figures.margin import excess_by_exponent, running_contributions
from prefiqs.reporting.figures.style import _THEME, as_png, save_figure

DISCARD = np.arange(20) / 20
TITLE = "2,000 faces of orl-xq, PreFIQs and norm from mobilefacenet-512"


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
    point = dict(verifier="sface", benchmark="orl", fmr=1e-3)
    parts = [
        dict(
            key=m,
            label=m,
            method=m,
            trained_on=False,
            discard=DISCARD,
            fnmr=0.3 - slope * DISCARD,
            fmr_resolvable=DISCARD < 0.9,
            n_genuine=500,
            n_impostor=np.where(DISCARD < 0.5, 20_000, 9_000),
        )
        | point
        for m, slope in (("prefiqs", 0.3), ("norm", 0.1))
    ]
    return pd.concat([pd.DataFrame(part) for part in parts])


def percentiles(n):
    return pd.DataFrame(np.random.default_rng(3).uniform(0, 100, (n, 6)), columns=[*"abcde", "a longer name"])


def log():
    steps = np.arange(250, 2001, 250)
    losses = {name: 1000 / steps for name in ("loss", "cosine", "similarity", "quality")}
    return pd.DataFrame({"step": steps, **losses, "orl": steps / 2100})


def areas(*key):
    rows = [(a, b, 10.0 * a + b, 10 * a + b - 1, 10 * a + b + 1) for a in (1, 2) for b in (3, 4)]
    return pd.DataFrame(rows, columns=[*key, "estimate", "low", "high"]).assign(label="pruning margin", method="norm")


def exponents():
    rows = [(name, p, 0.1 * p, 0.1 * p - 0.1, 0.1 * p + 0.1, p < 3) for name in ("sface", "norm-512") for p in range(4)]
    return pd.DataFrame(rows, columns=["verifier", "exponent", "excess", "low", "high", "reliable"])


def shares():
    rows = [
        (group, p, p / 100, p / 100, p / 90, 0.1, 0.05, 0.2, 1e-3) for group in ("young", "old") for p in (5, 10, 30)
    ]
    ends = [f"{value}{end}" for value in ("rejected", "fnmr") for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["group", "percentile", *ends, "fmr"])


RANDOM = pd.DataFrame({"verifier": [1, 2], "pauc_min": 70, "pauc_mean": 75, "pauc_max": 80})


def blocks():
    table = areas("verifier", "block").rename(columns={"estimate": "pauc"})
    return table.assign(line="EX-FIQA §", trained_on=True, method="ex-fiqa", marker="", share=10 * table["block"])


DRAWN = {
    "faces": lambda: face_grid(faces(13), [f"{i}\n0.5" for i in range(13)], columns=5, title=TITLE[:40]),
    "histograms": lambda: drift_histograms({f"ρ = 0.{i}": points()[1] for i in range(1, 5)}, "drift", TITLE),
    "pauc": lambda: lines_by_ratio(
        strategies("pauc"), "pauc", TITLE, {"true severity": ("severity", 30)}, RANDOM.iloc[0]
    ),
    "accuracy": lambda: lines_by_ratio(strategies("accuracy"), "accuracy", TITLE, {"not pruned": ("", 99)}),
    "grid": lambda: edc_grid(edc_rows(), edc_rows().assign(low=0.1, high=0.2), 1e-3, 0.3, TITLE),
    "intervals": lambda: forest(areas("verifier", "key"), TITLE, "pAUC", RANDOM),
    "differences": lambda: forest(areas("verifier", "key"), TITLE, "pAUC minus that of the norm"),
    "grouped": lambda: forest(areas("verifier", "key").assign(group="one pass"), TITLE, "pAUC"),
    "similarity": lambda: genuine_and_impostor(points()[0], points()[0] - 1, 0.1, TITLE),
    "density": lambda: density_panels(points()[0], {"y": points()[1], "z": points()[0]}, "x", TITLE),
    "scatter": lambda: scatter_agreement(*points(), "x", "y", TITLE),
    "ranks": lambda: rank_correlations(percentiles(50).corr(), TITLE),
    "side by side": lambda: method_agreement(faces(20), percentiles(20), [f"face {i}" for i in range(20)], TITLE),
    "training": lambda: training_curves(log(), {"orl": 0.99}),
    "blocks": lambda: areas_by_block(blocks(), TITLE, RANDOM),
    "exponents": lambda: excess_by_exponent(exponents(), 2, TITLE, True),
    "contributions": lambda: running_contributions({"low": points()[0], "high": points()[1]}, TITLE),
    "groups": lambda: group_shares(shares(), TITLE),
    "attention": lambda: attention_grid(
        faces(2), np.random.default_rng(3).random((2, 12, 8, 8)), range(1, 13, 2), ["0.11", "0.25"], TITLE
    ),
}


def texts(figure):
    return [text.get_text() for text in figure.findobj(mpl.text.Text) if text.get_text()]


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_twice_a_figure_is_the_same_bytes_and_fits_the_screen(name, tmp_path):
    settings = dict(mpl.rcParams)
    save_figure(DRAWN[name](), tmp_path / "a.png")
    figure = DRAWN[name]()
    figure._ipython_display_()  # a notebook shows it; the files must not differ for that
    save_figure(figure, tmp_path / "b.png")
    first, second = ((tmp_path / f"{drawing}.png").read_bytes() for drawing in "ab")
    assert first == second and b"Software" not in first
    photos = bool(figure.findobj(AxesImage))
    plain = BytesIO()
    with mpl.style.context(_THEME):  # which the number of ticks depends on
        figure.savefig(plain, format="png", dpi=100 if photos else 150)
    expected, shown = (np.asarray(Image.open(f).convert("RGB"), int) for f in (plain, tmp_path / "a.png"))
    difference = np.abs(expected - shown)
    assert difference.max() <= (2 if photos else 16)  # less than the eye sees
    assert (shown[expected == 255] == 255).all()
    assert figure.get_figwidth() <= 9
    assert dict(mpl.rcParams) == settings and not plt.get_fignums()


@pytest.mark.parametrize("name", DRAWN)
def test_no_text_is_cut_or_covers_another(name, monkeypatch):
    figure, drawn, draw = DRAWN[name](), [], Text.draw
    monkeypatch.setattr(Text, "draw", lambda text, renderer: (drawn.append(text), draw(text, renderer)))
    figure.draw_without_rendering()
    monkeypatch.undo()
    shown = [text for text in drawn if text.get_text().strip() and text.get_visible()]
    boxes = [Text.get_window_extent(text) for text in shown]
    assert len(boxes) > 3
    assert min(text.get_fontsize() for text in shown) >= 8  # at 100 dots an inch
    for text, box in zip(shown, boxes, strict=True):
        inside = box.x0 > -1 and box.y0 > -1 and box.x1 < figure.bbox.x1 + 1 and box.y1 < figure.bbox.y1 + 1
        assert inside, text.get_text()
    straight = [(text, box) for text, box in zip(shown, boxes, strict=True) if text.get_rotation() % 90 == 0]
    for (one, box), (other, second) in combinations(straight, 2):
        assert not box.padded(-1).overlaps(second.padded(-1)), (one.get_text(), other.get_text())


def test_grey_pictures_take_a_byte_a_pixel(tmp_path):
    grey = faces(10)[..., :1].repeat(3, axis=3)
    save_figure(face_grid(grey, [""] * 10), tmp_path / "grey.png")
    with Image.open(tmp_path / "grey.png") as saved:
        assert saved.mode == "L"


def test_each_strategy_is_a_line_over_the_ratio():
    axes = DRAWN["pauc"]().axes[0]
    lines = {line.get_label(): line for line in axes.lines if len(line.get_xdata()) == 9}
    assert {name: set(line.get_ydata()) for name, line in lines.items()} == {"L1": {34}, "random": {60}}
    assert lines["L1"].get_xdata().tolist() == [ratio / 10 for ratio in range(1, 10)]
    assert lines["L1"].get_color() != lines["random"].get_color()


def test_a_legend_never_leaves_the_figure():
    names = {f"a strategy with quite a long name, number {i}": ("", 30.0 + i) for i in range(6)}
    figure = lines_by_ratio(strategies("pauc"), "pauc", "t", names)
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= -1
    assert not box.overlaps(figure.axes[0].get_tightbbox())


def test_density_map_writes_the_rank_correlation():
    x = np.arange(50.0)
    assert "Spearman −1.000" in texts(density_panels(x, {"y": np.exp(-x / 9)}, "x", "t"))
    assert "Spearman undefined" in texts(density_panels(x, {"y": np.ones(50)}, "x", "t"))


def test_scatter_says_what_log_axes_cannot_show():
    x = np.arange(50.0)
    shown = texts(scatter_agreement(x, x, "x", "y", "t"))
    assert "Spearman 1.000\n1 of 50 not above 0, not drawn" in shown


@pytest.mark.parametrize("dpi", [100, 150])
def test_captions_below_methods_are_not_cut(dpi):
    figure = method_agreement(faces(20), percentiles(20), ["gaussian-blur", "s4/10.pgm#0"] * 10, "t")
    picture = plt.imread(BytesIO(as_png(figure, dpi)))
    assert (picture[-2:, :, :3] == 1).all()
