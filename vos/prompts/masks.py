"""Mask prompts out of label PNGs, and into the bytes a prompt file carries."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from vos.errors import InputError, PromptError
from vos.io.paths import display_name
from vos.io.write.mask_png import MAX_PIXELS, read_label_png
from vos.prompts.kinds import MaskPrompt

# A grey file with more levels than this, white among them, has soft edges and is no label map.
_MAX_LEVELS = 16


def mask_prompts_from_png(
    path: Path, object_id: int | None = None, frame_idx: int = 0
) -> list[MaskPrompt]:
    """Read the mask prompts in a palette, grey or 1-bit PNG.

    With `object_id`: one prompt, from the pixels of that label, or from those of the file's only
    label. Without: one prompt per label in the file; a file whose only label is 255 (black
    and white) is object 1.

    Raises PromptError when the file cannot be read, is all background, or has soft edges; or has
    several labels and not the one of `object_id`.
    """
    try:
        labels = read_label_png(path)
    except InputError as error:
        raise PromptError(str(error)) from error
    present = np.unique(labels[labels != 0]).tolist()
    if not present:
        raise PromptError(
            f"{display_name(path)}: the mask is empty (all background); it needs a pixel "
            "of the object: give a frame that shows it"
        )
    if len(present) > _MAX_LEVELS and 255 in present:
        raise PromptError(
            f"{display_name(path)}: {len(present)} grey levels; a mask holds object ids, "
            "not opacities: threshold it to black and white"
        )
    if object_id is not None:
        if object_id not in present and len(present) > 1:
            labels_text = ", ".join(map(str, present))
            raise PromptError(
                f"{display_name(path)}: holds the labels {labels_text} and no {object_id}, and "
                "they are not joined into one object: give one of these ids, leave the id out to "
                "track each, or save a mask with one label"
            )
        mask = labels == object_id if object_id in present else labels != 0
        return [MaskPrompt(object_id, mask, frame_idx)]
    if present == [255]:
        return [MaskPrompt(1, labels != 0, frame_idx)]
    return [MaskPrompt(label, labels == label, frame_idx) for label in present]


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
            return np.array(image.convert("L")) != 0
    except Exception as error:  # Pillow's format readers raise nearly anything on damaged data
        raise PromptError(
            "png_base64 holds no PNG; it is the base64 text of one: save the prompt file again"
        ) from error
