"""A finished result, opened for delivery: masks in the order of frames, and what is known of them.

The input is opened where it is there: a matte alone needs it not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vos.bounded import read_json
from vos.errors import InputError, OutputError, UsageError, VosError
from vos.io.paths import display_name
from vos.io.read.open import open_source
from vos.io.read.scan import scan_video
from vos.io.read.source import Source
from vos.io.results.edits import EditStore
from vos.io.results.find_input import find_input
from vos.io.results.layout import MASKS_NAME, MATTES_NAME, PROMPTS_NAME, STATS_NAME
from vos.io.results.manifest import MANIFEST_NAME, are_placed, find_found, read_manifest
from vos.io.timecode import parse_rate
from vos.io.write.mask_png import open_mask, read_label_png
from vos.io.write.mattes import matte_name, read_matte
from vos.io.write.stats_file import StatsFile

_USUAL_RATES = (
    *(Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30)),
    *(Fraction(48), Fraction(50), Fraction(60000, 1001), Fraction(60), Fraction(120)),
)
_VFR_TOLERANCE, _VFR_TICK_S = 0.05, 0.002
_MOST_NAME_CHARACTERS = 1000
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f*?<>|:\"%/\\]+")  # by shells, Windows and `%04d`


@dataclass(frozen=True, slots=True)
class FinishedResult:
    """A finished result as it is now.

    path: its folder.
    manifest: its content.
    source: the input; None where it is not there any more.
    absent: why the source is None.
    masks: the frames that have a mask, without gaps, and the file of each.
    frame_count: how many frames the clip has, as far as anybody knows.
    size_hw: of the masks.
    names: what objects are called, those with a name only.
    objects: ids of all objects, ascending.
    stats: numbers per frame and object; None where they were not saved.
    is_vfr: whether frame intervals vary.
    rate: frames per second on average; None where nobody knows.
    """

    path: Path
    manifest: Mapping[str, Any]
    source: Source | None
    absent: VosError | None
    masks: Mapping[int, Path]
    frame_count: int
    size_hw: tuple[int, int]
    names: Mapping[int, str]
    objects: tuple[int, ...]
    stats: StatsFile | None
    is_vfr: bool
    rate: Fraction | None

    @property
    def clip(self) -> str:
        """Return what the clip is called in file names: a video without its ending."""
        name = self.manifest["input"]["name"]
        is_file = self.source is None or self.source.info.kind != "images"
        stem = Path(name).stem if is_file else name
        return _NOT_IN_NAMES.sub("_", stem).lstrip(".") or "clip"

    def label_map(self, frame_idx: int) -> np.ndarray:
        """Read the label map of a frame, uint8 H x W, all zero where it has no mask.

        Raises InputError where it is damaged or was given another size.
        """
        path = self.masks.get(frame_idx)
        if path is None:
            return np.zeros(self.size_hw, np.uint8)
        labels = read_label_png(path)
        _check_size(path, labels.shape, self.size_hw)
        return labels

    @property
    def is_soft(self) -> bool:
        """Tell whether soft mattes are stored."""
        saved = self.manifest["parameters"].get("save")
        return isinstance(saved, list) and MATTES_NAME in saved

    @property
    def scene_cuts(self) -> tuple[int, ...]:
        """Return the first frame of each scene but the first, as far as anybody looked."""
        return tuple(self.manifest.get("scene_cuts") or ())

    def soft_matte(self, frame_idx: int, object_id: int) -> np.ndarray | None:
        """Read the soft matte of an object, uint8 H x W; None where there is none.

        Raises InputError where it is damaged or was given another size.
        """
        mask = self.masks.get(frame_idx)
        if mask is None:
            return None
        name = f"{MATTES_NAME}/{matte_name(object_id, mask.stem)}"
        path = EditStore(self.path).locate(name)
        return read_matte(path, self.size_hw) if path.is_file() else None

    def scores(self, frame_idx: int) -> dict[int, dict[str, Any]]:
        """Return the rows of `stats.jsonl` of a frame, by object id."""
        rows = [] if self.stats is None else self.stats.rows(frame_idx)
        return {row["object_id"]: row for row in rows}

    def time(self, frame_idx: int) -> Fraction | None:
        """Return when a frame is shown, without decoding; None where that is not known."""
        for row in self.scores(frame_idx).values():
            if (pts := _pts(row)) is not None:
                return pts
        return None if self.rate is None or self.is_vfr else frame_idx / self.rate

    def close(self) -> None:
        """Let go of the input."""
        if self.source is not None:
            self.source.close()


def open_finished(path: Path, *, source: str | None = None) -> FinishedResult:
    """Open a result of `vos track` or one clip of `vos batch`; change nothing in it.

    source: the input, where it is not where the manifest says; it has to be there then.
    Raises InputError where there is no such result or it has no masks, OutputError where it is no
    result or a damaged one.
    """
    path = path.resolve()
    name = display_name(path)
    if not path.is_dir():
        what = "is a file" if path.is_file() else "no such result"
        raise InputError(f"{name}: {what}; give a folder that `vos track` has made")
    store = EditStore(path)
    manifest = read_manifest(store.locate(MANIFEST_NAME).parent)
    if manifest is None or not is_result(manifest):
        raise InputError(
            f"{name}: no finished result of `vos track` (no {MANIFEST_NAME} of one in it); finish "
            "the track, or give a folder that it has made"
        )
    opened, absent = _open_input(path, manifest, source)
    try:
        masks = _find_masks(path, store, opened)
        first, *others = masks.values()
        size_hw = _read_size(first)
        if opened is not None and opened.info.size_hw != size_hw:
            height, width = opened.info.size_hw
            raise InputError(
                f"{display_name(first)}: is {size_hw[1]} x {size_hw[0]}, but the clip is {width} x "
                f"{height}; masks have the size of the clip: put the original back, or track again"
            )
        for one in others:  # here, and not after an hour of encoding
            _check_size(one, _read_size(one), size_hw)
        stats_path = store.locate(STATS_NAME)
        stats = StatsFile(stats_path) if stats_path.is_file() else None
        names = _read_names(store.locate(PROMPTS_NAME))
        objects = tuple(sorted(_object_ids(manifest, stats)))
        if not objects:
            raise InputError(f"{name}: has no objects; track some")
        count, rate, is_vfr = _timing(opened, stats, masks)
        is_to_the_end = manifest["parameters"].get("end") is None
        if is_to_the_end and manifest.get("ended_at_cut") is None:
            count = max(masks) + 1  # counted by decoding, where packets only promise
        return FinishedResult(
            path=path,
            manifest=manifest,
            source=opened,
            absent=absent,
            masks=masks,
            frame_count=max(count, max(masks) + 1),
            size_hw=size_hw,
            names={i: n for i, n in names.items() if i in objects},
            objects=objects,
            stats=stats,
            is_vfr=is_vfr,
            rate=rate,
        )
    except BaseException:
        if opened is not None:
            opened.close()
        raise


def is_result(manifest: Mapping[str, Any] | None) -> bool:
    """Tell whether a manifest is that of a finished track."""
    return manifest is not None and "prompts" in manifest.get("parameters", {})


def _open_input(
    path: Path, manifest: Mapping[str, Any], given: str | None
) -> tuple[Source | None, VosError | None]:
    parameters = manifest["parameters"]
    try:
        found = find_input(path, manifest, given)
        rate = parameters.get("rate")
        decoder = parameters.get("decoder", "pyav")
        return open_source(found, decoder=decoder, rate=rate, is_exact=True), None
    except (InputError, UsageError) as error:
        if given is not None:
            raise
        return None, error


def _find_masks(path: Path, store: EditStore, source: Source | None) -> dict[int, Path]:
    """Find the mask of each frame; they have no gaps."""
    stems = {entry.stem for entry in (path / MASKS_NAME).glob("*.png")}
    names = None if source is None else source.info.names
    if names is None and all(stem.isdecimal() and stem.isascii() for stem in stems):
        by_index = {int(stem): stem for stem in stems}
    else:
        in_order = sorted(stems) if names is None else names
        by_index = {index: stem for index, stem in enumerate(in_order) if stem in stems}
    if not by_index:
        raise InputError(
            f"{display_name(path)}: has no masks; track again with masks among what is saved"
        )
    first, last = min(by_index), max(by_index)
    if last - first + 1 != len(by_index) or len(by_index) != len(stems):
        raise InputError(
            f"{display_name(path / MASKS_NAME)}: {len(stems)} masks do not make one run without "
            f"gaps from frame {first} to {last}; take out what vos did not write, or track again"
        )
    return {
        index: store.locate(f"{MASKS_NAME}/{by_index[index]}.png")
        for index in range(first, last + 1)
    }


def _read_size(path: Path) -> tuple[int, int]:
    """Read a mask's size without decoding it. Raises InputError where it is no mask."""
    with open_mask(path) as image:
        assert isinstance(image, Image.Image)
        return image.height, image.width


