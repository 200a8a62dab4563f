"""YouTube-VOS 2018 and 2019 as downloaded: valid/ with the first mask of each object, meta.json."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from vos_eval.data_sets.base import DataSet, Scoring, Submission, Video
from vos_eval.data_sets.folders import (
    decide_truth,
    find_split,
    image_names,
    listed_videos,
    refuse_void,
)
from vos_eval.errors import EvalError
from vos_eval.protocols.base import Options
from vos_eval.protocols.files import is_name
from vos_eval.protocols.sav import SAV
from vos_eval.texts import read_json

_SERVERS = {
    2018: "https://codalab.lisn.upsaclay.fr/competitions/7685 (YouTube-VOS 2018)",
    2019: "https://codalab.lisn.upsaclay.fr/competitions/6066 (YouTube-VOS 2019)",
}
_FOLDER = "Annotations"


def open_ytvos(
    root: Path, *, year: int | None = None, split: str | None = None, is_all_frames: bool = False
) -> DataSet:
    """Open a split of YouTube-VOS; each object begins on the first mask that shows it.

    is_all_frames: whether to track the 30 frames a second of SPLIT_all_frames, the second download,
        of which those of SPLIT are handed in.

    Raises:
        EvalError: metadata, images or masks are missing or wrong; all problems are named.
    """
    folder = find_split(root, split)
    meta = folder / "meta.json"
    if not meta.is_file():
        raise EvalError(f"{folder}: no meta.json, which lists the videos; unpack it there")
    objects_of = _read_meta(meta)
    images = folder / "JPEGImages"
    if is_all_frames:
        images = folder.with_name(f"{folder.name}_all_frames") / "JPEGImages"
    found = listed_videos(images, folder / "Annotations", sorted(objects_of))
    problems = [
        f"{video.name}: no mask shows object {object_id} of {meta}; download the masks again"
        for video, _ in found
        for object_id in sorted(objects_of[video.name] - _ids(video))
    ]
    if problems:
        raise EvalError(problems)
    notes = [f"videos are those of {meta}"]
    for video, _ in found:
        extra = sorted(_ids(video) - objects_of[video.name])
        if extra:
            notes.append(f"{video.name}: masks show {extra}, which {meta} does not name: tracked")
    has_truth = decide_truth(found, "the official valid split has first masks only")
    if has_truth:
        refuse_void(found)
    options = Options(only_videos=frozenset(objects_of))
    frames = "all frames" if is_all_frames else None
    servers = [_SERVERS[year]] if year else list(_SERVERS.values())
    return DataSet(
        name=" ".join(filter(None, ("YouTube-VOS", str(year or ""), split or folder.name, frames))),
        videos=tuple(
            replace(video, submitted=frozenset(image_names(folder / "JPEGImages" / video.name)))
            for video, _ in found
        ),
        scoring=Scoring(SAV, folder / "Annotations", options) if has_truth else None,
        submission=Submission(" or ".join(servers), folder=_FOLDER),
        notes=tuple(notes),
    )


def _ids(video: Video) -> set[int]:
    return {one.object_id for one in video.objects}


def _read_meta(path: Path) -> dict[str, set[int]]:
    """Read the objects of each video."""
    content: Any = read_json(path, "metadata")
    videos = content.get("videos") if isinstance(content, dict) else None
    if not isinstance(videos, dict) or not videos:
        raise EvalError(f'{path}: no videos; expected {{"videos": {{NAME: {{"objects": ...}}}}}}')
    problems: list[str] = []
    found: dict[str, set[int]] = {}
    for name, entry in videos.items():
        objects = entry.get("objects") if isinstance(entry, dict) else None
        is_right = isinstance(objects, dict) and all(
            key.isdecimal() and 1 <= int(key) <= 255 for key in objects
        )
        if not is_name(name) or not is_right or not objects:
            problems.append(f"{path}: video {name[:60]!r} needs a name and objects 1-255")
            continue
        found[name] = {int(key) for key in objects}
    if problems:
        raise EvalError(problems)
    return found
