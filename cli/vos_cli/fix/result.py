"""A result of `vos track` opened for looking at and for correcting. No torch here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vos.config import convert
from vos.errors import ConfigError, InputError, OutputError
from vos.io.paths import display_name
from vos.io.read.open import open_source
from vos.io.read.scene_cuts import SceneCuts
from vos.io.read.source import Decoder, Source, video_frame_name
from vos.io.results.edits import EditStore
from vos.io.results.find_input import find_input
from vos.io.results.layout import (
    MASKS_NAME,
    MATTES_NAME,
    OVERLAY_NAME,
    PROMPTS_NAME,
    STATS_NAME,
)
from vos.io.results.manifest import (
    MANIFEST_NAME,
    are_placed,
    edits_in_force,
    is_identity,
    read_manifest,
)
from vos.io.results.unfinished import find_interrupted, read_unfinished
from vos.io.timecode import from_exact_text
from vos.io.write.mask_png import read_label_png
from vos.io.write.mattes import matte_name, read_matte
from vos.io.write.stats_file import ObjectSeries, StatsFile
from vos.model.options import ModelOptions
from vos.prompts import Direction, Prompt
from vos.prompts.absence import Absences, shows
from vos.prompts.file import load_named_prompts
from vos.settings import as_rate
from vos.suspicious import Suspicion, find_suspicious_spans
from vos.weak import find_weak_spans
from vos_cli.console.errors import message
from vos_cli.fix.plan import prompted_frames
from vos_cli.job.job import default_output
from vos_cli.job.resumable import reached

_PARAMETERS: Mapping[str, Any] = {
    "prompts": list[Any],
    "direction": Direction,
    "save": list[str],
    "refiner": str | None,
    "refiner_sha256": str | None,
    "decoder": Decoder,
    **ModelOptions.recorded_types(),
}
"""What a track is made again from, and its types."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a track left, as it is now. Made with `open_result`; made anew after a change.

    path: the folder. manifest: its content. source: the open input. frames: indices of the frames
    that have a mask. prompts: all of them, corrections included. names: what objects are called.
    output: as the user calls it: `path`, or of an interrupted track the folder to be. is_finished:
    else only what an interrupted track had saved is here, to be looked at.
    """

    path: Path
    output: Path
    manifest: Mapping[str, Any]
    source: Source
    frames: range
    prompts: tuple[Prompt, ...]
    names: Mapping[int, str]
    stats: StatsFile
    is_finished: bool = True

    def timeline(self) -> dict[int, ObjectSeries]:
        """Area, predicted IoU and object score over time, by object id."""
        return self.stats.series()

    def suspicious(self) -> list[Suspicion]:
        """Spans to look at, in order. Prompts that only say where an object is not leave in doubt
        whether the rest is right.
        """
        absences = Absences.of(self.prompts)
        said = (one for one in self.prompts if shows(one))
        return find_suspicious_spans(
            self.timeline(),
            prompted=prompted_frames((one.object_id, one.frame_idx) for one in said),
            cuts=self.cuts,
            is_absent=absences.hold,
        )

    def weak(self) -> list[Suspicion]:
        """Spans whose masks the model itself holds for bad, in order."""
        said = ((one.object_id, one.frame_idx) for one in self.prompts if shows(one))
        return find_weak_spans(self.timeline(), prompted=prompted_frames(said))

    @property
    def cuts(self) -> list[int]:
        """The first frame of each scene but the first, as far as anybody looked."""
        return list(self.manifest.get("scene_cuts") or ())

    def prompted_frames(self) -> dict[int, set[int]]:
        """By object id."""
        return prompted_frames((one.object_id, one.frame_idx) for one in self.prompts)

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
    def is_soft(self) -> bool:
        """Whether soft mattes are stored."""
        return MATTES_NAME in self.manifest["parameters"]["save"]

    def matte_path(self, frame_idx: int, object_id: int) -> Path:
        return self.path / MATTES_NAME / matte_name(object_id, self.name(frame_idx))

    def matte(self, frame_idx: int, object_id: int) -> np.ndarray:
        """The soft matte, uint8 H x W, all zero where the object does not exist."""
        path, size_hw = self.matte_path(frame_idx, object_id), self.source.info.size_hw
        return read_matte(path, size_hw) if path.is_file() else np.zeros(size_hw, np.uint8)

    @property
    def has_overlay(self) -> bool:
        return "overlay" in self.manifest["parameters"]["save"]

    @property
    def is_overlay_stale(self) -> bool:
        """Whether the overlay video shows masks from before the last change."""
        return OVERLAY_NAME in self.manifest.get("stale", ())


def open_result(path: Path, *, source: str | None = None, is_only_looking: bool = False) -> Result:
    """Look at what is there; a change that was cut short is undone or finished first.

    path: a result; or one that is interrupted, of which everything up to its last checkpoint is
    shown. source: the input, where it is not where the manifest says. is_only_looking: change
    nothing in it; a change that was cut short is shown as it will be.

    Raises:
        InputError: no such result, or the input is not there or is another one.
        OutputError: no result of `vos track`, or one without masks or stats.
        BusyError: another command is changing it.
    """
    path = path.resolve()
    if (output := find_interrupted(path)) is not None:
        return _open_interrupted(output, source)
    name = display_name(path)
    if path.is_file():
        beside = default_output(str(path))
        is_there = beside.is_dir() or find_interrupted(beside)
        hint = f", here {display_name(beside)}" if is_there else ""
        raise InputError(f"{name}: is a file; give the folder that `vos track` has made{hint}")
    if not path.is_dir():
        raise InputError(f"{name}: no such result; give a folder that `vos track` has made")
    store = EditStore(path)
    if not is_only_looking:
        store.recover()
    manifest = read_manifest(store.locate(MANIFEST_NAME).parent)
    if manifest is None:
        is_there = os.path.lexists(path / MANIFEST_NAME)
        why = "its" if is_there else "no"
        what = "is damaged, or of another version" if is_there else "in it"
        raise OutputError(
            f"{name}: no result of `vos track` ({why} {MANIFEST_NAME} {what}); give a folder that "
            "it has made"
        )
    _check(manifest, name)
    opened = _open_input(path, manifest, source)
    drawn = load_named_prompts(store.locate(PROMPTS_NAME), size_hw=opened.info.size_hw)
    return Result(
        path=path,
        output=path,
        manifest=manifest,
        source=opened,
        frames=_frames(path, opened),
        prompts=drawn.prompts,
        names=drawn.names,
        stats=StatsFile(store.locate(STATS_NAME)),
    )


def _open_interrupted(output: Path, source: str | None) -> Result:
    """As of its last checkpoint: what lies behind that is made again when it is continued."""
    name = display_name(output)
    left = read_unfinished(output)
    if left is not None:
        _check(left.identity, name)
    so_far = None if left is None else reached(left.state)
    if left is None or so_far is None:
        raise OutputError(
            f"{name}: is an interrupted track that has saved no frame yet; the same `vos track` "
            "command continues it, and then it can be corrected"
        )
    manifest = {**left.identity, "source": left.source, "scene_cuts": so_far.cuts}
    opened = _open_input(output, manifest, source)
    drawn = load_named_prompts(left.part / PROMPTS_NAME, size_hw=opened.info.size_hw)
    return Result(
        path=left.part,
        output=output,
        manifest=manifest,
        source=opened,
        frames=_frames(left.part, opened, so_far.next_idx),
        prompts=drawn.prompts,
        names=drawn.names,
        stats=StatsFile(left.part / STATS_NAME, so_far.stats_bytes),
        is_finished=False,
    )


def _check(manifest: Mapping[str, Any], name: str) -> None:
    """Raises OutputError unless it has all that correcting needs."""
    parameters = manifest.get("parameters", {})
    if unknown := sorted(_PARAMETERS.keys() - parameters.keys()):
        raise OutputError(
            f"{name}: made by another version of vos (its manifest lacks {', '.join(unknown)}); "
            "track again to correct it"
        )
    try:
        if not is_identity(manifest):
            raise ValueError("it does not say what was tracked")
        for key, hint in _PARAMETERS.items():
            convert(hint, parameters[key], key)
        ModelOptions().with_parameters(parameters)
        for key in ("start", "end"):
            if parameters.get(key) is not None:
                from_exact_text(convert(str, parameters[key], key))
        convert(SceneCuts, parameters.get("scene_cuts", "off"), "scene_cuts")
        if "rate" in parameters:
            as_rate(parameters["rate"], "rate")
        if not are_placed(parameters["prompts"]):
            raise ValueError("prompts are not placed")
    except (ConfigError, ValueError, ArithmeticError) as error:
        raise OutputError(
            f"{name}: its {MANIFEST_NAME} is damaged ({error}); track again to correct it"
        ) from error
    if manifest["model_sha256"] is None:
        raise OutputError(f"{name}: made without a model, so there is nothing to correct")
    missing = {"masks", "stats"} - set(manifest["parameters"]["save"])
    if missing:
        raise OutputError(
            f"{name}: has no {' and no '.join(sorted(missing))}, which correcting needs; track "
            "again with --save masks,stats,overlay"
        )


def _open_input(path: Path, manifest: Mapping[str, Any], given: str | None) -> Source:
    was = manifest["parameters"]
    try:
        found = find_input(path, manifest, given)
    except InputError as error:
        raise InputError(message(error)) from error
    return open_source(found, decoder=was["decoder"], rate=was.get("rate"))


def _frames(path: Path, source: Source, end: int | None = None) -> range:
    """The frames before `end` that have a mask: one run without gaps."""
    stems = {entry.stem for entry in (path / MASKS_NAME).glob("*.png")}
    names = source.info.names
    if names is None:
        indices = sorted(int(stem) for stem in stems if stem.isdecimal())
    else:
        indices = [index for index, name in enumerate(names) if name in stems]
    if end is not None:
        indices = [index for index in indices if index < end]
    if not indices or indices[-1] - indices[0] + 1 != len(indices):
        raise OutputError(
            f"{display_name(path)}: masks are missing; a result has one per frame: track again"
        )
    return range(indices[0], indices[-1] + 1)
