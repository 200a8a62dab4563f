"""Construct published networks with random weights: SAM 2 and 2.1 from sam2's own configs."""

from __future__ import annotations

from typing import Any

import torch
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate
from omegaconf import OmegaConf
from sam2.modeling.sam2_base import SAM2Base
from torch.overrides import TorchFunctionMode

from vos.errors import ModelError, Parameter
from vos.model import registry
from vos.model.files.weights import EDGETAM, EFFICIENTTAM_WIDTHS
from vos.model.networks.edgetam.build import build_edgetam
from vos.model.networks.efficienttam import build_efficienttam

# What `build_sam2_video_predictor(apply_postprocessing=True)` adds to a packaged config, less hole
# filling, which the published package cannot run (its CUDA extension is not shipped).
VIDEO_OVERRIDES = (
    "++model.sam_mask_decoder_extra_args.dynamic_multimask_via_stability=true",
    "++model.sam_mask_decoder_extra_args.dynamic_multimask_stability_delta=0.05",
    "++model.sam_mask_decoder_extra_args.dynamic_multimask_stability_thresh=0.98",
    "++model.binarize_mask_from_pts_for_mem_enc=true",
)


def build_published(architecture: str) -> SAM2Base:
    """Build a published architecture with random weights, at 1024 px.

    architecture: as `infer_architecture` names it, other than "nano", whose sizes are in its file.

    Raises ModelError where the sam2 package has no config of it, or timm is missing.
    """
    width = EFFICIENTTAM_WIDTHS.get(architecture)
    if width is not None:
        return build_efficienttam(width)
    if architecture == EDGETAM:
        return build_edgetam()
    config = registry.get(architecture).config
    if config is None:
        raise ModelError(
            f"{architecture}: no packaged config; use `", Parameter("model", "nano"), "`"
        )
    return build_sam2(config)


def published_shapes(architecture: str) -> dict[str, torch.Size]:
    """Return the shapes of a published architecture's tensors by name; none is allocated.

    Raises ModelError as `build_published`.
    """
    with torch.device("meta"), _RealSequences():
        net = build_published(architecture)
    return {name: tensor.shape for name, tensor in net.state_dict().items()}


class _RealSequences(TorchFunctionMode):
    """Makes `torch.linspace` on the CPU whatever the device: Hiera reads its values."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.linspace:
            kwargs.setdefault("device", "cpu")
        return func(*args, **kwargs)


def build_sam2(packaged_config: str, *, image_size: int = 1024) -> SAM2Base:
    """Build SAM 2 with random weights from a config of the sam2 package, in eval mode.

    packaged_config: e.g. "configs/sam2.1/sam2.1_hiera_t.yaml". image_size: input side in pixels, a
    multiple of 32; everything but 1024 changes results and is meant for tests and low-cost presets.
    """
    side = image_size // 16
    overrides = [*VIDEO_OVERRIDES, f"++model.image_size={image_size}"]
    for kind in ("self_attention", "cross_attention"):
        overrides.append(f"++model.memory_attention.layer.{kind}.feat_sizes=[{side},{side}]")
    if not GlobalHydra.instance().is_initialized():
        initialize_config_module("sam2", version_base="1.2")
    config = compose(config_name=packaged_config, overrides=overrides)
    OmegaConf.resolve(config)
    return instantiate(config.model, _recursive_=True).eval()
