"""Quality network: the output of a network that was trained to predict face quality.

Source: that of the network, such as Boutros et al., "CR-FIQA", CVPR 2023, or Chen et al., "LightQNet", IEEE SPL 2021.
The score is the single output of the network, negated if the network is declared as lower = better. Cost: one forward
pass. Most other methods here need no network that was trained for quality.
"""

from prefiqs.embedding.embedder import Embedder
from prefiqs.errors import InputError
from prefiqs.methods._scorer import Scored, Scorer
from prefiqs.models.face_model import FaceModel
from prefiqs.models.onnx_network import OnnxNetwork


def scorer(model: FaceModel, batch_size: int | None = None, device: str = "auto") -> Scorer:
    """Quality of n aligned faces by a quality network, float32 n, unbounded, higher = better."""
    if model.embedding_size != 1:
        raise InputError(f"The method quality-network needs a network with one output per face, but {model.name} "
                         f"has {model.embedding_size}. Use a quality network such as qualityface.")  # fmt: skip
    if isinstance(model, OnnxNetwork):
        raise InputError(f"{model.name} does not say which values are better. Declare it in {model.name}.json beside "
                         'the file: {"colour": …, "mean": …, "std": …, "better": "higher" or "lower"}.')  # fmt: skip
    quality = Embedder([model], batch_size, device)
    return lambda images: Scored(quality(images)[0][:, 0])
