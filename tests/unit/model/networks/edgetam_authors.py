"""Runs EdgeTAM's own code, a program of its own: its package is called `sam2` as Meta's is.

python edgetam_authors.py PACKAGE WEIGHTS FRAMES SIZE OUT: writes logits by frame index.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any


def main(package: str, weights: str, frames: str, size: str, out: str) -> None:
    sys.path.insert(0, package)
    import numpy as np
    import torch

    predictor = build(Path(package), int(size))
    state = torch.load(weights, map_location="cpu", weights_only=True)["model"]
    predictor.load_state_dict(state, strict=True)
    inference = predictor.init_state(frames)
    box = np.array([30.0, 20.0, 90.5, 70.0], dtype=np.float32)
    predictor.add_new_points_or_box(inference, 0, 1, box=box)
    logits = {
        index: found[0, 0].clone() for index, _ids, found in predictor.propagate_in_video(inference)
    }
    torch.save(logits, Path(out))


def build(package: Path, size: int) -> Any:
    """The package's predictor from its own config; its trunk must not fetch weights."""
    from hydra.utils import instantiate
    from omegaconf import OmegaConf
    from sam2.modeling.backbones import timm as trunks
    from sam2.modeling.sam import transformer

    # Its own fallback, as SAM 2's later code has it always: otherwise a CPU rounds differently.
    transformer.ALLOW_ALL_KERNELS = True
    make = trunks.create_model
    trunks.create_model = lambda name, pretrained, **extra: partial(make, pretrained=False)(
        name, **extra
    )
    config = OmegaConf.load(package / "sam2/configs/edgetam.yaml").model
    config._target_ = "sam2.sam2_video_predictor.SAM2VideoPredictor"
    config.image_size = size
    config.memory_attention.layer.cross_attention.q_sizes = [size // 16, size // 16]
    config.binarize_mask_from_pts_for_mem_enc = True
    config.sam_mask_decoder_extra_args = {
        "dynamic_multimask_via_stability": True,
        "dynamic_multimask_stability_delta": 0.05,
        "dynamic_multimask_stability_thresh": 0.98,
    }
    return instantiate(config, _recursive_=True).eval()


if __name__ == "__main__":
    main(*sys.argv[1:])
