"""A result of `vos track` opened for looking at and for correcting. No torch here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vos.errors import InputError, OutputError
from vos.io.edits import EditStore
from vos.io.manifest import (
    MANIFEST_NAME,
    edits_in_force,
    fingerprint_input,
    is_input,
    read_manifest,
)
from vos.io.mask_png import read_label_png
from vos.io.output_folder import part_of
from vos.io.paths import display_name
from vos.io.source import Source, open_source, video_frame_name
from vos.io.stats_file import ObjectSeries, StatsFile
from vos.prompt_file import load_names
from vos.prompts import Prompt, load_prompts
from vos.suspicious import Suspicion, suspicious_spans
from vos_cli.parts import OVERLAY_NAME
from vos_cli.tracking import PROMPTS_NAME

STATS_NAME, MASKS_NAME = "stats.jsonl", "masks"
_PARAMETERS = {
    "prompts",
    "direction",
    "save",
    "refiner",
    "refiner_sha256",
    "policy",
    "dtype",
    "exact",
    "compile",
    "size_px",
    "pool_memory",
    "decoder",
}
"""What a track is made again from."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a finished track left, as it is now. Made with `open_result`; made anew after a change.

    path: the folder. manifest: its content. source: the open input. frames: indices of the frames
    that have a mask. prompts: all of them, corrections included. names: what objects are called.
    """

    path: Path
    manifest: Mapping[str, Any]
    source: Source
    frames: range
    prompts: tuple[Prompt, ...]
    names: Mapping[int, str]
    stats: StatsFile

    def timeline(self) -> dict[int, ObjectSeries]:
        """Area, predicted IoU and object score over time, by object id."""
        return self.stats.series()

    def suspicious(self) -> list[Suspicion]:
        """Spans to look at, in order."""
        prompted = self.prompted_frames()
        return suspicious_spans(self.timeline(), prompted=prompted, cuts=self.cuts)

    @property
    def cuts(self) -> list[int]:
        """The first frame of each scene but the first, as far as anybody looked."""
        return list(self.manifest.get("scene_cuts") or ())

    def prompted_frames(self) -> dict[int, set[int]]:
        """By object id."""
        frames: dict[int, set[int]] = {}
        for prompt in self.prompts:
            frames.setdefault(prompt.object_id, set()).add(prompt.frame_idx)
        return frames

    def history(self) -> list[dict[str, Any]]:
        """The manifest's entries, oldest first; an undone correction stays, an undo follows."""
        return list(self.manifest.get("history", ()))

    def corrections(self) -> list[dict[str, Any]]:
        """The entries that are in force; `undo` takes back the last one."""
        return edits_in_force(self.manifest)

    def name(self, frame_idx: int) -> str:
        """The stem of the frame's files."""
        names = self.source.info.names
        return video_frame_name(frame_idx) if names is None else names[frame_idx]

    def mask_path(self, frame_idx: int) -> Path:
        return self.path / MASKS_NAME / f"{self.name(frame_idx)}.png"

    def labels(self, frame_idx: int) -> np.ndarray:
        """The label map, uint8 H x W of object ids. Raises InputError where it is damaged."""
        return read_label_png(self.mask_path(frame_idx))

    @property
    def has_overlay(self) -> bool:
        return "overlay" in self.manifest["parameters"]["save"]

    @property
    def is_overlay_stale(self) -> bool:
        """Whether the overlay video shows masks from before the last change."""
        return OVERLAY_NAME in self.manifest.get("stale", ())


def open_result(path: Path, *, source: str | None = None) -> Result:
    """Look at what is there; a change that was cut short is undone or finished first.

    source: the input, where it is not where the manifest says.

    Raises:
        OutputError: no result of `vos track`, an interrupted one, or one without masks or stats.
        InputError: the input is not there or is another one. BusyError: another command is
        changing it.
    """
    path = path.resolve()
    name = display_name(path)
    if not path.is_dir():
        if part_of(path).is_dir():
            raise _interrupted(name)
        raise OutputError(f"{name}: no such result; give a folder that `vos track` has made")
    EditStore(path).recover()
    manifest = read_manifest(path)
    if manifest is None:
        if path.name.endswith(".part") and path.name.startswith("."):
            raise _interrupted(name)
        raise OutputError(
            f"{name}: no result of `vos track` (no {MANIFEST_NAME} in it); give a folder that it "
            "has made"
        )
    if unknown := sorted(_PARAMETERS - manifest["parameters"].keys()):
        raise OutputError(
            f"{name}: made by another version of vos (its manifest lacks {', '.join(unknown)}); "
            "track again to correct it"
        )
    if manifest["model_sha256"] is None:
        raise OutputError(f"{name}: made without a model, so there is nothing to correct")
    missing = {"masks", "stats"} - set(manifest["parameters"]["save"])
    if missing:
        raise OutputError(
            f"{name}: has no {' and no '.join(sorted(missing))}, which correcting needs; track "
            "again with --save masks,stats,overlay"
        )
    opened = open_source(
        _find_input(path, manifest, source), decoder=manifest["parameters"]["decoder"]
    )
    return Result(
        path=path,
        manifest=manifest,
        source=opened,
        frames=_frames(path, opened),
        prompts=tuple(load_prompts(path / PROMPTS_NAME, size_hw=opened.info.size_hw)),
        names=load_names(path / PROMPTS_NAME),
        stats=StatsFile(path / STATS_NAME),
    )


def _interrupted(name: str) -> OutputError:
    return OutputError(
        f"{name}: is an interrupted track; the same `vos track` command continues it, and then it "
        "can be corrected"
    )


def _find_input(path: Path, manifest: Mapping[str, Any], given: str | None) -> str:
    """The input's path, checked to be what was tracked."""
    wanted = manifest["input"]
    beside = path.parent / wanted["name"]
    recorded = manifest.get("source")
    candidates = [os.path.normpath(path / recorded)] if recorded is not None else []
    candidates.append(str(beside))
    for candidate in [given] if given is not None else candidates:
        try:
            found = fingerprint_input(Path(candidate))
        except InputError:
            continue
        if is_input(manifest, found):
            return candidate
        if given is not None:
            raise InputError(
                f"{display_name(given)}: is not the input of this result, which is "
                f"{display_name(wanted['name'])} of {wanted['size_bytes']} bytes; give that one"
            )
    where = given if given is not None else candidates[0]
    raise InputError(
        f"{display_name(where)}: the input of this result is not there, or changed; say where it "
        "is with --input"
    )


def _frames(path: Path, source: Source) -> range:
    """The frames that have a mask: one run without gaps."""
    stems = {entry.stem for entry in (path / MASKS_NAME).glob("*.png")}
    names = source.info.names
    if names is None:
        indices = sorted(int(stem) for stem in stems if stem.isdecimal())
    else:
        indices = [index for index, name in enumerate(names) if name in stems]
    if not indices or indices[-1] - indices[0] + 1 != len(indices):
        raise OutputError(
            f"{display_name(path)}: masks are missing; a result has one per frame: track again"
        )
    return range(indices[0], indices[-1] + 1)
