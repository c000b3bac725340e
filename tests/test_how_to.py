"""README.md and docs/ are true: their code runs as printed, in the order of a page, beside files of the names it uses.

A block that cannot run has a line `<!-- not run: REASON -->` before it.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

import prefiqs

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"(<!-- not run: [^\n]+ -->\n)?^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))}
PAGES["README.md"] = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = {page: [found.groups() for found in BLOCK.finditer(text)] for page, text in PAGES.items()}
RUN = {page: [block[1:] for block in blocks if not block[0]] for page, blocks in BLOCKS.items()}


def photos_of(folder: Path, orl: Path, count: int = 3) -> None:
    folder.mkdir()
    for number in range(1, count + 1):
        Image.open(orl / f"s{number}" / "1.pgm").save(folder / f"{number}.jpg", quality=95)


def files_of(page: str, folder: Path, assets: dict[str, Path]) -> None:
    """What a reader of the page has: photos, a network, the files of an evaluation."""
    if page == "how-to/evaluate.md":
        return files_of_an_evaluation(folder)
    if page == "README.md":
        for person in range(1, 11):
            shutil.copytree(assets["orl"] / f"s{person}", folder / "people" / f"s{person}")
    for name in {"README.md": ["holiday"], "how-to/score.md": ["holiday", "photos", "faces"],
                 "how-to/own-network.md": ["photos"],
                 "reference/methods.md": ["holiday", "mixed"]}.get(page, []):  # fmt: skip
        photos_of(folder / name, assets["orl"], 5)
    Image.open(assets["orl"] / "s9" / "1.pgm").save(folder / "portrait.jpg")
    if page == "how-to/score.md":
        (folder / "list.txt").write_text("portrait.jpg\nholiday/1.jpg\n")
        (folder / "aligned").mkdir()
        with (folder / "points.txt").open("w") as points:
            for photo in sorted((folder / "faces").iterdir()):
                face = prefiqs.align(photo)
                print(f"faces/{photo.name}", *face.landmarks.ravel(), file=points)
                Image.fromarray(face.image).save(folder / "aligned" / f"{photo.stem}.png")
    if page in ("README.md", "how-to/own-network.md"):
        shutil.copy(assets["sface"], folder / "mine.onnx")


def files_of_an_evaluation(folder: Path) -> None:
    rng = np.random.default_rng(3)
    names = [f"p{person}/{photo}.jpg" for person in range(40) for photo in range(4)]
    noise = rng.uniform(0.2, 1.5, len(names))
    vectors = np.repeat(rng.normal(size=(40, 64)), 4, axis=0) + noise[:, None] * rng.normal(size=(len(names), 64))
    for name, vector in zip(names, vectors, strict=True):
        path = folder / "lfw_ArcFaceModel" / Path(name).with_suffix(".npy")
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, vector.astype(np.float32))
    for file, scores in (("CRFIQAL_lfw.txt", -noise), ("pfe.txt", noise)):
        (folder / file).write_text("".join(f"{n} {s}\n" for n, s in zip(names, scores, strict=True)))
    pd.DataFrame({"name": names, "score": rng.normal(size=len(names))}).to_csv(folder / "mine.csv", index=False)
    pd.DataFrame({"name": names, "sex": ["f", "m"] * 80}).to_csv(folder / "people.csv", index=False)
    (folder / "lfw").mkdir()
    pairs = [(a, b, int(a.split("/")[0] == b.split("/")[0])) for i, a in enumerate(names) for b in names[:i]]
    (folder / "lfw" / "pair_list.txt").write_text("".join(f"{a} {b} {label}\n" for a, b, label in pairs))


@pytest.fixture
def follow(assets, tmp_path, monkeypatch):
    """Runs the blocks of a page and returns their folder."""

    def follow(page: str) -> Path:
        files_of(page, tmp_path, assets)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        names: dict = {}
        for language, code in RUN[page]:
            if language == "python":
                exec(compile(code, page, "exec"), names)
            else:
                subprocess.run(["bash", "-ec", code], check=True)
        return tmp_path

    return follow


def test_every_block_names_its_language():
    languages = {page: {language for _, language, _ in blocks} for page, blocks in BLOCKS.items()}
    assert set().union(*languages.values()) == {"python", "sh"}
    assert sum(len(blocks) for blocks in RUN.values()) > 10


def test_what_is_not_run_needs_data_packages_or_the_whole_pipeline():
    """No block is left out that could run: each of these takes hours, or changes the machine."""
    heavy = ("pip install", "make ", "prefiqs run ", "dvc ")
    for page, blocks in BLOCKS.items():
        for mark, _, code in blocks:
            assert not mark or any(word in code for word in heavy), page


OTHERS = [page for page, blocks in RUN.items() if blocks and page != "how-to/choose.md"]


@pytest.mark.long
@pytest.mark.parametrize("page", OTHERS)
def test_the_code_of_a_page_runs(follow, page):
    folder = follow(page)
    for name in re.findall(r"--(?:out|html) (\S+)", "\n".join(code for _, code in RUN[page])):
        assert (folder / name).exists(), name


@pytest.mark.long
def test_choose_a_method_and_a_threshold(follow):
    folder = follow("how-to/choose.md")
    areas = pd.read_csv(folder / "report" / "areas.csv")
    assert areas["method"].nunique() == 6  # five methods and the random order
    report = (folder / "report" / "report.html").read_text(encoding="utf-8")
    verdicts = dict(re.findall(r"<strong>(FMR [\d.]+)</strong>: (.+?)</p>", report))
    assert list(verdicts) == ["FMR 0.001", "FMR 0.0001"]
    for text in verdicts.values():
        (method,) = re.findall(r"Recommended: (\S+)\.", text)
        below = rf"reject images whose {method} score is below \d"
        assert re.search(rf"{below}|No rejection threshold of {method} reaches an FNMR", text), text
    (used,) = re.findall(r'new\["score"\] >= ([\d.]+)', PAGES["how-to/choose.md"])
    assert f"reject images whose norm score is below {used}." in verdicts["FMR 0.001"]
    # The spoiled photos are the ones to reject: the lowest scores of the norm are blurred ones.
    scores = pd.read_parquet(folder / "report" / "scores.parquet").query("method == 'norm'").dropna(subset="score")
    lowest = scores.sort_values("score")["path"].head(20).map(lambda path: int(Path(path).stem))
    assert (lowest == 8).mean() > 0.5
    assert (folder / "rejected.html").is_file()
    assert len(pd.read_csv(folder / "new.csv")) == 10


def test_every_parameter_is_explained_and_no_other():
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    keys = {f"{block}.{key}" for block, keys in params.items() if isinstance(keys, dict) for key in keys} | {"run"}
    rows = re.findall(r"^\| (`.+?`(?:, `.+?`)*) \|", PAGES["reference/parameters.md"], re.MULTILINE)
    assert sorted(name for row in rows for name in re.findall("`(.+?)`", row)) == sorted(keys)


def test_every_public_name_is_in_the_reference():
    listed = re.findall(r"^::: (\S+)$", PAGES["reference/python.md"], re.MULTILINE)
    assert sorted(listed) == sorted(f"prefiqs.{module}.{name}" for name, module in prefiqs._MODULE_OF.items())


def test_every_method_is_in_the_reference():
    from prefiqs.methods.registry import METHODS

    assert re.findall(r"^\| `([\w-]+)` \|", PAGES["reference/methods.md"], re.MULTILINE) == list(METHODS)
