"""FaceQAN against its loops written out: every face, copy and step in turn."""

import numpy as np
import pytest
import torch
from small_networks import TinyNet, prepared_by_hand, small_vit, synthetic_faces

import prefiqs
from prefiqs.errors import InputError
from prefiqs.methods import faceqan
from prefiqs.models.face_model import InputSpec


def by_hand(model: TinyNet, faces: np.ndarray, k: int, iterations: int, epsilon: float, p: float, seed: int):
    """On the scale where an image is in [0, 1] and the network normalises its input itself, in float64."""
    noise = np.random.default_rng(seed).uniform(-epsilon, epsilon, (k, 3, 112, 112))
    model, spec = model.double(), model.input_spec

    def unit_embedding(x):
        raw = model((255 * x - spec.mean)[None] / spec.std)[0]
        return raw / raw.pow(2).sum().sqrt()

    scores = []
    for face in faces:
        x, mirrored = (torch.tensor(f.transpose(2, 0, 1) / 255.0) for f in (face, face[:, ::-1]))
        embedding = unit_embedding(x).detach()
        similarities = []
        for start in torch.tensor(noise):
            copy = (x + start).clamp(-1, 1)
            for _ in range(iterations):
                copy = copy.detach().requires_grad_()
                similarity = (unit_embedding(copy) * embedding).sum()
                similarities.append(similarity.item())
                (gradient,) = torch.autograd.grad(1 - similarity, copy)
                copy = (copy + epsilon * gradient.sign()).clamp(-1, 1)
        symmetry = (unit_embedding(mirrored) * embedding).sum().item()
        base = (1 + np.mean(similarities)) / 2 * (1 - np.std(similarities)) * symmetry
        scores.append(np.sign(base) * abs(base) ** p)
    return scores


def with_white_pixels(faces: np.ndarray) -> np.ndarray:
    """As overexposed photos have them, where the noise is cut off."""
    faces = faces.copy()
    faces[:, 20:60, 30:70] = 255
    return faces


@pytest.mark.parametrize(
    "options",
    [
        {"k": 1, "iterations": 1, "epsilon": 0.01, "p": 1, "seed": 0},  # uniform noise alone
        {"k": 3, "iterations": 4, "epsilon": 0.05, "p": 3, "seed": 2},
        {"k": 2, "iterations": 2, "epsilon": 0.02, "p": 2, "seed": 1},
    ],
)
def test_equals_every_copy_and_step_in_turn(tiny, faces, options):
    faces = with_white_pixels(faces[:6])
    scores = prefiqs.score(faces, "faceqan", tiny, **options)
    np.testing.assert_allclose(scores, by_hand(TinyNet(), faces, **options), atol=1e-5)


@pytest.mark.long
def test_transformers_too(faces):
    options = {"k": 2, "iterations": 3, "epsilon": 0.1, "p": 3, "seed": 3}
    scores = prefiqs.score(faces[:2], "faceqan", small_vit(), **options)
    np.testing.assert_allclose(scores, by_hand(small_vit(), faces[:2], **options), atol=1e-5)


def test_the_defaults_are_the_published_ones(tiny, faces):
    scores = prefiqs.score(faces[:2], "faceqan", tiny)
    expected = by_hand(TinyNet(), faces[:2], k=10, iterations=5, epsilon=0.001, p=5, seed=0)
    # Noise this small hardly moves the embedding: in float32 a few pixels of no consequence step the other way.
    np.testing.assert_allclose(scores, expected, atol=5e-5)


def test_noise_is_of_one_size_whatever_scale_and_order_a_network_wants(faces):
    """A network that takes 0…1 in BGR is given the same pixels: only the noise of the channels changes places."""
    spec = InputSpec("bgr", mean=0, std=255)
    options = {"k": 2, "iterations": 3, "epsilon": 0.02, "p": 3, "seed": 4}
    scores = prefiqs.score(faces[:3], "faceqan", TinyNet(spec=spec), **options)
    expected = by_hand(TinyNet(spec=spec), faces[:3, :, :, ::-1], **options)
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_steps_lower_the_similarity(tiny, faces):
    """The gradient leads away from the face: with steps the copies are less alike than with noise alone."""
    model = TinyNet()
    clean = torch.from_numpy(prepared_by_hand(faces[:1]))
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 0.01, (4, 3, 112, 112)).astype(np.float32))
    noisy = clean + noise
    embeddings, gradient = faceqan.embeddings_and_gradient(model)(torch.cat([clean, noisy]))
    moved, _ = faceqan.embeddings_and_gradient(model)(torch.cat([clean, noisy + 0.01 * gradient.sign()]))
    before, after = (torch.cosine_similarity(e[:1], e[1:]) for e in (embeddings, moved))
    assert (after < before).all()


@pytest.mark.long
def test_seeds_differ_a_little(tiny, faces):
    first, second = (prefiqs.score(faces, "faceqan", tiny, epsilon=0.05, seed=seed) for seed in (0, 1))
    assert 0 < np.abs(first - second).max() < 0.05


def test_the_compiled_gradient_equals_the_eager_one(tiny, in_eager_pytorch):
    many, options = synthetic_faces(6, seed=5), {"k": 4, "iterations": 3, "epsilon": 0.02}
    compiled = prefiqs.score(many, "faceqan", tiny, **options)
    in_eager_pytorch(faceqan)
    np.testing.assert_allclose(compiled, prefiqs.score(many, "faceqan", tiny, **options), atol=1e-5)


@pytest.mark.parametrize("options", [{"k": 0}, {"iterations": 0}, {"epsilon": 0}, {"epsilon": 1}, {"p": 0}])
def test_options_out_of_range(tiny, faces, options):
    with pytest.raises(InputError, match=r"FaceQAN needs k and iterations .* 1, epsilon in \(0, 1\) and p > 0, not k="):
        prefiqs.score(faces, "faceqan", tiny, **options)
