"""SA-V val and test as downloaded: 24 frames a second, masks of every fourth, a folder per object.

Masks of different objects may overlap, a hand and its owner for example.
"""

from __future__ import annotations

from pathlib import Path

from vos_eval.data_sets.base import DataSet, ObjectMasks, Scoring, Submission, Video
from vos_eval.data_sets.folders import check_frames, frame_key, image_names
from vos_eval.errors import EvalError
from vos_eval.png import MaskError, read_labels
from vos_eval.protocols.base import Options
from vos_eval.protocols.files import mask_names, require_folder, subfolders
from vos_eval.protocols.lists import read_list
from vos_eval.protocols.sav import ANNOTATIONS, SAV

IMAGES = "JPEGImages_24fps"
SUBMISSION = Submission("nowhere: the masks of SA-V are public; download them again")
_MOST_OBJECTS = 255


def open_sav(root: Path, *, split: str | None = None) -> DataSet:
    """Open SA-V's val or test; each object begins on its first mask that is not empty.

    root: sav_val or sav_test, or the folder that holds it.

    Raises:
        EvalError: the list, images or masks are missing or wrong; all problems are named.
    """
    require_folder(root, "data set")
    folders = [root, *(root / f"sav_{name}" for name in ([split] if split else ["val", "test"]))]
    found = [folder for folder in folders if (folder / IMAGES).is_dir()]
    if not found:
        raise EvalError(f"{root}: no {IMAGES}; give the folder sav_val or sav_test")
    if len(found) > 1:
        raise EvalError(f"{root}: holds {found[0].name} and {found[1].name}; choose with --split")
    folder = found[0]
    lists = [folder / f"sav_{split}.txt"] if split else sorted(folder.glob("sav_*.txt"))
    if len(lists) > 1:
        raise EvalError(f"{folder}: {', '.join(p.name for p in lists)}; choose with --split")
    if not lists or not lists[0].is_file():
        raise EvalError(
            f"{folder}: no list sav_{split or '*'}.txt; the download has it beside {IMAGES}"
        )
    problems: list[str] = []
    names = read_list(lists[0])
    videos = [_make_video(folder, name, problems) for name in names]
    if problems:
        raise EvalError(problems)
    options = Options(only_videos=frozenset(names))
    return DataSet(
        name=f"SA-V {split or lists[0].stem.removeprefix('sav_')}",
        videos=tuple(videos),
        scoring=Scoring(SAV, folder / ANNOTATIONS, options),
        submission=SUBMISSION,
        has_object_folders=True,
        notes=(f"videos are those of {lists[0]}",),
    )


def _make_video(folder: Path, name: str, problems: list[str]) -> Video:
    image_dir, mask_dir = folder / IMAGES / name, folder / ANNOTATIONS / name
    frames = image_names(image_dir)
    at = {frame: index for index, frame in enumerate(frames)}
    if not frames:
        problems.append(f"{name}: no image in {image_dir}")
    names = subfolders(mask_dir) if mask_dir.is_dir() else []
    if not names:
        problems.append(
            f"{name}: no object folder in {mask_dir}; expected {mask_dir}/000/00000.png"
        )
    if len(names) > _MOST_OBJECTS:
        problems.append(f"{name}: {len(names)} objects; up to {_MOST_OBJECTS} are tracked")
    objects = []
    for object_id, one in enumerate(names, start=1):
        masks = sorted(mask_names(mask_dir / one), key=frame_key)
        if not one.isdecimal():
            problems.append(
                f"{name}: {mask_dir / one} is not an object folder; its name must be a number "
                "such as 000"
            )
            continue
        check_frames(f"{name} object {one}", frames, masks, mask_dir / one, problems)
        first = _first_shown(name, mask_dir / one, masks, problems)
        if first in at:
            objects.append(ObjectMasks(object_id, mask_dir / one, None, (at[first],), one))
    return Video(name, image_dir, frames, tuple(objects))


def _first_shown(video: str, folder: Path, masks: list[str], problems: list[str]) -> str | None:
    """Return the first frame whose mask is not empty."""
    for name in masks:
        try:
            if read_labels(folder / f"{name}.png").any():
                return name
        except MaskError as error:
            problems.append(f"{video}: ground truth {folder / name}.png: {error}")
            return None
    problems.append(f"{video}: no mask in {folder} shows the object")
    return None
