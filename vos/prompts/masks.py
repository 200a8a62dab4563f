"""Mask prompts out of image files, and into the bytes a prompt file carries.

Pixel values can mean object ids, black and white, or opacity. What has one meaning is read; what
could have two is refused, or read with a note that says how.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from vos.errors import InputError, PromptError
from vos.io.paths import display_name
from vos.io.write.mask_png import MAX_PIXELS, davis_palette, open_mask
from vos.prompts.kinds import MAX_OBJECT_ID, MaskPrompt

# A grey file with more levels than this, white among them, has soft edges and is no label map.
_MAX_LEVELS = 16
# Soft edges need a bright inside; ids this low are no shades.
_DIMMEST_INSIDE = 64
_NEAR_WHITE = 240
_WHITE_16_BIT = 65535
_SAME_SHADE = 8


def mask_prompts_from_png(
    path: Path, object_id: int | None = None, frame_idx: int = 0
) -> list[MaskPrompt]:
    """Read the mask prompts in a label image, or in one that is black and white.

    With `object_id`: one prompt, from the pixels of that label, or from those of the file's only
    label. Without: one prompt per label in the file; a file whose only label is 255 (black
    and white) is object 1.

    Raises PromptError when the file cannot be read, is all background, has another meaning beside
    that of ids, or has several labels and not the one of `object_id`.
    """
    name = display_name(path)
    try:
        with open_mask(path) as image:
            labels, notes = labels_of(image)
    except InputError as error:
        raise PromptError(str(error)) from error
    except PromptError as error:
        raise PromptError(f"{name}: {error}") from None
    present = np.unique(labels[labels != 0]).tolist()
    if not present:
        raise PromptError(
            f"{name}: the mask is empty (all background); it needs a pixel "
            "of the object: give a frame that shows it"
        )
    if object_id is not None:
        if object_id not in present and len(present) > 1:
            raise PromptError(
                f"{name}: holds the labels {_listed(present)} and no {object_id}, and "
                "they are not joined into one object: give one of these ids, leave the id out to "
                "track each, or save a mask with one label"
            )
        mask = labels == object_id if object_id in present else labels != 0
        return [MaskPrompt(object_id, mask, frame_idx, _note(name, notes))]
    if present == [255]:
        return [MaskPrompt(1, labels != 0, frame_idx, _note(name, notes))]
    note = _note(name, notes)
    return [MaskPrompt(label, labels == label, frame_idx, note) for label in present]


def labels_of(image: Image.Image) -> tuple[np.ndarray, list[str]]:
    """Read the label map of an image, uint8 H x W, and how it was read where that is not plain.

    Raises PromptError for pixels that are no ids, or may be something else.
    """
    if getattr(image, "n_frames", 1) > 1:
        raise PromptError(
            f"{getattr(image, 'n_frames', 1)} images in one file; a mask is one: save the right one"
        )
    if image.format in ("JPEG", "MPO"):
        raise PromptError(
            "a JPEG; its compression changes pixel values, so that it holds neither ids nor sharp "
            "edges: threshold it to black and white, and save it as PNG"
        )
    notes: list[str] = []
    if image.mode == "P":
        labels = _from_palette(image, notes)
    elif image.mode in ("1", "L"):
        labels = _from_grey(np.array(image, dtype=np.uint8))
    elif image.mode in ("LA", "RGB", "RGBA", "PA"):
        labels = _from_channels(image)
    elif image.mode.startswith("I"):
        labels = _from_wide(np.asarray(image).astype(np.int64))
    else:
        raise PromptError(_foreign(image.mode))
    return labels, notes


def mask_to_base64(mask: np.ndarray) -> str:
    """Encode a bool H x W mask as the base64 text of a 1-bit PNG."""
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def mask_from_base64(text: str) -> np.ndarray:
    """Decode the bool H x W mask in the base64 text of a PNG.

    Raises PromptError when the text holds none.
    """
    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True))) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError("more pixels than a frame has")
            return labels_of(image)[0] != 0
    except PromptError as error:
        raise PromptError(f"png_base64: {error}") from None
    except Exception as error:  # Pillow's format readers raise nearly anything on damaged data
        raise PromptError(
            "png_base64 holds no PNG; it is the base64 text of one: save the prompt file again"
        ) from error


def _from_palette(image: Image.Image, notes: list[str]) -> np.ndarray:
    """Read indices as ids, except where the colours in use are black and white, or shades."""
    indices = np.array(image, dtype=np.uint8)
    flat = np.array(image.getpalette("RGB") or [], dtype=np.int64)
    colours = np.zeros((256, 3), dtype=np.int64)
    colours[: len(flat) // 3] = flat.reshape(-1, 3)
    used = np.unique(indices)
    shades = colours[used]
    is_black = shades.max(axis=1) <= _SAME_SHADE
    is_white = shades.min(axis=1) >= 255 - _SAME_SHADE
    if is_white.any() and (is_black | is_white).all():
        if 0 in used and is_white[used.tolist().index(0)]:
            notes.append("index 0 is white: white is taken as the object, black as the background")
        return np.where(np.isin(indices, used[is_white]), 255, 0).astype(np.uint8)
    is_davis = np.array_equal(shades, davis_palette()[used])
    if is_black.any() and np.ptp(shades, axis=1).max() <= _SAME_SHADE and not is_davis:
        _refuse_shades(colours[:, 0].astype(np.uint8)[indices])
    if colours[0].max() > _SAME_SHADE and not is_davis:
        notes.append(
            f"index 0, the background, has the colour {','.join(map(str, colours[0]))}, not black; "
            "if it is an object, make black index 0"
        )
    return indices


def _from_grey(levels: np.ndarray) -> np.ndarray:
    _refuse_shades(levels)
    return levels


def _from_wide(values: np.ndarray) -> np.ndarray:
    """Read a 16-bit label image: ids, or black and white."""
    lowest, highest = int(values.min()), int(values.max())
    if np.isin(values, (0, _WHITE_16_BIT)).all():
        return np.where(values > 0, 255, 0).astype(np.uint8)
    if lowest < 0 or highest > MAX_OBJECT_ID:
        raise PromptError(
            f"pixel values from {lowest} to {highest}; object ids are 1 to {MAX_OBJECT_ID}, and 0 "
            "is the background: number the objects from 1, or threshold it to black and white"
        )
    return _from_grey(values.astype(np.uint8))


def _from_channels(image: Image.Image) -> np.ndarray:
    """Read black and white out of colour channels and opacity, where both say the same."""
    rgba = np.array(image.convert("RGBA"))
    alpha = rgba[..., 3]
    is_opaque = image.mode == "RGB" or bool((alpha == 255).all())
    grey = rgba[..., 0]
    if (rgba[..., :3] != grey[..., None])[alpha > 0].any():
        raise PromptError(_foreign(image.mode))
    if is_opaque:
        return _from_grey(grey)
    if not np.isin(alpha, (0, 255)).all():
        raise PromptError(
            "half transparent pixels; a mask holds object ids, not opacities: threshold it to "
            "black and white"
        )
    shown = alpha == 255
    levels = np.unique(grey[shown])
    if len(levels) < 2:  # one colour: only opacity tells the object
        return np.where(shown, 255, 0).astype(np.uint8)
    raise PromptError(
        "both its opacity and its colours may tell the object; a mask says it once: flatten it to "
        "black and white"
    )


def _refuse_shades(levels: np.ndarray) -> None:
    """Refuse a grey image whose levels look like the soft edge of one mask, not like ids.

    Ids are areas; the levels of a soft edge, of scaling and of compression are lines between black
    and the inside: none but the largest has a pixel whose neighbours are all of its level.
    """
    present = np.unique(levels[levels != 0])
    count = len(present)
    if count < 2:
        return
    if count > _MAX_LEVELS and 255 in present:
        _refuse(count)
    if np.array_equal(present, np.arange(1, count + 1)) or present[-1] < _DIMMEST_INSIDE:
        return
    if (np.diff(present[present >= _NEAR_WHITE].astype(int)) < _SAME_SHADE).any():
        _refuse(count)
    areas = [int((levels == level).sum()) for level in present]
    inside = present[int(np.argmax(areas))]
    if not any(_has_interior(levels == level) for level in present if level != inside):
        _refuse(count)


def _refuse(count: int) -> None:
    raise PromptError(
        f"{count} grey levels that look like soft edges; a mask holds object ids, "
        "not opacities: threshold it to black and white, or number its objects 1, 2, 3"
    )


def _has_interior(mask: np.ndarray) -> bool:
    """Tell whether a pixel and its eight neighbours are all of the mask."""
    rows = mask[:-2] & mask[1:-1] & mask[2:]
    return bool((rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]).any())


def _foreign(mode: str) -> str:
    return (
        f"a {mode} picture; a mask is black and white, or a palette, grey or 1-bit PNG with the "
        "object id as pixel value: save it as one"
    )


def _listed(labels: Sequence[int]) -> str:
    shown = ", ".join(map(str, labels[:8]))
    return f"{shown}, ..." if len(labels) > 8 else shown


def _note(name: str, notes: Sequence[str]) -> str:
    return f"{name}: {'; '.join(notes)}" if notes else ""
