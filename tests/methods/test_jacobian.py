"""The Jacobian drift against finite differences and against the full Jacobian, both in float64, and its two engines."""

import numpy as np
import pytest
import torch
from small_networks import PRUNABLE, TinyNet, embedded_by_hand, prepared_by_hand, synthetic_faces

import prefiqs
from prefiqs.embedding import derivatives
from prefiqs.errors import InputError
from prefiqs.methods import _probes, jacobian

WEIGHTS = [f"{layer}.weight" for layer in PRUNABLE]


@pytest.fixture
def double() -> tuple[TinyNet, TinyNet]:
    """A network in float64 and its pruned copy."""
    return TinyNet().double(), prefiqs.prune(TinyNet(), 0.1).double()


def prepared(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(prepared_by_hand(images)).double()


def unit_embedding(model: TinyNet, weights: dict[str, torch.Tensor], faces: torch.Tensor) -> torch.Tensor:
    raw = torch.func.functional_call(model, weights, (faces,))
    return raw / raw.pow(2).sum(1, keepdim=True).sqrt()


def weights_and_step(model: TinyNet, pruned: TinyNet) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """θ, and Δθ by its definition: −θ where pruning put a zero, 0 elsewhere."""
    weights = {name: model.get_parameter(name).detach() for name in WEIGHTS}
    step = {name: torch.where(pruned.get_parameter(name) == 0, -w, torch.zeros_like(w)) for name, w in weights.items()}
    return weights, step


def test_finite_differences_tend_to_the_jvp(double, faces):
    model, pruned = double
    x = prepared(faces)
    weights, step = weights_and_step(model, pruned)
    e, tangent = jacobian.normalised_jvp(model, pruned)(x)
    assert e.dtype == tangent.dtype == torch.float64
    errors = []
    with torch.no_grad():
        start = unit_embedding(model, weights, x)
        for epsilon in (1e-2, 1e-3, 1e-4, 1e-5):
            moved = unit_embedding(model, {name: w + epsilon * step[name] for name, w in weights.items()}, x)
            errors.append(float(((moved - start) / epsilon - tangent).abs().max()))
    torch.testing.assert_close(e, start)
    # One-sided differences: the error is proportional to epsilon, ten times smaller at every step.
    assert all(later < earlier / 5 for earlier, later in zip(errors, errors[1:], strict=False))
    assert errors[-1] < 1e-6


@pytest.mark.parametrize(("ratio", "criterion"), [(0.1, "l1"), (0.5, "l1"), (0.9, "random")])
def test_equals_the_full_jacobian_times_the_step(faces, ratio, criterion):
    model = TinyNet()
    pruned = prefiqs.prune(model, ratio, criterion=criterion)
    drift = prefiqs.jacobian_drift(model, pruned, faces[:5])
    model, pruned, x = TinyNet().double(), pruned.double(), prepared(faces[:5])
    weights, step = weights_and_step(model, pruned)
    full = torch.func.jacrev(lambda w: unit_embedding(model, w, x))(weights)  # 5×8×(shape of the weight) each
    product = sum((full[name].flatten(2) * step[name].flatten()).sum(2) for name in WEIGHTS)
    np.testing.assert_allclose(drift, product.detach().pow(2).sum(1).sqrt(), rtol=1e-4)
    assert drift.dtype == np.float32


@pytest.mark.parametrize("compiled", [True, pytest.param(False, marks=pytest.mark.long)])
def test_several_ratios_at_once_are_those_one_by_one(tiny, in_eager_pytorch, compiled):
    pruned, many = [prefiqs.prune(tiny, ratio) for ratio in (0.1, 0.5, 0.8)], synthetic_faces(66, seed=5)
    expected = [prefiqs.jacobian_drift(tiny, other, many) for other in pruned]
    if not compiled:
        in_eager_pytorch(_probes)
    found = prefiqs.jacobian_drift(tiny, pruned, many)
    assert len(found) == 3
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert [drift.shape for drift in prefiqs.jacobian_drift(tiny, pruned, many[:0])] == [(0,)] * 3


def test_is_linear_in_the_step(tiny, faces):
    """A step half as long drifts half as far, exactly to first order; the discrete drift only about so."""
    pruned = prefiqs.prune(tiny, 0.3)
    halfway = TinyNet()
    state = tiny.state_dict()
    halfway.load_state_dict(
        {name: (state[name] + v) / 2 if name in WEIGHTS else v for name, v in pruned.state_dict().items()}
    )
    whole, half = (prefiqs.jacobian_drift(tiny, other, faces) for other in (pruned, halfway))
    np.testing.assert_allclose(half, whole / 2, rtol=1e-4)


def test_is_close_to_the_discrete_drift_at_a_small_ratio(tiny, faces):
    pruned = prefiqs.prune(tiny, 0.02)
    discrete = prefiqs.drift(*prefiqs.embed([tiny, pruned], faces))
    np.testing.assert_allclose(prefiqs.jacobian_drift(tiny, pruned, faces), discrete, rtol=0.05)


def test_no_step_no_drift(tiny, faces):
    assert not prefiqs.jacobian_drift(tiny, TinyNet(), faces).any()


@pytest.mark.parametrize("batch_size", [5, *(pytest.param(size, marks=pytest.mark.long) for size in (1, 64))])
def test_neither_batch_size_nor_company_matters(tiny, batch_size):
    pruned, many = prefiqs.prune(tiny, 0.1), synthetic_faces(70, seed=5)
    expected = prefiqs.jacobian_drift(tiny, pruned, many)
    np.testing.assert_allclose(prefiqs.jacobian_drift(tiny, pruned, many, batch_size), expected, rtol=1e-4)
    alone = prefiqs.jacobian_drift(tiny, pruned, many[:3], batch_size)  # too few to compile the derivative
    np.testing.assert_allclose(alone, expected[:3], rtol=1e-4)


def test_the_compiled_derivative_equals_the_eager_one_over_many_batches(tiny, in_eager_pytorch):
    """33 batches, the last one filled up. State kept from one call to the next has been a bug: it showed from the
    second batch on."""
    pruned, many = prefiqs.prune(tiny, 0.1), synthetic_faces(130, seed=5)
    compiled = prefiqs.jacobian_drift(tiny, pruned, many)
    in_eager_pytorch(_probes)
    np.testing.assert_allclose(compiled, prefiqs.jacobian_drift(tiny, pruned, many), rtol=1e-4)


@pytest.mark.long
def test_the_compiled_derivative_of_sface_equals_the_eager_one_of_a_few_faces(sface, orl):
    pruned, faces = prefiqs.prune(sface, 0.1), orl.images[::80]
    compiled = -jacobian.scorer(sface, 0.1, device="cpu")(faces).score
    eager = prefiqs.jacobian_drift(sface, pruned, faces, batch_size=2, device="cpu")
    np.testing.assert_allclose(compiled, eager, rtol=1e-3)
    # Drift at this ratio is of the order of 0.01 (methods.md), in both of its readings.
    discrete = np.linalg.norm(embedded_by_hand(sface, faces) - embedded_by_hand(pruned, faces), axis=1)
    assert ((eager > 1e-3) & (eager < 0.1)).all()
    np.testing.assert_allclose(eager, discrete, rtol=0.5)


def test_an_operation_that_openvino_lacks_stays_with_pytorch(tiny, monkeypatch, caplog):
    from openvino.frontend import OpConversionFailure

    pruned, many = prefiqs.prune(tiny, 0.1), synthetic_faces(128, seed=6)
    expected = prefiqs.jacobian_drift(tiny, pruned, many)

    def refuse(*_):
        raise OpConversionFailure("no such operation")

    monkeypatch.setattr(derivatives, "openvino_graph", refuse)
    np.testing.assert_allclose(prefiqs.jacobian_drift(tiny, pruned, many), expected, rtol=1e-4)
    assert "Jacobian drift runs in PyTorch, which is slower: no such operation" in caplog.text


def test_structured_pruning_has_no_jacobian_drift(tiny, faces):
    with pytest.raises(InputError, match="not an unstructured pruning of tiny-0: stem.weight has another shape"):
        prefiqs.jacobian_drift(tiny, prefiqs.prune(tiny, 0.5, "structured"), faces)


def test_another_network_has_no_jacobian_drift(tiny, sface, faces):
    with pytest.raises(InputError, match="not an unstructured pruning of tiny-0: stem.weight has another shape"):
        prefiqs.jacobian_drift(tiny, sface, faces)
