"""VOST as downloaded: JPEGImages, Annotations and ImageSets/SPLIT.txt; 255 is to be ignored."""

from __future__ import annotations

from pathlib import Path

from vos_eval.data_sets.base import DataSet, Scoring, Submission
from vos_eval.data_sets.folders import decide_truth, listed_videos
from vos_eval.errors import EvalError
from vos_eval.protocols.base import Options
from vos_eval.protocols.files import require_folder
from vos_eval.protocols.lists import read_list
from vos_eval.protocols.vost import VOST

SUBMISSION = Submission("the organisers of VOST (https://www.vostdataset.org)")


def open_vost(root: Path, *, split: str | None = None) -> DataSet:
    """Open a split of VOST; objects begin on the first mask that shows them.

    Raises:
        EvalError: the list, images or masks are missing or wrong; all problems are named.
    """
    require_folder(root, "data set")
    path = root / "ImageSets" / f"{split or 'val'}.txt"
    if not path.is_file():
        raise EvalError(f"{root}: no list {path}; give the folder that holds ImageSets/")
    found = listed_videos(root / "JPEGImages", root / "Annotations", read_list(path))
    has_truth = decide_truth(found, "give a list with --split of which all have")
    return DataSet(
        name=f"VOST {split or 'val'}",
        videos=tuple(video for video, _ in found),
        scoring=Scoring(VOST, root, Options(split=split or "val")) if has_truth else None,
        submission=SUBMISSION,
        notes=(f"videos are those of {path}",),
    )
