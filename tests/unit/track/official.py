"""The official SAM2VideoPredictor beside our session: same weights, same JPEG folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sam2.sam2_video_predictor import SAM2VideoPredictor

from vos.bench.official import official_predictor
from vos.frame import Frame
from vos.model.networks.published import build_sam2
from vos.model.sam2 import Sam2Model
from vos.prompts import Box, MaskPrompt, Points, Prompt

TINY = "configs/sam2.1/sam2.1_hiera_t.yaml"


@dataclass(frozen=True)
class Pair:
    """The two programs with identical random weights."""

    model: Sam2Model
    predictor: SAM2VideoPredictor


def build_pair(image_size: int, *, config: str = TINY, seed: int = 0) -> Pair:
    torch.manual_seed(seed)
    net = build_sam2(config, image_size=image_size)
    predictor = official_predictor(config, image_size)
    predictor.load_state_dict(net.state_dict())
    return Pair(Sam2Model(net), predictor)


def write_clip(folder: Path, count: int, size_hw: tuple[int, int], seed: int = 0) -> list[Frame]:
    """A panning textured clip as JPEGs named like the official loader wants them."""
    height, width = size_hw
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (height // 8, (width + 2 * count) // 8, 3), dtype=np.uint8)
    wide = Image.fromarray(small).resize((width + 2 * count, height))
    frames = []
    for index in range(count):
        path = folder / f"{index:05d}.jpg"
        wide.crop((2 * index, 0, 2 * index + width, height)).save(path, quality=95)
        image = np.asarray(Image.open(path).convert("RGB"))
        frames.append(Frame(image, Fraction(index, 24), index, path.stem))
    return frames


def ask(predictor: SAM2VideoPredictor, state: dict, prompts: Sequence[Prompt]) -> None:
    """Give our prompts to the official predictor."""
    for prompt in prompts:
        match prompt:
            case Box():
                predictor.add_new_points_or_box(
                    state,
                    prompt.frame_idx,
                    prompt.object_id,
                    box=np.array(prompt.box_xyxy_px, dtype=np.float32),
                )
            case Points():
                predictor.add_new_points_or_box(
                    state,
                    prompt.frame_idx,
                    prompt.object_id,
                    points=np.array(prompt.points_xy_px, dtype=np.float32),
                    labels=np.array(prompt.labels, dtype=np.int32),
                )
            case MaskPrompt():
                predictor.add_new_mask(state, prompt.frame_idx, prompt.object_id, prompt.mask)
            case _:
                raise TypeError(prompt)


def propagate(predictor: SAM2VideoPredictor, state: dict, **options) -> dict[int, torch.Tensor]:
    """Frame index -> logits (objects, h, w) at the video's size, in the order of object slots."""
    return {
        index: logits[:, 0].clone()
        for index, _ids, logits in predictor.propagate_in_video(state, **options)
    }
