"""LVOS v1 and v2 as downloaded: one folder per split, whose metadata says where objects begin."""

from __future__ import annotations

from pathlib import Path

from vos_eval.data_sets.base import DataSet, ObjectMasks, Scoring, Submission, Video
from vos_eval.data_sets.folders import check_frames, find_split, image_names
from vos_eval.errors import EvalError
from vos_eval.protocols.base import Options, Protocol
from vos_eval.protocols.files import mask_names
from vos_eval.protocols.lvos import find_meta, frame_name, load_meta

SUBMISSION = Submission(
    "https://codalab.lisn.upsaclay.fr/competitions/8767 (LVOS test; "
    "https://lingyihongfd.github.io/lvos.github.io names newer servers)"
)


def open_lvos(
    root: Path, *, version: str, split: str, protocol: Protocol, unseen: Path | None = None
) -> DataSet:
    """Open a split of LVOS; each object begins on its own first frame, as the metadata has it.

    Raises:
        EvalError: metadata, images or first annotations are missing; all problems are named.
    """
    folder = find_split(root, split)
    problems: list[str] = []
    videos = []
    has_truth = False
    for name, runs in load_meta(find_meta(folder, split)).items():
        image_dir, mask_dir = folder / "JPEGImages" / name, folder / "Annotations" / name
        frames = image_names(image_dir)
        if not frames:
            problems.append(f"{name}: no image in {image_dir}")
            continue
        at = {frame: index for index, frame in enumerate(frames)}
        objects = []
        for run in runs:
            first = frame_name(run.start)
            path = mask_dir / f"{first}.png"
            if first not in at:
                problems.append(f"{name} object {run.object_id}: no image {image_dir / first}.jpg")
            elif not path.is_file():
                problems.append(f"{name} object {run.object_id}: no first mask {path}")
            else:
                objects.append(ObjectMasks(run.object_id, mask_dir, run.object_id, (at[first],)))
        there = mask_names(mask_dir)
        check_frames(name, frames, there, mask_dir, problems)
        has_truth = has_truth or len(there) > len({one.prompted for one in objects})
        videos.append(Video(name, image_dir, frames, tuple(objects)))
    if problems:
        raise EvalError(problems)
    options = Options(split=split, unseen=unseen)
    return DataSet(
        name=f"LVOS v{version} {split}",
        videos=tuple(videos),
        scoring=Scoring(protocol, folder, options) if has_truth else None,
        submission=SUBMISSION,
    )
