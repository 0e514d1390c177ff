"""Small random networks of timm, PyTorch Image Models: no weights are fetched."""

from __future__ import annotations

from typing import Any

import timm
from foreign_cases import Case, Make, randn
from torch import nn

CLASSES = 3


def listed(name: str, size: int = 32, **options: Any) -> Make:
    """A network of timm's own list, on images of this size."""
    return lambda: Case(timm.create_model(name, pretrained=False, num_classes=CLASSES, **options), image(size))


def with_tables(name: str, size: int) -> Make:
    """Such a network with tables of relative positions, modules that are never called: they can be no sites."""
    sites = {"sites": [nn.Linear, nn.Conv2d]}
    return lambda: Case(
        timm.create_model(name, pretrained=False, num_classes=CLASSES, img_size=size),
        image(size),
        options=sites,
        said="sites=[nn.Linear, nn.Conv2d]",
    )


def built(kind: Any, size: int = 32, **options: Any) -> Make:
    """A network of this class, smaller than those in the list."""
    return lambda: Case(kind(num_classes=CLASSES, **options), image(size))


def image(size: int) -> Any:
    return randn(2, 3, size, size)


CASES: dict[str, Make] = {
    "ResNet": listed("test_resnet"),
    "NFNet, standardised weights": listed("test_nfnet"),
    "EfficientNet": listed("test_efficientnet"),
    "EfficientNet with LayerNorm2d": listed("test_efficientnet_ln"),
    "BYOBNet": listed("test_byobnet"),
    "DenseNet": built(timm.models.DenseNet, growth_rate=4, block_config=(2, 2)),
    "MobileNetV3": listed("mobilenetv3_small_050"),
    "GhostNet": built(timm.models.GhostNet, cfgs=[[[3, 8, 8, 0, 1]], [[3, 16, 8, 0.25, 2]]], width=0.5),
    "ConvNeXt": listed("test_convnext"),
    "MambaOut": listed("test_mambaout"),
    "MLP-Mixer": built(timm.models.MlpMixer, img_size=32, patch_size=8, num_blocks=2, embed_dim=16),
    "ViT": listed("test_vit", img_size=32),
    "ViT with registers and layer scale": listed("test_vit3", img_size=32),
    "ViT, relative positions": listed("test_vit_relpos", img_size=32),
    "Swin": built(
        timm.models.SwinTransformer,
        img_size=32,
        patch_size=2,
        window_size=4,
        embed_dim=8,
        depths=(2, 2),
        num_heads=(2, 2),
    ),
    "CoAtNet": with_tables("test_coatnet", 32),
    "MaxViT": with_tables("test_maxvit", 64),
    "PoolFormer": built(timm.models.MetaFormer, depths=(1, 1), dims=(8, 16)),
    "CaiT": built(timm.models.Cait, img_size=32, patch_size=8, embed_dim=16, depth=2, num_heads=2),
}