def _check_size(path: Path, found_hw: tuple[int, ...], size_hw: tuple[int, int]) -> None:
    if found_hw != size_hw:
        raise InputError(
            f"{display_name(path)}: is {found_hw[1]} x {found_hw[0]}, where the others are "
            f"{size_hw[1]} x {size_hw[0]}; masks have the size of the clip: put the original back, "
            "or track again"
        )


def _read_names(path: Path) -> dict[int, str]:
    """Read what a prompt file calls its objects, none where it does not say."""
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return {}
    names = found.get("names") if isinstance(found, dict) else None
    if not isinstance(names, dict):
        return {}
    return {
        int(key): name[:_MOST_NAME_CHARACTERS]
        for key, name in names.items()
        if key.isdecimal() and key.isascii() and len(key) < 4 and isinstance(name, str)
    }


def _object_ids(manifest: Mapping[str, Any], stats: StatsFile | None) -> set[int]:
    prompts = manifest["parameters"]["prompts"]
    lists = [entry.get("prompts") or [] for entry in manifest.get("history", ())]
    if not are_placed(prompts):
        raise OutputError(
            f"its {MANIFEST_NAME} is damaged (prompts are not placed): track again to export it"
        )
    ids = {one["object_id"] for some in (prompts, *lists) for one in some}
    ids |= {object_id for object_id, _ in find_found(manifest) or ()}
    ids |= set() if stats is None else set(stats.series())
    return {one for one in ids if 0 < one < 256}


