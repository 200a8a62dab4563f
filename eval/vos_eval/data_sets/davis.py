"""DAVIS 2016 and 2017 as downloaded: JPEGImages/480p, Annotations/480p and ImageSets."""

from __future__ import annotations

from pathlib import Path

from vos_eval.data_sets.base import DataSet, ObjectMasks, Scoring, Submission, Video
from vos_eval.data_sets.folders import (
    MaskFolder,
    decide_truth,
    make_video,
)
from vos_eval.errors import EvalError
from vos_eval.protocols.base import Options
from vos_eval.protocols.davis import DAVIS, RESOLUTION, find_annotation_dir, list_sequences
from vos_eval.protocols.lists import DEFAULT_SPLIT, find_list, is_of_2016

_SERVER = "https://codalab.lisn.upsaclay.fr/competitions/6812 (DAVIS 2017 test-dev)"
_FIRST_YEAR = 2016
_NO_SERVER = f"whoever has the true masks; {_SERVER} takes that split only"


def open_davis(root: Path, *, year: int | None = None, split: str | None = None) -> DataSet:
    """Open DAVIS: objects begin on the first annotation; by a list of 2016 all of them are one.

    year: 2016 or 2017; None for the list that is there, 2017's first.
    split: name of the list; None for val, or all annotated sequences without lists.

    Raises:
        EvalError: lists, images or annotations are missing or wrong; all problems are named.
    """
    masks = find_annotation_dir(root)
    wanted = split if year is None else _split_of(root, year, split)
    wanted = wanted or _only_list(root)
    path, _ = find_list(root, wanted)
    images = root / "JPEGImages"
    if (images / RESOLUTION).is_dir():
        images /= RESOLUTION
    problems: list[str] = []
    found: list[tuple[Video, MaskFolder]] = []
    for name in list_sequences(root, wanted):
        made = make_video(name, images / name, masks / name, problems, binary_id=1)
        if made is not None:
            found.append(made)
    if problems:
        raise EvalError(problems)
    if not found:
        raise EvalError(f"{root}: no annotated sequence")
    notes = [_say_list(root, path)]
    has_truth = decide_truth(found, "give a list with --split of which all have")
    videos = []
    for video, shown in found:
        if path is not None and is_of_2016(path):
            video = _merge(video)
        elif has_truth:
            video = _begin_at_first(video, shown, notes)
        videos.append(video)
    options = Options(split=wanted)
    parts = ["DAVIS", str(year) if year else "", split or ""]
    return DataSet(
        name=" ".join(part for part in parts if part),
        videos=tuple(videos),
        scoring=Scoring(DAVIS, root, options) if has_truth else None,
        submission=Submission(_SERVER if path and path.stem == "test-dev" else _NO_SERVER),
        notes=tuple(notes),
    )


def _split_of(root: Path, year: int, split: str | None) -> str:
    """Return the list of a year as `find_list` takes it; the download of 2016 has 480p/val."""
    name = split or DEFAULT_SPLIT
    folders = [str(year), *(["480p", "1080p"] if year == _FIRST_YEAR else [])]
    found = [one for one in folders if (root / "ImageSets" / one / f"{name}.txt").is_file()]
    return f"{(found or folders)[0]}/{name}"


def _only_list(root: Path) -> str | None:
    """Return the only list there is, as that of test-dev in its download, if it is not val's."""
    sets = root / "ImageSets"
    found = sorted(sets.glob("*/*.txt"))
    if len(found) != 1 or found[0].stem == DEFAULT_SPLIT:
        return None
    return found[0].relative_to(sets).with_suffix("").as_posix()


def _say_list(root: Path, path: Path | None) -> str:
    if path is None:
        return f"{root} has no list ImageSets/*/val.txt: all annotated sequences are taken"
    return f"sequences are those of {path}"


def _merge(video: Video) -> Video:
    first = min(one.prompted[0] for one in video.objects)
    folder = video.objects[0].folder
    whole = ObjectMasks(1, folder, None, (first,))
    return Video(video.name, video.image_dir, video.frames, (whole,))


def _begin_at_first(video: Video, masks: MaskFolder, notes: list[str]) -> Video:
    """Keep the objects of the first annotation: the official rule refuses labels beyond them."""
    first = masks.ids[0]
    late = sorted(set(masks.firsts()) - first)
    if first and late:
        notes.append(
            f"{video.name}: {', '.join(f'object {i}' for i in late)} not on the first annotation, "
            "which is all that DAVIS's rule scores: not tracked; `vos eval track` follows objects "
            "that begin later"
        )
    kept = tuple(one for one in video.objects if one.object_id in first)
    return Video(video.name, video.image_dir, video.frames, kept or video.objects)
