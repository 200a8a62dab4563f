"""Proof that an export arrived: it is read back, counted, and its mattes compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from vos.errors import InputError, UsageError, VerificationError
from vos.io.paths import check_name, display_name
from vos.io.results.manifest import MANIFEST_NAME, read_manifest
from vos.io.write.deliver.edges import Edges
from vos.io.write.deliver.finished import FinishedResult
from vos.io.write.deliver.format import Format, Seen, Shot, Target
from vos.io.write.deliver.mattes import ResultMattes, open_mattes
from vos.io.write.deliver.movies.backgrounds import check_background
from vos.io.write.deliver.order import EXPORT
from vos.io.write.deliver.registry import FORMATS

_EVERY = 50


def shot_as_json(form: Format, shot: Shot) -> dict[str, Any]:
    """Write what an export is as its manifest has it."""
    return {
        EXPORT: form.name,
        "files": [
            [list(one.objects), one.stem, *([one.layer] if one.layer else [])]
            for one in shot.targets
        ],
        "objects": {str(one): name for one, name in shot.objects.items()},
        "frames": [shot.frames.start, shot.frames.stop - 1],
        "start_number": shot.start_number,
        "size_hw": list(shot.size_hw),
        "rate": str(shot.rate),
        "timecode": shot.timecode,
        "pixel_aspect": str(shot.pixel_aspect),
        "bits": shot.bits,
        "invert": any(one.is_inverted for one in shot.targets),
        "sound": shot.audio_from is not None,
        **({} if shot.compression is None else {"compression": shot.compression}),
        **({} if shot.background is None else {"background": shot.background}),
        "mattes": "soft" if shot.is_soft else "hard",
        "edges": shot.edges.as_json(),
    }


def read_shot(folder: Path) -> tuple[Format, Shot, dict[str, Any]]:
    """Read what an export is from its manifest, and the manifest.

    Raises InputError where there is no finished export, or its manifest is damaged.
    """
    name = display_name(folder)
    if not folder.is_dir():
        what = "is a file" if folder.is_file() else "no such export"
        raise InputError(f"{name}: {what}; give a folder that `vos export` has made")
    manifest = read_manifest(folder)
    written = {} if manifest is None else manifest.get("parameters", {})
    if manifest is None or EXPORT not in written:
        raise InputError(
            f"{name}: no finished export (no {MANIFEST_NAME} of one in it); give a folder that "
            "`vos export` has made"
        )
    try:
        return *_parse(written), manifest
    except (KeyError, TypeError, ValueError, ArithmeticError, InputError, UsageError) as error:
        raise InputError(
            f"{name}: its {MANIFEST_NAME} is damaged or of another version ({error}): export again"
        ) from error


def _parse(written: Mapping[str, Any]) -> tuple[Format, Shot]:
    form = FORMATS[written[EXPORT]]
    is_inverted = bool(written["invert"])
    targets = tuple(
        Target(
            tuple(map(_id, ids)),
            check_name(stem, "file"),
            is_inverted,
            check_name(layer[0], "layer") if layer else "",
        )
        for ids, stem, *layer in written["files"]
    )
    first, last = map(int, written["frames"])
    height, width = map(int, written["size_hw"])
    if not targets or not 0 <= first <= last < 2**40 or min(height, width) < 1:
        raise ValueError("no frames")
    shot = Shot(
        targets=targets,
        objects={_id(one): str(name) for one, name in written["objects"].items()},
        frames=range(first, last + 1),
        start_number=int(written["start_number"]),
        size_hw=(height, width),
        rate=Fraction(written["rate"]),
        timecode=written["timecode"],
        pixel_aspect=Fraction(written["pixel_aspect"]),
        bits=written["bits"],
        compression=written.get("compression"),
        background=_background(form, written),
        is_soft=written.get("mattes") == "soft",
        edges=Edges.from_json(written.get("edges", {})),
    )
    return form, shot


def _background(form: Format, written: Mapping[str, Any]) -> str | None:
    if form.default_background is None:
        return None
    return check_background(str(written["background"]))


def _id(value: object) -> int:
    number = int(value) if isinstance(value, int | str) else 0
    if not 0 < number < 256:
        raise ValueError(f"{value!r} is no object id")
    return number


def verify(
    folder: Path,
    form: Format,
    shot: Shot,
    result: FinishedResult | None,
    on_frame: Callable[[int], None] = lambda _position: None,
    *,
    is_sampled: bool = False,
) -> int:
    """Read an export back and return how many mattes were compared.

    result: what it was made of; without it, frames, rate, size and channels are checked alone.
    is_sampled: only count the frames whose mattes are not compared, where the format allows that.
    Raises VerificationError, naming the frame, for what is not as it should be.
    """
    if form.compare is not None and result is not None and result.source is None:
        result = None  # it takes the source's pixels
    count = len(shot.frames)
    chosen = {0, count // 2, count - 1, *range(0, count, _EVERY)}

    def is_chosen(position: int) -> bool:
        return result is not None and position in chosen

    seen = dict.fromkeys(shot.targets, 0)
    compared = 0
    mattes = None if result is None else open_mattes(result, form, shot)
    read = form.sample if is_sampled and form.sample is not None else form.read_back
    for one in read(folder, shot, is_chosen):
        seen[one.target] += 1
        if one.matte is not None and result is not None:
            _compare(form, shot, result, mattes, one)
            compared += 1
        on_frame(one.position)
    for target, frames in seen.items():
        if frames != count:
            raise VerificationError(
                f"{display_name(target.stem)}: has {frames} frames, not {count}; the "
                f"first missing is frame {shot.frames[min(frames, count - 1)]}: export again"
            )
    return compared


def _compare(
    form: Format, shot: Shot, result: FinishedResult, mattes: ResultMattes | None, seen: Seen
) -> None:
    off = _differ(form, shot, result, mattes, seen)
    if off is None:
        return
    frame_idx, layer = shot.frames[seen.position], seen.target.layer
    raise VerificationError(
        f"{display_name(seen.target.stem)}: the matte {f'{layer} ' if layer else ''}of frame "
        f"{frame_idx} {off}; if the result was corrected since, export it again"
    )


def _differ(
    form: Format, shot: Shot, result: FinishedResult, mattes: ResultMattes | None, seen: Seen
) -> str | None:
    """Return how a frame that was read back differs from the result, None where it does not."""
    assert seen.matte is not None
    frame_idx, target = shot.frames[seen.position], seen.target
    if mattes is not None:
        expected = target.join(mattes.of_frame(frame_idx, target.objects))
    elif form.expect is not None:
        expected = form.expect(result.label_map(frame_idx), target, shot)
    else:
        expected = target.matte(result.label_map(frame_idx))
    if form.compare is not None:
        return form.compare(result, shot, seen, expected)
    if seen.matte.shape != expected.shape:
        return "is of another size"
    worst = int(np.abs(seen.matte.astype(np.int16) - expected).max())
    if worst <= form.max_error:
        return None
    return f"differs by {worst} of 255 from the result's, where {form.name} may by {form.max_error}"
