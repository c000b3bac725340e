"""What each card of the registry promises, against what the authors of the network say."""

import numpy as np
import pytest
from small_networks import TinyNet

from prefiqs.assets.fetch import ASSETS
from prefiqs.errors import InputError
from prefiqs.models.face_model import InputSpec
from prefiqs.models.registry import MODELS

BGR = {"lightqnet", "magface", "adaface-ir18", "adaface-ir50", "adaface-ir101"}
SCALE = {
    "sface": lambda x: (x - 127.5) / 128,
    "mobilefacenet-512": lambda x: (x - 127.5) / 128,
    "mobilefacenet-192": lambda x: (x - 127.5) / 128,
    "lresnet100e-ir": lambda x: (x - 127.5) / 128,
    "mobilefacenet-y1": lambda x: x,  # its file scales the pixels
    "magface": lambda x: x / 255,
    "lightqnet": lambda x: (x - 128) / 128,
}


@pytest.mark.parametrize("name", MODELS)
def test_colours_and_scale(name):
    """ToTensor and Normalize of the authors: (x/255 - 0.5)/0.5 unless said otherwise."""
    face = np.empty((1, 112, 112, 3), np.uint8)
    face[:] = 250, 100, 5
    prepared = TinyNet(spec=MODELS[name].input_spec).prepare(face)[0, :, 50, 50].double().numpy()
    scale = SCALE.get(name, lambda x: (x / 255 - 0.5) / 0.5)
    given = [5, 100, 250] if name in BGR else [250, 100, 5]
    np.testing.assert_allclose(prepared, [scale(x) for x in given], atol=1e-6)


def test_each_card_says_what_a_user_must_know():
    assert (BGR | SCALE.keys()) <= MODELS.keys()
    for name, card in MODELS.items():
        assert card.name == name
        assert all([card.description, card.source, card.licence, card.embedding_size, card.layouts])
        assert card.asset or "https://" in card.source


def test_the_registry_holds_the_names_of_the_design():
    wanted = (
        "sface mobilefacenet-512 mobilefacenet-192 iresnet18 iresnet34 iresnet50 iresnet100 iresnet200 elasticface "
    )
    wanted += "magface curricularface adaface-ir18 adaface-ir50 adaface-ir101 vit-t vit-s vit-b vit-l "
    assert set((wanted + "cvlface-vit-s cvlface-vit-b vit-fiqa-t vit-fiqa-c").split()) <= MODELS.keys()


def test_the_registry_names_assets_that_exist():
    assert {card.asset for card in MODELS.values() if card.asset} <= ASSETS.keys()


@pytest.mark.parametrize("values", [("RGB", 0, 1), ("grey", 0, 1), ("rgb", 0, 0), ("rgb", 0, -1), ("bgr", np.nan, 1)])
def test_inputs_that_make_no_sense(values):
    with pytest.raises(InputError, match="The colour must be 'rgb' or 'bgr', and mean and std > 0 numbers"):
        InputSpec(*values)
