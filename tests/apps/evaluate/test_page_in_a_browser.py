"""The page that `prefiqs evaluate` and `prefiqs benchmark` write, wide and narrow, with a mouse or a keyboard."""

import numpy as np
import pandas as pd
import pytest
from browser import needs_chromium

pytestmark = needs_chromium


@pytest.fixture
def written(run, brought, tmp_path):
    """Two verifiers, whose names are long, two methods, two targets and groups: all that a page can hold."""
    np.save(tmp_path / "half.npy", brought.vectors[:, :6])
    people = sorted(set(brought.subjects))
    pd.DataFrame({"subject": people, "sex": ["f", "m"] * 10}).to_csv(tmp_path / "groups.csv", index=False)
    files = [brought.folder / name for name in ("good.txt", "poor.csv")]
    code, _, err = run(
        "evaluate", *files, "--lower-is-better", "poor", "--names", brought.folder / "index.csv",
        "--embeddings", f"a_recogniser_with_a_long_name={brought.folder / 'vectors.npy'}",
        "--embeddings", f"half={tmp_path / 'half.npy'}", "--pairs", brought.folder / "pairs.txt",
        "--groups", tmp_path / "groups.csv:sex", "--fmr", 0.05, "--fmr", 0.01, "--bootstrap", 20, "--out", tmp_path,
    )  # fmt: skip
    assert code == 0, err
    return tmp_path / "report.html"


@pytest.mark.parametrize("width", [400, 1200])
def test_all_of_the_page_can_be_reached(page, written, width):
    """The page scrolls downwards only; what is too wide scrolls in its own box, also by keyboard."""
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(written.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sides = "boxes => boxes.map(box => [box.getBoundingClientRect().left, box.getBoundingClientRect().right])"
    places = page.eval_on_selector_all("main > *", sides)
    assert len(places) > 15 and all(0 <= left < right <= width for left, right in places)
    images = page.eval_on_selector_all("img", "all => all.map(i => [i.alt, i.naturalWidth, i.clientWidth])")
    assert len(images) >= 4 and all(alt and natural >= shown > 500 for alt, natural, shown in images)
    boxes = page.locator(".scroll")
    wide = [i for i in range(boxes.count()) if boxes.nth(i).evaluate("box => box.scrollWidth > box.clientWidth")]
    assert width > 400 or wide, "a narrow window is too narrow for some table"
    for i in wide:
        boxes.nth(i).focus()
        page.keyboard.press("End")
        page.keyboard.press("ArrowRight")
        page.wait_for_function("box => box.scrollLeft > 0", arg=boxes.nth(i).element_handle())
