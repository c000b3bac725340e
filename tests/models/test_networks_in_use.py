"""The families in the rest of the package: embedded by the CPU engine, pruned, differentiated; attention of a block."""

import copy
from functools import cache, partial

import numpy as np
import pytest
import torch
from published_layouts import drawn, layer_norm, normed_attention
from small_networks import synthetic_faces, unit_rows
from torch.func import functional_call

import prefiqs
from prefiqs.models.face_model import InputSpec
from prefiqs.models.iresnet import IR, IResNet
from prefiqs.models.vit import ViT, ViTFiqa
from prefiqs.pruning.mask import embedding_layer, prunable_weights

SMALL = (1, 1, 1, 1)
FAMILIES = {
    "iresnet": partial(IResNet, SMALL),
    "ir-curricularface": partial(IR, SMALL, inner_norm=False),
    "ir-adaface": partial(IR, SMALL, inner_norm=True, input_spec=InputSpec("bgr", 127.5, 127.5)),
    "vit": partial(ViT, patch=16, width=24, depth=2, heads=3),
    "vit-fiqa-t": partial(ViTFiqa, quality_token=True, patch=16, width=24, depth=2, heads=3),
    "vit-fiqa-c": partial(ViTFiqa, quality_token=False, patch=16, width=24, depth=2, heads=3),
}
EMBEDDING_LAYER = {
    "iresnet": "fc",
    "ir-curricularface": "output_layer.3",
    "ir-adaface": "output_layer.3",
    "vit": "feature.2",
    "vit-fiqa-t": "feature.2",
    "vit-fiqa-c": "feature.2",
}


@cache
def build(name: str):
    """A network of the family; tests must leave it as it is."""
    model = FAMILIES[name](name=name)
    model.load_state_dict(drawn({key: tuple(value.shape) for key, value in model.state_dict().items()}))
    return model


@pytest.fixture(scope="module")
def faces():
    return synthetic_faces(2, seed=2)


def eager(model, faces) -> np.ndarray:
    with torch.no_grad():
        return unit_rows(model(model.prepare(faces)).numpy())


@pytest.mark.parametrize("name", FAMILIES)
def test_the_cpu_engine_equals_pytorch_also_when_pruned(name, faces):
    model = build(name)
    pruned = prefiqs.prune(model, 0.4)
    weights = torch.cat([w.flatten() for w in prunable_weights(pruned).values()])
    assert (weights == 0).sum() == int(0.4 * len(weights))
    plain, other = prefiqs.embed([model, pruned], faces, device="cpu")
    np.testing.assert_allclose(plain, eager(model, faces), rtol=0, atol=1e-5)
    np.testing.assert_allclose(other, eager(pruned, faces), rtol=0, atol=1e-5)
    assert np.abs(plain - other).max() > 1e-2
    assert embedding_layer(model) == EMBEDDING_LAYER[name]


@pytest.mark.parametrize("name", ["ir-curricularface", "vit", "vit-fiqa-t", "vit-fiqa-c"])
def test_pruning_the_embedding_layer_alone(name, faces):
    model = build(name)
    pruned = prefiqs.prune(model, 0.4, layers=EMBEDDING_LAYER[name])
    for layer, weight in prunable_weights(model).items():
        changed = not torch.equal(weight, prunable_weights(pruned)[layer])
        assert changed == layer.startswith(EMBEDDING_LAYER[name])


@pytest.mark.parametrize("name", ["iresnet", "ir-curricularface"])
def test_whole_channels_go_and_the_embedding_keeps_its_size(name, faces):
    model = build(name)
    pruned = prefiqs.prune(model, 0.4, "structured")
    counts = [sum(w.numel() for w in prunable_weights(net).values()) for net in (model, pruned)]
    assert pruned.sparsity == pytest.approx(1 - counts[1] / counts[0], abs=1e-12)
    assert pruned.sparsity > 0.1
    embedded = prefiqs.embed(pruned, faces, device="cpu")
    assert embedded.shape == (2, 512)
    np.testing.assert_allclose(embedded, eager(pruned, faces), rtol=0, atol=1e-5)


def test_channels_of_a_transformer_are_not_pruned():
    with pytest.raises(prefiqs.PrefiqsError, match="Structured pruning does not support the transformer vit: .* Use g"):
        prefiqs.prune(build("vit"), 0.4, "structured")


@pytest.mark.long
@pytest.mark.parametrize("name", ["iresnet", "vit"])
def test_jacobian_drift_is_the_limit_of_a_small_step(name, faces):
    """(ê(θ + hΔθ) − ê(θ − hΔθ)) / 2h in float64, as h tends to 0."""
    model, faces = build(name), faces[:1]
    pruned = prefiqs.prune(model, 0.1)
    found = prefiqs.jacobian_drift(model, pruned, faces, device="cpu")
    prepared = model.prepare(faces).double()
    model, pruned = copy.deepcopy(model).double(), pruned.double()
    whole, step = dict(model.named_parameters()), {}
    for key, value in pruned.named_parameters():
        step[key] = value.detach() - whole[key].detach()

    @torch.no_grad()
    def embedding(h: float) -> np.ndarray:
        return unit_rows(functional_call(model, {k: v + h * step[k] for k, v in whole.items()}, (prepared,)).numpy())

    h = 1e-5
    np.testing.assert_allclose(found, np.linalg.norm(embedding(h) - embedding(-h), axis=1) / (2 * h), rtol=1e-3)


def test_jacobian_drift_of_a_transformer_is_compiled(caplog):
    """Many faces go through the CPU engine: it must know all operations, and give what PyTorch gives for few."""
    model = build("vit")
    pruned = prefiqs.prune(model, 0.1)
    many = synthetic_faces(130, seed=3)
    compiled = prefiqs.jacobian_drift(model, pruned, many, device="cpu")
    np.testing.assert_allclose(compiled[:6], prefiqs.jacobian_drift(model, pruned, many[:6], device="cpu"), rtol=1e-4)
    assert not caplog.records


def test_blocks_run_one_by_one_and_show_their_attention(faces):
    model = build("vit")
    state = model.state_dict()
    with torch.no_grad():
        prepared = model.prepare(faces)
        tokens = model.tokens(prepared)
        assert tokens.shape == (2, 49, 24)
        for i, block in enumerate(model.blocks):
            wanted = normed_attention(state, f"blocks.{i}", layer_norm(state, f"blocks.{i}.norm1", tokens), heads=3)[1]
            same, shown = block.with_attention(tokens)
            assert shown.shape == (2, 3, 49, 49)
            torch.testing.assert_close(shown, wanted, rtol=0, atol=1e-5)
            tokens = block(tokens)
            torch.testing.assert_close(same, tokens, rtol=0, atol=1e-5)
        torch.testing.assert_close(model.head(tokens), model(prepared), rtol=0, atol=0)


def test_one_face_is_embedded_alike_in_any_company(faces):
    model = build("vit")
    together, alone = eager(model, faces), np.concatenate([eager(model, faces[i : i + 1]) for i in range(2)])
    np.testing.assert_allclose(together, alone, atol=1e-6)
