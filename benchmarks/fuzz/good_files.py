"""The good files that damage starts from, made once."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

BOX = "20,16,52,48"
SIDE_PX = 64

_CODECS = {
    "clip.mp4": ("libx264", "yuv420p"),
    "clip.mkv": ("libx264", "yuv420p"),
    "clip.ts": ("libx264", "yuv420p"),
    "clip.avi": ("mpeg4", "yuv420p"),
    "clip.mov": ("mjpeg", "yuvj420p"),
    "clip.webm": ("libvpx-vp9", "yuv420p"),
    "ffv1.mkv": ("ffv1", "yuv420p"),
    "clip.gif": ("gif", "rgb8"),
    "clip.y4m": ("wrapped_avframe", "yuv420p"),
}


def draw(index: int) -> np.ndarray:
    """Draw a bright square that moves right one pixel a frame; uint8 H x W x 3."""
    image = np.full((64, 96, 3), (40, 60, 40), np.uint8)
    image[16:48, 20 + index : 52 + index] = (230, 120, 60)
    return image


def encode_clip(path: Path, codec: str, pixels: str, frames: int = 10) -> Path:
    """Write the moving square as a video; the name says the container."""
    kind = "yuv4mpegpipe" if path.suffix == ".y4m" else None
    with av.open(str(path), "w", format=kind) as container:
        stream: Any = container.add_stream(codec, rate=24)
        stream.width, stream.height, stream.pix_fmt = 96, 64, pixels
        for index in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(draw(index), "rgb24")))
        container.mux(stream.encode())
    return path


class GoodFiles:
    """The good files of one fuzz run, each made when a kind first asks for it.

    root: the temporary folder that holds them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clip = encode_clip(root / "clip.mp4", *_CODECS["clip.mp4"])

    @cached_property
    def videos(self) -> list[Path]:
        """The same clip in every container and codec."""
        others = [name for name in _CODECS if name != "clip.mp4"]
        return [self.clip, *(encode_clip(self.root / name, *_CODECS[name]) for name in others)]

    @cached_property
    def mask(self) -> bytes:
        """An indexed mask of the square."""
        mask = Image.fromarray((draw(0)[..., 0] > 100).astype(np.uint8))
        mask.putpalette([0, 0, 0, 128, 0, 0])
        mask.save(self.root / "mask.png")
        return (self.root / "mask.png").read_bytes()

    @cached_property
    def prompts(self) -> bytes:
        """A prompt file with a box and a point."""
        about = {"object_id": 1, "frame_idx": 0}
        box = {**about, "type": "box", "box_xyxy_px": [20, 16, 52, 48]}
        points = {**about, "type": "points", "points_xy_px": [[30, 30]], "labels": [1]}
        prompts = {"schema": 1, "size_hw": [64, 96], "names": {"1": "a"}, "prompts": [box, points]}
        return json.dumps(prompts).encode()

    @cached_property
    def done(self) -> Path:
        """A result of nano with two corrections, its clip beside it."""
        folder = self._beside_clip("done-case")
        self.run(["track", "clip.mp4", "--box", BOX, *NANO, "-q", "-o", "done"], folder)
        for box in ("24,16,56,48@4", "26,16,58,48@6"):
            self.run(["fix", "done", "--box", f"1:{box}", "--device", "cpu", "-q"], folder)
        return folder

    @cached_property
    def older(self) -> Path:
        """A result of the null model with another prompt, its clip beside it."""
        folder = self._beside_clip("older-case")
        null = ["--model", "null", "-q", "-o", "out"]
        self.run(["track", "clip.mp4", "--box", "4,4,30,30", *null], folder)
        return folder

    @cache  # noqa: B019 - one object lives as long as the program
    def interrupted(self, model: str) -> Path:
        """Return the folder of a clip and of `.half.part`, which an interrupted track left."""
        folder = self._beside_clip(f"half-{model}")
        code = self.run(half_track(model), folder, prepare=stop_at_frame, expected=130)
        assert (folder / ".half.part/.resume").is_dir(), code
        return folder

    @cached_property
    def batch(self) -> Path:
        """A finished batch of one clip."""
        folder = self._beside_clip("batch-case")
        (folder / "rows.csv").write_text(f'source,box,name\nclip.mp4,"{BOX}",a\n')
        self.run(BATCH, folder)
        return folder

    @cached_property
    def training(self) -> Path:
        """A finished training of a refiner, with the YAML files that say what it was."""
        folder = self.root / "training"
        folder.mkdir()
        (folder / "r.yaml").write_text(REFINER_YAML)
        (folder / "t.yaml").write_text(TRAIN_YAML)
        self.run(TRAIN, folder)
        return folder

    def _beside_clip(self, name: str) -> Path:
        folder = self.root / name
        folder.mkdir()
        shutil.copy(self.clip, folder / "clip.mp4")
        return folder

    def run(
        self,
        arguments: list[str],
        folder: Path,
        *,
        prepare: Callable[[], None] | None = None,
        expected: int = 0,
    ) -> int:
        """Run a command in a forked process; raise RuntimeError for another end than expected."""
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                from vos_cli.main import run

                os.chdir(folder)
                nowhere = os.open(os.devnull, os.O_RDWR)
                os.dup2(nowhere, 1)
                if expected:
                    os.dup2(nowhere, 2)
                if prepare is not None:
                    prepare()
                code = run(arguments)
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code != expected:
            raise RuntimeError(f"vos {' '.join(arguments)} ended with {code}")
        return code


NANO = ["--model", "nano", "--refiner", "none", "--device", "cpu"]
BATCH = ["batch", "rows.csv", "--model", "null", "-o", "out", "--jobs", "1", "--progress", "none"]
TRAIN = ["train", "refiner", "--config", "t.yaml", "--out", "out", "--device", "cpu", "-q"]
REFINER_YAML = """\
kind: sam2refiner
options:
  la: null
  pr: {radius_px: 3.0}
  mr: {features: fpn, out_stride: 1}
"""
TRAIN_YAML = """\
refiner: ./r.yaml
model: nano
image_size_px: 64
steps: 2
batch: 2
warmup_steps: 1
loss: {final_points: 300, points: 100}
eval_every: 100
eval_images: 2
checkpoint_every: 2
"""


def half_track(model: str) -> list[str]:
    """Return the command that was interrupted."""
    which = NANO if model == "nano" else ["--model", model]
    return ["track", "clip.mp4", "--box", BOX, *which, "-q", "-o", "half"]


def stop_at_frame(frame: int = 6) -> None:
    """Let this process be interrupted at a frame, with a checkpoint after each."""
    from vos.io import queues

    os.environ["VOS_CHECKPOINT_S"] = "0"
    real, left = queues.WriteBehind.put, [frame]

    def put(behind: Any, item: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        real(behind, item)

    queues.WriteBehind.put = put  # pyright: ignore[reportAttributeAccessIssue]
