"""kill -9 at random moments, in every stage of the pipeline and in `prefiqs score`; then to the end: the same files.

    python tests/faults/kills.py [KILLS OF EACH STAGE] [SEED]

Runs the compendium at reduced size twice, once in peace and once killed again and again, and compares every file but
those that hold measured times; then `prefiqs score` over a folder of photos, likewise. Exit status 1 where any differs.
Takes about a quarter of an hour, too long for the tests.
"""

import filecmp
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from reduced import ENVIRONMENT, make_compendium  # noqa: E402

from prefiqs.pipeline.params import RESULTS  # noqa: E402
from prefiqs.pipeline.publish import MEASURED  # noqa: E402

# Table 1 shows what is measured, and the page of a run when and for how long it ran.
SHOWING_IT = ("paper/22_paper.ipynb", "paper.pdf", "README.md", "data/executed/")
SCORE_KILLS = 20


def start(command: list[str], folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        command, cwd=folder, env=ENVIRONMENT, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def kill(process: subprocess.Popen, with_all: bool) -> None:
    """The process group at once; `with_all` also what has left it, such as the kernel of a notebook."""
    others = psutil.Process(process.pid).children(recursive=True) if with_all and process.poll() is None else []
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    for other in others:
        if other.is_running():
            other.kill()
    process.communicate()


def start_pipeline(folder: Path) -> subprocess.Popen:
    """As `make reproduce` does: DVC's note of its running stages, if a kill has left it half-written, goes first."""
    note = folder / ".dvc" / "tmp" / "rwlock"
    try:
        json.loads(note.read_text(encoding="utf-8") if note.is_file() else "{}")
    except ValueError:
        note.unlink()
        print("(DVC's rwlock was half-written)", flush=True)
    return start(["dvc", "repro"], folder)


def running(line: str) -> str | None:
    """The stage that DVC says it runs."""
    return line.split("'")[1] if line.startswith("Running stage '") else None


def run_whole(folder: Path) -> Iterator[tuple[str, float]]:
    """Run to the end; each stage as it starts, and when."""
    process = start_pipeline(folder)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if stage := running(line):
            yield stage, time.monotonic()
    if process.wait():
        sys.exit("".join(lines[-40:]))


def kill_once(folder: Path, moments: dict[str, list[float]], chance: random.Random) -> bool:
    """Run, and kill in the first stage that has `moments` left, so many seconds into it; False if the run came to its
    end before."""
    process = start_pipeline(folder)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if moments.get(stage := running(line)):
            delay = moments[stage].pop()
            time.sleep(delay)
            alive = process.poll() is None
            kill(process, with_all=chance.random() < 0.5)
            print(f"{stage}: {f'killed after {delay:.1f} s' if alive else 'was over'}", flush=True)
            return alive
    if process.wait():
        sys.exit("".join(lines[-40:]))
    return False


def differing(first: Path, second: Path) -> list[str]:
    """Files that are not in both folders with the same bytes."""
    names = {
        path.relative_to(root).as_posix()
        for root in (first, second)
        for part in ("data", "reports")
        for path in (root / part).rglob("*")
        if path.is_file()
    }
    return sorted(
        n for n in names
        if not n.removeprefix(RESULTS).removeprefix("reports/default/").startswith((*MEASURED, *SHOWING_IT))
        and not ((first / n).is_file() and (second / n).is_file() and filecmp.cmp(first / n, second / n, shallow=False))
    )  # fmt: skip


def pipeline(folder: Path, kills: int, chance: random.Random) -> list[str]:
    peaceful, troubled = folder / "peaceful", folder / "troubled"
    for copy in (peaceful, troubled):
        copy.mkdir()
        make_compendium(copy)
    began = [*run_whole(peaceful), ("", time.monotonic())]
    moments = {
        stage: [chance.uniform(0, after - at) for _ in range(kills)]
        for (stage, at), (_, after) in zip(began, began[1:], strict=False)
    }
    done = 0
    while kill_once(troubled, moments, chance):
        done += 1
    for _ in run_whole(troubled):
        pass
    print(f"{done} kills in {len(moments)} stages.", flush=True)
    return differing(peaceful, troubled)


def score(folder: Path, chance: random.Random) -> list[str]:
    photos = folder / "photos"
    photos.mkdir()
    for path in sorted((folder / "peaceful" / "data" / "assets" / "orl").rglob("*.pgm")):
        for copy in range(4):
            shutil.copy(path, photos / f"{path.parent.name}-{path.stem}-{copy}.pgm")
    command = ["prefiqs", "score", str(photos), "--resume", "--out"]
    began = time.monotonic()
    subprocess.run([*command, "peaceful.csv"], cwd=folder, env=ENVIRONMENT, check=True, capture_output=True)
    seconds = time.monotonic() - began
    wanted, done = (folder / "peaceful.csv").read_bytes(), 0
    troubled = folder / "troubled.csv"
    while done < SCORE_KILLS:
        process = start([*command, troubled.name], folder)
        time.sleep(chance.uniform(0, seconds / 2))
        if process.poll() is None:
            kill(process, with_all=True)
            done += 1
            if troubled.exists():
                return ["troubled.csv, which is there before all scores are"]
        else:  # after so many kills nothing was left to do; once more from the start
            if process.returncode or troubled.read_bytes() != wanted:
                return ["troubled.csv"]
            troubled.unlink()
    subprocess.run([*command, troubled.name], cwd=folder, env=ENVIRONMENT, check=True, capture_output=True)
    print(f"prefiqs score over {len([*photos.iterdir()]):,} photos: {done} kills.", flush=True)
    same = troubled.read_bytes() == wanted
    return [] if same and not [*folder.glob("*.progress*")] else ["troubled.csv"]


def main(kills: int = 2, seed: int = 0) -> None:
    chance = random.Random(seed)
    with TemporaryDirectory(prefix="kills-") as folder:
        bad = pipeline(Path(folder), kills, chance) + score(Path(folder), chance)
    print("\n".join(["Differing:", *bad]) if bad else "Every file is the same.")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
