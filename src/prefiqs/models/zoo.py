"""The registry of FR networks: one card a network, with what a user must know before using its weights."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from prefiqs.assets.registry import ASSETS
from prefiqs.models import sface
from prefiqs.models.checkpoints import PLAIN, Layout, load_strictly, read_backbone
from prefiqs.models.face_model import ARCFACE_INPUT, FaceModel, InputSpec
from prefiqs.models.graph import GRAPH_INPUT, GraphModel
from prefiqs.models.iresnet import IR, IR_LAYERS, IRESNET_LAYERS, IResNet
from prefiqs.models.vit import ViT, ViTFiqa


@dataclass(frozen=True)
class ModelCard:
    """One FR network.

    Attributes:
        name: what users call it.
        description: what it is, in one line.
        source: where its authors give out the weights, and which file.
        licence: of the weights.
        network: builds it without weights, given `name` and `input_spec`; None for a finished graph.
        input_spec: how it wants its pixels.
        embedding_size: length of its embeddings; None if only the file knows.
        layouts: the forms in which its checkpoints name their tensors, tried in this order.
        asset: name of the weights in `prefiqs.assets.registry.ASSETS`; None if the user puts the file in place.
        seen: benchmarks whose images it was trained on, where this is known to hold; results on them are marked.
    """

    name: str
    description: str
    source: str
    licence: str
    network: Callable[..., FaceModel] | None
    input_spec: InputSpec = ARCFACE_INPUT
    embedding_size: int | None = 512
    layouts: tuple[Layout, ...] = (PLAIN,)
    asset: str | None = None
    seen: tuple[str, ...] = ()

    def load(self, path: Path) -> FaceModel:
        """The network with the weights of a file, on the CPU; `InputError` for a file that does not fit."""
        if self.network is None:
            return GraphModel(self.name, self.input_spec, path)
        state = read_backbone(path, self.layouts)
        with torch.device("meta"):  # weights that are about to be replaced need neither time nor random numbers
            model = self.network(name=self.name, input_spec=self.input_spec)
        load_strictly(model.to_empty(device="cpu"), state, path)
        return model


def _fetched(name: str, description: str, network: Callable[..., FaceModel] | None, **more: Any) -> ModelCard:
    """A card whose source and licence are those of the asset of its name."""
    asset = ASSETS[name]
    return ModelCard(name, description, str(asset.sources[0]), asset.licence, network, asset=name, **more)


_BGR = InputSpec("bgr", mean=127.5, std=127.5)
_MAGFACE_INPUT = InputSpec("bgr", mean=0, std=255)

# Keys beside the backbone's are class centres of the training loss; the mask token hides patches in training.
_MAGFACE_LAYOUTS = (Layout("features.module.", ("fc.", "parallel_fc.")), Layout("module.features.", ("module.fc.",)),
                    PLAIN)  # fmt: skip
_ADAFACE_LAYOUTS = (Layout("model.", ("head.",)), PLAIN)
_VIT_LAYOUTS = (Layout("", ("mask_token",)),)
_CVLFACE_LAYOUTS = tuple(Layout(prefix, (f"{prefix}mask_token",)) for prefix in ("model.net.", "net.", ""))

_INSIGHTFACE = "https://github.com/deepinsight/insightface/tree/master/recognition/arcface_torch (Model Zoo)"
_ADAFACE = "https://github.com/mk-minchul/AdaFace (Pretrained Models)"
_VIT_FIQA = "https://github.com/atzoriandrea/ViT-FIQA-Assessing-Face-Image-Quality-using-Vision-Transformers"
_RESEARCH = "non-commercial research only"
_NON_COMMERCIAL = "CC BY-NC-SA 4.0"
_REPOSITORY_MIT = "MIT (repository; not stated for the weights)"
_CVLFACE_LICENCE = f"as the training data (WebFace4M): {_RESEARCH}"

_CARDS = (
    _fetched("sface", "SFace, MobileNet-v1 backbone (OpenCV Zoo)", sface.SFace, input_spec=sface.INPUT,
             embedding_size=128, layouts=(sface.ONNX_LAYOUT, PLAIN)),
    _fetched("vit-prefiqs", "small ViT-FIQA (T), distilled from sface on LFW by this project (training/)",
             partial(ViTFiqa, quality_token=True, patch=14, width=128, depth=12, heads=4, embedding_size=128),
             embedding_size=128, layouts=_VIT_LAYOUTS, seen=("lfw", "xqlfw")),
    _fetched("mobilefacenet-512", "MobileFaceNet, ONNX", None, input_spec=GRAPH_INPUT),
    _fetched("mobilefacenet-192", "MobileFaceNet, TFLite", None, input_spec=GRAPH_INPUT, embedding_size=192),
    *(ModelCard(f"iresnet{number}", f"ArcFace, IResNet-{number} (insightface)",
                f"{_INSIGHTFACE}, backbone.pth or model.pt of an r{number}", _RESEARCH, partial(IResNet, layers))
      for number, layers in IRESNET_LAYERS.items()),
    ModelCard("elasticface", "ElasticFace-Arc, IResNet-100",
              "https://github.com/fdbtrs/ElasticFace (ElasticFace-Arc), 295672backbone.pth", _NON_COMMERCIAL,
              partial(IResNet, IRESNET_LAYERS[100])),
    ModelCard("magface", "MagFace, IResNet-100",
              "https://github.com/IrvingMeng/MagFace (Model Zoo, iResNet100), magface_epoch_00025.pth",
              _REPOSITORY_MIT, partial(IResNet, IRESNET_LAYERS[100], eps=2e-5), _MAGFACE_INPUT,
              layouts=_MAGFACE_LAYOUTS),
    ModelCard("curricularface", "CurricularFace, IR-101",
              "https://github.com/HuangYG123/CurricularFace (Model), CurricularFace_Backbone.pth",
              _REPOSITORY_MIT, partial(IR, IR_LAYERS[101], inner_norm=False)),
    *(ModelCard(f"adaface-ir{number}", f"AdaFace, IR-{number}", f"{_ADAFACE}, adaface_ir{number}_*.ckpt",
                _REPOSITORY_MIT, partial(IR, layers, inner_norm=True), _BGR, layouts=_ADAFACE_LAYOUTS)
      for number, layers in IR_LAYERS.items()),
    *(ModelCard(f"vit-{size}", f"ViT-{size.upper()} (insightface)",
                f"{_INSIGHTFACE}, backbone.pth or model.pt of a ViT-{size.upper()}", _RESEARCH,
                partial(ViT, patch=9, width=width, depth=depth, heads=8), layouts=_VIT_LAYOUTS)
      for size, width, depth in (("t", 256, 12), ("s", 512, 12), ("b", 512, 24), ("l", 768, 24))),
    ModelCard("cvlface-vit-s", "ViT-S (CVLface)",
              "https://github.com/mk-minchul/CVLface, which lists no weights of this size so far", _CVLFACE_LICENCE,
              partial(ViT, patch=8, width=512, depth=12, heads=8, mlp_ratio=5), layouts=_CVLFACE_LAYOUTS),
    ModelCard("cvlface-vit-b", "AdaFace, ViT-B (CVLface)",
              "https://huggingface.co/minchul/cvlface_adaface_vit_base_webface4m, model.safetensors or "
              "pretrained_model/model.pt", _CVLFACE_LICENCE,
              partial(ViT, patch=8, width=512, depth=24, heads=16, mlp_ratio=3), layouts=_CVLFACE_LAYOUTS),
    *(ModelCard(f"vit-fiqa-{variant}", f"ViT-FIQA ({variant.upper()}), ViT-S with a quality head",
                f"{_VIT_FIQA}, {file}", _NON_COMMERCIAL,
                partial(ViTFiqa, quality_token=variant == "t", patch=9, width=512, depth=12, heads=8),
                layouts=_VIT_LAYOUTS)
      for variant, file in (("t", "vitfiqa_token.pt"), ("c", "vitfiqa_crfiqa.pt"))),
)  # fmt: skip

MODELS: dict[str, ModelCard] = {card.name: card for card in _CARDS}
