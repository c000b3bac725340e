"""FaceQAN: how far adversarial noise and mirroring move the embedding of a face.

Source: Babnik, Peer, Štruc, "FaceQAN: Face Image Quality Assessment Through Adversarial Noise Exploration", ICPR 2022.
k copies of the face x start with uniform noise in [−ε, ε]; iterated FGSM steps make them less similar to x: x_i ← x_i +
ε·sign(∂(1 − cos(e(x), e(x_i)))/∂x_i). With S the cosine similarities of the copies to x and s that of the mirrored
face, score = ((1 + mean(S))/2 · (1 − std(S)) · s)^p, where a negative s keeps its sign. Cost: k·l + 2 forward and k·(l
− 1) backward passes.

As in the published implementation: k = 10, l = 5, ε = 0.001 of the pixel range, p = 5; S contains the similarities
before each of the l steps (the result of the last step is not used, so it is skipped); the standard deviation is that
of the population; noisy pixels stay in [−1, 1], on the scale where an image is in [0, 1]. The noise depends only on the
seed and is the same for every face, so a score depends only on its face.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from prefiqs.embedding.derivatives import derivative_engine
from prefiqs.embedding.embedder import Embedder, batches
from prefiqs.embedding.engines import model_engines
from prefiqs.embedding.vectors import rowwise_cosine
from prefiqs.errors import InputError
from prefiqs.faces.template import FACE_SIZE
from prefiqs.methods._probes import private_copy, with_fixed_weights
from prefiqs.methods._scorer import Scored, Scorer
from prefiqs.models.face_model import FaceModel


def scorer(
    model: FaceModel,
    k: int = 10,
    iterations: int = 5,
    epsilon: float = 0.001,
    p: float = 5,
    seed: int = 0,
    device: str = "auto",
) -> Scorer:
    """Quality of n aligned faces, float32 n in [−1, 1], higher = better.

    k: number of noisy copies of each face. iterations: l, how often their similarity is measured. epsilon: size of the
    initial noise and of each step, as a share of the pixel range, in (0, 1). p: exponent. seed: of the initial noise.
    """
    own = private_copy(model, "faceqan", device)
    if k < 1 or iterations < 1 or not 0 < epsilon < 1 or not p > 0:
        raise InputError("FaceQAN needs k and iterations of at least 1, epsilon in (0, 1) and p > 0, not "
                         f"k={k}, iterations={iterations}, epsilon={epsilon}, p={p}.")  # fmt: skip
    both = Embedder([(model, "plain"), (model, "mirrored")], device=device)
    (embed,) = model_engines([own], 1 + k)
    step = derivative_engine(embeddings_and_gradient(own), own.device, 1 + k, "FaceQAN")
    spec = own.input_spec
    unit = 255 / spec.std  # the pixel range, as the network sees it
    drawn = np.random.default_rng(seed).uniform(-epsilon, epsilon, (k, 3, FACE_SIZE, FACE_SIZE))
    noise = torch.from_numpy((unit * drawn).astype(np.float32)).to(own.device)

    def within_range(noisy: Tensor) -> Tensor:
        return noisy.clamp((-255 - spec.mean) / spec.std, (255 - spec.mean) / spec.std)

    def score(images: np.ndarray) -> Scored:
        symmetry = rowwise_cosine(*both(images))
        scores = np.empty(len(images))
        for i, face in enumerate(batches(images, 1)):
            clean = own.prepare(face)
            noisy = within_range(clean + noise)
            similarities = []
            for _ in range(iterations - 1):
                embeddings, gradient = step(torch.cat([clean, noisy]))
                similarities.append(rowwise_cosine(embeddings[:1], embeddings[1:]))
                noisy = within_range(noisy + epsilon * unit * torch.from_numpy(gradient).to(own.device).sign())
            (embeddings,) = embed(torch.cat([clean, noisy]))
            similarities.append(rowwise_cosine(embeddings[:1], embeddings[1:]))
            scores[i] = (1 + np.mean(similarities)) / 2 * np.clip(1 - np.std(similarities), 0, 1) * symmetry[i]
        return Scored(np.sign(scores) * np.abs(scores) ** p)

    return score


def embeddings_and_gradient(model: FaceModel) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """A function that maps a prepared face and its k noisy copies to their embeddings, (1 + k)×d, and the gradient of
    1 − cosine similarity with respect to each copy, k×3×112×112."""
    forward = with_fixed_weights(model)

    def function(prepared: Tensor) -> tuple[Tensor, Tensor]:
        clean = forward(prepared[:1].detach())
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):  # fused attention has no graph for the CPU engine
            noisy = prepared[1:].detach().requires_grad_()
            embeddings = forward(noisy)
            distance = 1 - torch.nn.functional.cosine_similarity(clean, embeddings)
            (gradient,) = torch.autograd.grad(distance.sum(), noisy)
        return torch.cat([clean, embeddings.detach()]), gradient

    return function
