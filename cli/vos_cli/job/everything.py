"""All objects of stills: each image looked at, its files in a folder that is there whole or not."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vos.errors import InputError, OutputError, PromptError
from vos.io.disk import output_errors
from vos.io.paths import check_name, display_name, unreadable
from vos.io.read.formats import STILL_SUFFIXES
from vos.io.read.open import open_source, read_image
from vos.io.write.everything import FoundMask, write_found
from vos.model import registry
from vos.prompts import MaskPrompt

if TYPE_CHECKING:
    from vos.api import Tracker
    from vos.track.everything import Everything
    from vos_cli.job.job import Job

Say = Callable[[str], None]
MOST_OBJECTS = 255


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found on one image. files: their names in the output."""

    image: str
    objects: int
    files: tuple[str, ...]


def list_stills(inputs: Sequence[Path], say: Say) -> list[Path]:
    """List the images that are named, and those in folders that are. Raises InputError."""
    stills: list[Path] = []
    for one in inputs:
        if not one.is_dir():
            stills.append(one)
            continue
        try:
            entries = sorted(entry for entry in one.iterdir() if not entry.name.startswith("."))
        except OSError as error:
            raise unreadable(one, error) from None
        own = [entry for entry in entries if entry.suffix.lower() in STILL_SUFFIXES]
        if not own:
            raise InputError(f"{display_name(one)}: no image in this folder; give images")
        if len(own) < len(entries):
            say(f"{display_name(one)}: {len(entries) - len(own)} entries that are no images")
        stills += own
    names: dict[str, Path] = {}
    for still in stills:
        check_name(still.name, "image", spare_bytes=20)
        other = names.setdefault(still.name.lower(), still)
        if other is not still:
            raise InputError(
                f"{display_name(still)}: {display_name(other)} has that name too, and the files "
                "written are called so: give them one after the other, with -o for each"
            )
    return stills


def segment_everything(
    stills: Sequence[Path],
    output: Path,
    load: Callable[[], Tracker],
    wanted: Everything,
    *,
    most: int,
    say: Say,
    warn: Say,
    on_done: Callable[[], None],
) -> list[Looked]:
    """Look at each image and write what is found; images are read before the model is loaded.

    most: of an image's objects, those of the highest predicted IoU.

    Raises InputError, OutputError, and what `load` raises; there is no output then.
    """
    if os.path.lexists(output):
        raise OutputError(
            f"{display_name(output)}: is there already; name another folder with -o, or move it"
        )
    for still in stills:
        read_image(still)
    with output_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=output.parent, prefix=f".{output.name[:100]}."))
    try:
        tracker = load()
        looked = []
        for still in stills:
            looked.append(_look(still, part, tracker, wanted, most, say, warn))
            on_done()
        with output_errors(output):
            umask = os.umask(0)
            os.umask(umask)
            part.chmod(0o777 & ~umask)  # mkdtemp makes private folders
            part.rename(output)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return looked


def _look(
    still: Path,
    folder: Path,
    tracker: Tracker,
    wanted: Everything,
    most: int,
    say: Say,
    warn: Say,
) -> Looked:
    from vos.track.everything import find_everything

    frame, notes = read_image(still)
    for text in notes:
        say(text)
    found = find_everything(tracker.model, frame.image, wanted, tracker.dtype)
    best = sorted(found, key=lambda one: -one.iou_pred)[:most]
    if len(found) > most:
        warn(
            f"{display_name(still)}: {len(found)} objects, of which the {most} best are kept "
            "(--most; a label image has room for 255)"
        )
    size_hw = frame.size_hw
    masks = [
        FoundMask.of(
            number,
            one.mask(size_hw),
            {
                "predicted_iou": one.iou_pred,
                "stability": one.stability,
                "point_xy_px": list(one.point_xy_px),
                "crop_xyxy_px": [one.crop.left, one.crop.top, one.crop.right, one.crop.bottom],
            },
        )
        for number, one in enumerate(best, start=1)
    ]
    masks = [one for one in masks if np.any(one.bits)]
    if not masks:
        warn(
            f"{display_name(still)}: nothing was found; lower --min-iou or --min-stability, or "
            "give a better model with --model"
        )
    return Looked(str(still), len(masks), write_found(folder, still.name, frame.image, masks))


def find_prompts(job: Job, tracker: Tracker, warn: Say) -> tuple[MaskPrompt, ...]:
    """Find the objects on the first frame of a job, as masks that prompt them.

    Of masks that lie in one another the better one is kept, and 64 at most.

    Raises InputError for the source, PromptError where nothing is found.
    """
    from vos.track.everything import suit_model
    from vos.track.lookout import MOST_FOLLOWED, Lookout, take_new

    lookout = Lookout(1, wanted=suit_model(registry.resolve(job.settings.model).name))
    decoder, rate = job.settings.decoder, job.settings.rate
    with open_source(job.source, decoder=decoder, rate=rate) as source:
        frame = next(source.frames(job.start, job.end), None)
    if frame is None:
        raise InputError(
            f"{display_name(job.source)}: no frame to look at; change --start or --end"
        )
    masks = lookout.find_masks(tracker.model, frame, tracker.dtype)
    prompts: list[MaskPrompt] = []
    left = 0
    for mask in take_new(masks, np.zeros(frame.size_hw, dtype=bool), least_px=1):
        if len(prompts) < MOST_FOLLOWED:
            prompts.append(MaskPrompt(len(prompts) + 1, mask, frame.frame_idx))
        else:
            left += 1
    if left:
        warn(
            f"--everything: {len(prompts) + left} objects on frame {frame.frame_idx}, of which the "
            f"{len(prompts)} best are tracked; for others give --box or --mask"
        )
    if not prompts:
        raise PromptError(
            f"--everything: nothing was found on frame {frame.frame_idx}; give a prompt, another "
            "--start, or a better model with --model"
        )
    return tuple(prompts)
