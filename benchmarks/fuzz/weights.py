"""Damaged weights of models and of refiners."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.fuzz.case import Command
from benchmarks.fuzz.damage import Damage, spoil_bytes, spoil_safetensors
from benchmarks.fuzz.good_files import BOX, GoodFiles

_TRACK = ["track", "clip.mp4", "--box", BOX, "--end", "2f", "--device", "cpu", "-q", "-o", "out"]


def _shipped(name: str) -> bytes:
    import vos

    return (Path(vos.__file__).parent / "weights" / name).read_bytes()


def _pickled(good: GoodFiles, *, is_old: bool) -> bytes:
    """Return nano's weights as torch writes them, in the old or the new layout."""
    import torch
    from safetensors.torch import load

    path = good.root / f"nano-{'old' if is_old else 'new'}.pt"
    if not path.exists():
        state = load(_shipped("nano.safetensors"))
        torch.save({"model": state}, path, _use_new_zipfile_serialization=not is_old)
    return path.read_bytes()


def weights(good: GoodFiles, folder: Path, damage: Damage) -> Command:
    """Track with damaged weights of a model, as safetensors or as a pickle."""
    shutil.copy(good.clip, folder / "clip.mp4")
    what = damage.chance.random()
    if what < 0.4 or damage.is_off:
        name = "w.safetensors"
        data = damage.to(_shipped("nano.safetensors"), spoil_safetensors)
    else:
        name = "w.pt"
        data = damage.to(_pickled(good, is_old=what < 0.7), spoil_bytes)
    (folder / name).write_bytes(data)
    return Command([*_TRACK, "--model", f"./{name}", "--refiner", "none"], "out")


def refiners(good: GoodFiles, folder: Path, damage: Damage) -> Command:
    """Track with a damaged refiner."""
    shutil.copy(good.clip, folder / "clip.mp4")
    data = damage.to(_shipped("nano-refiner.safetensors"), spoil_safetensors)
    (folder / "r.safetensors").write_bytes(data)
    return Command([*_TRACK, "--model", "nano", "--refiner", "r.safetensors"], "out")