def _pts(row: Mapping[str, Any]) -> Fraction | None:
    text = row.get("pts")
    try:
        return Fraction(text) if isinstance(text, str) and len(text) < 100 else None
    except (ValueError, ZeroDivisionError):
        return None


def _timing(
    source: Source | None, stats: StatsFile | None, masks: Mapping[int, Path]
) -> tuple[int, Fraction | None, bool]:
    """Return how many frames there are, their average rate, and whether their intervals vary."""
    if source is not None:
        info = source.info
        if info.kind != "video":
            return info.frame_count or 0, info.average_rate, False
        scan = scan_video(info.path)
        is_vfr = bool(scan.is_vfr)
        rate = info.average_rate
        if rate is not None and not is_vfr:
            rate = usual_rate(rate, scan.frame_count)
        return scan.frame_count, rate, is_vfr
    times: dict[int, Fraction] = {}
    for frame_idx in masks:
        for row in [] if stats is None else stats.rows(frame_idx):
            if (pts := _pts(row)) is not None:
                times[frame_idx] = pts
    last = max(masks) + 1
    indices = sorted(times)
    if len(indices) < 2:
        return last, None, False
    gaps = [float((times[b] - times[a]) / (b - a)) for a, b in zip(indices, indices[1:])]  # noqa: B905, RUF007
    spread = max(gaps) - min(gaps)
    is_vfr = spread > max(_VFR_TICK_S, max(gaps) * _VFR_TOLERANCE)
    period = (times[indices[-1]] - times[indices[0]]) / (indices[-1] - indices[0])
    if period <= 0:
        return last, None, False
    return last, (1 / period if is_vfr else usual_rate(1 / period, last)), is_vfr


def usual_rate(rate: Fraction, frames: int) -> Fraction:
    """Return the usual rate that a measured one stands for.

    That is one which is less than half a frame off over the whole clip; else the measured one.
    """
    for usual in _USUAL_RATES:
        if abs(1 - usual / rate) < Fraction(1, 2000) and abs(1 - usual / rate) * frames < 0.5:
            return usual
    return parse_rate(rate.limit_denominator(1_000_000))


def frames_with_images(
    result: FinishedResult, frames: range
) -> Iterator[tuple[int, np.ndarray, Fraction]]:
    """Yield index, image and time of each of these frames, read from the input.

    Ends early where the clip does.
    """
    assert result.source is not None
    for frame in result.source.frames(frames.start, frames.stop):
        yield frame.frame_idx, frame.image, frame.pts
