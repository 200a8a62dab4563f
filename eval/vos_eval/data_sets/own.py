"""One's own videos: a folder of images each, and a folder of masks of the same name."""

from __future__ import annotations

from pathlib import Path

from vos_eval.data_sets.base import DataSet, Scoring, Submission
from vos_eval.data_sets.folders import decide_truth, listed_videos, refuse_void
from vos_eval.protocols.base import Options
from vos_eval.protocols.lists import read_list
from vos_eval.protocols.sav import SAV

SUBMISSION = Submission("whoever has the true masks")


def open_own(
    images: Path, masks: Path, *, names: Path | None = None, is_every_mask: bool = False
) -> DataSet:
    """Open IMAGES/VIDEO/FRAME.jpg with MASKS/VIDEO/FRAME.png.

    Masks of a tenth of the frames or more are ground truth, of which each object's first mask is
    its prompt. Fewer are prompts, all of them.

    names: file of the videos' names, one a line; None for all with masks.
    is_every_mask: whether every mask is a prompt, however many there are.

    Raises:
        EvalError: folders, images or masks are missing or wrong; all problems are named.
    """
    listed = None if names is None else read_list(names)
    found = listed_videos(images, masks, listed)
    has_truth = not is_every_mask and decide_truth(
        found, "give --every-mask, and all masks are prompts, or --list with the others alone"
    )
    if has_truth:
        refuse_void(found)
        note = (
            f"masks of a tenth of the frames or more are in {masks}: each object's first mask is "
            "its prompt, the others are the ground truth (--every-mask makes all of them prompts)"
        )
    else:
        note = f"every mask in {masks} is a prompt of the objects that it shows"
        if any(shown.has_void for _, shown in found):
            note += "; 255 beside other ids is taken for void"
        found = listed_videos(images, masks, listed, is_every_mask=True)
    options = Options(only_videos=frozenset(video.name for video, _ in found))
    return DataSet(
        name=images.resolve().name,
        videos=tuple(video for video, _ in found),
        scoring=Scoring(SAV, masks, options) if has_truth else None,
        submission=SUBMISSION,
        is_every_mask=not has_truth,
        notes=(note,),
    )
