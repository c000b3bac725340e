"""The site as a reader meets it: in headless Chromium, from files, by mouse and by keyboard, wide and narrow."""

from io import BytesIO

import numpy as np
import pytest
from browser import needs_chromium
from PIL import Image

from prefiqs.pipeline.identity import MethodId
from prefiqs.pipeline.site.build import build_site
from prefiqs.pruning.spec import PruningSpec

pytestmark = needs_chromium
RUN = "reports/default"
RESULTS, GALLERY = f"{RUN}/results", f"{RUN}/gallery-toy-xq"
NOTEBOOK, TABLE = f"{RUN}/edc/toy-xq/sface/13_edc", f"{RUN}/edc/toy-xq/sface/table3"
PAGES = ["index", RESULTS, f"{RUN}/tables", f"{RUN}/gallery-toy", GALLERY, f"{RUN}/index", NOTEBOOK, TABLE]
FIRST = MethodId.of_spec("sface", PruningSpec(0.4))  # the method chosen when the page opens
STRUCTURED = MethodId.of_spec("sface", PruningSpec(0.4, "structured"))
NORM, SER_FIQ, SEVERITY = MethodId.of("norm", "sface"), MethodId.of("ser-fiq", "sface"), MethodId.severity()


@pytest.fixture(scope="module")
def project(make, tmp_path_factory):
    return make(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def site(project):
    return build_site(project.folder, project.folder / "site")


def visit(page, site, name, width=1200):
    page.set_viewport_size({"width": width, "height": 800})
    page.goto((site / f"{name}.html").as_uri())


def shown_names(page) -> list[str]:
    """The names of all faces of the list, in its order, also of those that are added later."""
    page.eval_on_selector("#more", "more => { while (!more.hidden) more.click(); }")
    return page.eval_on_selector_all("#faces button", "buttons => buttons.map(b => b.title)")


def scores_of(project, method) -> np.ndarray:
    if method == SEVERITY:
        return -project.index["severity"].to_numpy()
    return project.scores[method].astype(float)


def ordered(project, method, chosen=None, highest=False) -> list[str]:
    scores = scores_of(project, method)
    rows = np.arange(len(scores)) if chosen is None else np.flatnonzero(chosen)
    return (
        project.index["name"].iloc[rows[np.argsort(-scores[rows] if highest else scores[rows], kind="stable")]].tolist()
    )


@pytest.mark.parametrize("width", [1200, 400])
def test_pages_load_within_their_width_and_say_what_their_images_show(page, site, width):
    for name in PAGES:
        visit(page, site, name, width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert all(page.eval_on_selector_all("img", "images => images.map(i => i.alt)"))
        if width == 400 and name in (RESULTS, TABLE):  # too wide for the screen: they scroll in their own box
            box = {RESULTS: ".scroll", TABLE: ".md-typeset__scrollwrap"}[name]
            inner, outer = page.eval_on_selector(box, "box => [box.scrollWidth, box.clientWidth]")
            assert inner > outer


def test_the_search_works_in_pages_that_are_opened_from_files(page, site):
    visit(page, site, RESULTS)
    page.keyboard.press("/")
    page.keyboard.type("bootstrap")
    page.wait_for_selector(".md-search-result__item a")
    found = page.inner_text(".md-search-result__list")
    assert "Home" in found and "Areas of every method" in found


def test_the_gallery_is_in_the_order_of_each_method(page, project, site):
    visit(page, site, GALLERY)
    assert shown_names(page) == ordered(project, FIRST)
    page.select_option("[name=order]", "highest")
    assert shown_names(page) == ordered(project, FIRST, highest=True)
    for method in (NORM, SER_FIQ, STRUCTURED, SEVERITY):
        page.select_option("[name=method]", label=method.label)
        assert shown_names(page) == ordered(project, method, highest=True)


def test_faces_are_added_as_the_reader_comes_to_them(page, site):
    visit(page, site, GALLERY)
    assert page.locator("#faces li").count() == 240
    assert page.inner_text("#count") == "300 of 300 faces"
    page.locator("#more").scroll_into_view_if_needed()
    page.wait_for_function("document.querySelectorAll('#faces li').length === 300")
    assert not page.locator("#more").is_visible()


def test_filters_by_degradation_and_severity(page, project, site):
    visit(page, site, GALLERY)
    kind, severity = project.index["degradation"], project.index["severity"]
    page.uncheck("[value=jpeg]")
    assert shown_names(page) == ordered(project, FIRST, kind != "jpeg")
    page.fill("[name=least]", "0.3")
    page.fill("[name=most]", "0.6")
    page.press("[name=most]", "Enter")
    chosen = (kind != "jpeg") & severity.between(0.3, 0.6)
    assert 0 < chosen.sum() < 240
    assert shown_names(page) == ordered(project, FIRST, chosen)
    assert page.inner_text("#count") == f"{chosen.sum()} of 300 faces"
    page.click("#none")
    assert shown_names(page) == []
    page.check("[value=occlusion]")
    assert shown_names(page) == ordered(project, FIRST, (kind == "occlusion") & severity.between(0.3, 0.6))
    page.click("#every")
    assert shown_names(page) == ordered(project, FIRST, severity.between(0.3, 0.6))


def test_images_say_whom_and_what_they_show(page, project, site):
    visit(page, site, GALLERY)
    faces = project.index.set_index("name").loc[ordered(project, FIRST)[:240]]
    expected = [
        f"face of subject {f.subject}, " + (
            "not degraded" if f.degradation == "none" else f"{f.degradation}, severity {f.severity:g}"
        )
        for f in faces.itertuples()
    ]  # fmt: skip
    assert page.eval_on_selector_all("#faces img", "images => images.map(i => i.alt)") == expected
    page.wait_for_function("document.querySelector('#faces img').naturalWidth === 112")


def test_a_face_by_keyboard_with_its_scores_and_ranks(page, project, site):
    visit(page, site, GALLERY)
    names = ordered(project, FIRST)
    page.focus("#faces li:nth-child(3) button")
    page.keyboard.press("Enter")
    assert page.locator("dialog").is_visible()
    check_dialog(page, project, names[2])
    page.keyboard.press("ArrowRight")
    check_dialog(page, project, names[3])
    for _ in range(5):
        page.keyboard.press("ArrowLeft")  # stops at the first
    check_dialog(page, project, names[0])
    assert page.is_disabled("#previous") and not page.is_disabled("#next")
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    # The browser tells of the closing a moment later; only then the focus goes back to the list.
    page.wait_for_function("name => document.activeElement.title === name", arg=names[0])


def check_dialog(page, project, name):
    row = int(np.flatnonzero(project.index["name"] == name)[0])
    face = project.index.iloc[row]
    assert page.inner_text("#face-name") == name
    facts = page.eval_on_selector_all("#facts dd", "all => all.map(d => d.textContent)")
    assert facts == [face["subject"], face["degradation"], f"{face['severity']:g}"]
    assert face["subject"] in page.get_attribute("#portrait img", "alt")
    cells = page.eval_on_selector_all("#scores tr", "rows => rows.map(r => [...r.cells].map(c => c.textContent))")
    methods = [FIRST, NORM, SER_FIQ, SEVERITY, STRUCTURED]
    assert [c[0] for c in cells] == [method.label for method in methods]
    for (_, score, rank, percentile), method in zip(cells, methods, strict=True):
        scores = scores_of(project, method)
        assert float(score) == pytest.approx(scores[row], rel=1e-4)
        assert int(rank) == 1 + (scores > scores[row]).sum()
        assert float(percentile) == pytest.approx(100 * (scores < scores[row]).sum() / 299, abs=0.051)


def test_a_face_by_mouse_on_a_narrow_screen(page, project, site):
    visit(page, site, GALLERY, 400)
    page.click("#faces li:nth-child(2) button")
    check_dialog(page, project, ordered(project, FIRST)[1])
    box = page.locator("dialog").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 400
    page.click("#close")
    assert not page.locator("dialog").is_visible()


def test_names_alone_where_faces_may_not_be_shown(page, make, tmp_path):
    project = make(tmp_path)
    project.change({"align": {"show_faces": {"toy": False, "toy-xq": False}}})
    site = build_site(tmp_path, tmp_path / "site")
    visit(page, site, GALLERY, 400)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.locator("img").count() == 0
    assert page.eval_on_selector_all("#faces b", "all => all.map(b => b.textContent)") == ordered(project, FIRST)[:240]
    page.click("#faces li:nth-child(1) button")
    assert page.inner_text("#face-name") == ordered(project, FIRST)[0]
    assert page.locator("img").count() == 0


def column(page, number: int, value: str = "textContent") -> list[str]:
    code = f"(rows, n) => rows.filter(r => !r.hidden).map(r => r.cells[n].{value})"
    return page.eval_on_selector_all("#results tbody tr", code, number)


def test_results_sort_by_click_and_by_keyboard(page, site):
    visit(page, site, RESULTS)
    page.select_option("[name=verifier]", "")
    areas = list(map(float, column(page, 1, "dataset.value")))
    assert areas == sorted(areas) and len(set(areas)) > 2, "the smallest comes first when the page opens"
    assert page.get_attribute("th:nth-child(2)", "aria-sort") == "ascending"
    page.click("th:nth-child(2) button")
    assert list(map(float, column(page, 1, "dataset.value"))) == areas[::-1]
    assert page.get_attribute("th:nth-child(2)", "aria-sort") == "descending"
    page.focus("th:nth-child(2) button")
    page.keyboard.press("Enter")
    assert list(map(float, column(page, 1, "dataset.value"))) == areas
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.eval_on_selector_all("th[aria-sort]", "all => all.map(h => h.textContent)") == ["from"]
    lows = column(page, 2, "dataset.value")
    known = [float(text) for text in lows if text]
    assert known == sorted(known) and lows[len(known) :] == [""] * 2, "what is missing comes last"
    page.click("th:nth-child(1) button")
    assert column(page, 0) == sorted(column(page, 0), key=str.lower)


def test_results_are_filtered(page, site):
    visit(page, site, RESULTS)
    assert page.inner_text("#count") == "5 of 36 rows"  # four methods and the random order
    assert [set(column(page, n)) for n in (4, 9, 10)] == [{"sface"}, {"0.001"}, {"recomputed"}]
    page.select_option("[name=verifier]", "other")
    page.select_option("[name=threshold]", "fixed")
    assert page.inner_text("#count") == "4 of 36 rows"
    assert set(column(page, 4)) == {"other"} and set(column(page, 10)) == {"fixed"}
    page.select_option("[name=method]", NORM.label)
    assert column(page, 0) == [NORM.label]


@pytest.mark.parametrize("name", [RESULTS, TABLE])
def test_a_shadow_shows_that_a_wide_table_goes_on(page, site, name):
    """At the right as long as there is more to the right, and at the left thereafter."""
    visit(page, site, name, 400)
    box = page.locator(".scroll" if name == RESULTS else ".md-typeset__scrollwrap")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(255, 255, 255)"
    for scrolled, shaded in ((0, [False, True]), (9999, [True, False])):
        box.evaluate("(box, x) => { box.scrollLeft = x }", scrolled)
        shot = np.asarray(Image.open(BytesIO(box.screenshot())).convert("L"))
        edges = shot[-3, [1, -2]]  # below the last row
        assert [bool(edge < 240) for edge in edges] == shaded
