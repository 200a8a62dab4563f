"""`SAM2VideoPredictor` on the same weights and frames as a session, one frame at a time."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from sam2.build_sam import build_sam2_video_predictor
from sam2.sam2_video_predictor import SAM2VideoPredictor

from vos.bench.session import Bench, disk_boxes, now
from vos.errors import Parameter, UsageError
from vos.frame import Frame
from vos.model import registry


def official_predictor(
    packaged_config: str,
    image_size: int,
    device: torch.device | str = "cpu",
    *,
    compiled: bool = False,
) -> SAM2VideoPredictor:
    """Build the official predictor with random weights, at this input side in pixels.

    The arguments are those of `build_sam2`.

    compiled: compile every module, as the package itself does it (`vos_optimized`).
    """
    side = image_size // 16
    overrides = [f"++model.image_size={image_size}"] + [
        f"++model.memory_attention.layer.{kind}.feat_sizes=[{side},{side}]"
        for kind in ("self_attention", "cross_attention")
    ]
    with redirect_stdout(sys.stderr):  # it says that it compiles
        predictor = build_sam2_video_predictor(
            packaged_config,
            None,
            device=str(device),
            hydra_overrides_extra=overrides,
            vos_optimized=compiled,
        )
    predictor.fill_hole_area = 0  # its CUDA extension is not in the published package
    return predictor


class Official:
    """The official predictor, after its first frame's prompts. Times frames as `Bench` does.

    Only SAM 2's own sizes can be compared: the package has no configuration for nano.
    """

    def __init__(self, name: str, ours: Bench, folder: Path) -> None:
        """Prompt the predictor on the first frame.

        name: of a registered SAM 2.
        ours: the session it takes turns with, before its first frame.
        folder: the clip's frames as JPEGs.
        """
        entry = registry.REGISTRY.get(name)
        if entry is None or entry.config is None:
            raise UsageError(
                Parameter("vs_sam2"), f" with {name}: give a SAM 2 model, such as sam2.1-tiny"
            )
        model = ours.model
        self.device, self.dtype = model.device, ours.session.dtype
        self._first_timed = ours.timed.start
        self.cpu_s: list[float] = []
        self.wall_s: list[float] = []
        predictor = official_predictor(
            entry.config, model.image_size, model.device, compiled=ours.case.official == "compiled"
        )
        predictor.load_state_dict(model.net.state_dict())
        with self._context():
            state = predictor.init_state(str(folder))
            size_hw = (state["video_height"], state["video_width"])
            for i, box in enumerate(disk_boxes(ours.case.objects, size_hw)):
                predictor.add_new_points_or_box(
                    state, 0, i + 1, box=np.array(box, dtype=np.float32)
                )
        self._frames: Iterator[Any] = predictor.propagate_in_video(state)

    def step(self) -> dict[int, np.ndarray]:
        """Return the next frame's boolean masks per object, at the video's size."""
        cpu, wall = time.process_time(), now(self.device, wall=True)
        with self._context():
            index, ids, logits = next(self._frames)
            masks = (logits[:, 0] > 0).cpu().numpy()
        if index >= self._first_timed:
            self.wall_s.append(now(self.device, wall=True) - wall)
            self.cpu_s.append(time.process_time() - cpu)
        return dict(zip(ids, masks, strict=True))

    @contextmanager
    def _context(self) -> Iterator[None]:
        mixed = self.dtype != torch.float32
        with torch.inference_mode(), torch.autocast(self.device.type, self.dtype, enabled=mixed):
            yield


@contextmanager
def jpeg_folder(frames: Sequence[Frame]) -> Iterator[tuple[Path, list[Frame]]]:
    """Write the frames as the official loader wants them; yield them as they read back."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        read: list[Frame] = []
        for frame in frames:
            path = folder / f"{frame.frame_idx:05d}.jpg"
            Image.fromarray(frame.image).save(path, quality=95)
            read.append(replace(frame, image=np.asarray(Image.open(path))))
        yield folder, read


def agreement(ours: Mapping[int, np.ndarray], theirs: Mapping[int, np.ndarray]) -> float:
    """Return the mean IoU over the objects; two empty masks agree."""
    ious: list[float] = []
    for object_id, mask in ours.items():
        other = theirs[object_id]
        union = int(np.count_nonzero(mask | other))
        ious.append(np.count_nonzero(mask & other) / union if union else 1.0)
    return sum(ious) / len(ious)
