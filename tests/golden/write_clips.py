"""Writes clips.json, what the generator made when the held-out set was first scored.

    PYTHONPATH=. python tests/golden/write_clips.py

Run it only to begin a new held-out set: scores of `nano` before and after cannot be compared.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vos.synth.clips import Clips, generate_clips

GOLDEN = Path(__file__).with_name("clips.json")
HELD_OUT_SEED = 20_260_101
CALLS = ((4, 6, 64, 3), (2, 3, 50, 7), (4, 1, 96, 64), (1, 16, 128, HELD_OUT_SEED))
"""(batch, frames, size, seed): clips, an odd size, stills, the held-out set."""


def thumbnails(clips: Clips) -> list[int]:
    """The first and last frame of every clip at 4 x 4 pixels."""
    ends = clips.frames[:, [0, -1]].flatten(0, 1).float()
    small: Tensor = F.adaptive_avg_pool2d(ends, 4)
    return [round(v) for v in small.flatten().tolist()]


def areas(clips: Clips) -> list[int]:
    """Pixels of the target in every frame of every clip."""
    return clips.masks.flatten(2).sum(-1).flatten().tolist()


def sha256(clips: Clips) -> str:
    """Of all bytes. Other processors round otherwise."""
    digest = hashlib.sha256()
    for part in (clips.frames, clips.masks, clips.labels):
        digest.update(part.numpy().tobytes())
    return digest.hexdigest()


def environment() -> str:
    """Where the bytes, and not just the pictures, must be the same."""
    info = Path("/proc/cpuinfo")
    names = info.read_text().splitlines() if info.exists() else []
    cpu = next((x.partition(":")[2].strip() for x in names if x.startswith("model name")), "")
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{cpu}; {capability}; torch {torch.__version__}; {torch.get_num_threads()} threads"


def main() -> None:
    rows = []
    for call in CALLS:
        clips = generate_clips(*call)
        rows.append(
            {
                "call": call,
                "thumbnails": thumbnails(clips),
                "areas": areas(clips),
                "sha256": sha256(clips),
            }
        )
    GOLDEN.write_text(json.dumps({"environment": environment(), "rows": rows}) + "\n")


if __name__ == "__main__":
    main()
