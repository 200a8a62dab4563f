"""MOSE v1 and v2 as downloaded: train/ with all masks, valid/ with those that begin objects."""

from __future__ import annotations

from pathlib import Path

from vos_eval.data_sets.base import DataSet, Scoring, Submission
from vos_eval.data_sets.folders import decide_truth, find_split, listed_videos, refuse_void
from vos_eval.protocols.base import Options
from vos_eval.protocols.mosev2 import MOSEV2
from vos_eval.protocols.sav import SAV

_SERVERS = {
    "1": "https://codalab.lisn.upsaclay.fr/competitions/10703 (MOSE v1)",
    "2": "https://www.codabench.org/competitions/10062 (MOSE v2)",
}


def open_mose(root: Path, *, version: str | None = None, split: str | None = None) -> DataSet:
    """Open a split of MOSE; each object begins on the first mask that shows it.

    Raises:
        EvalError: images or masks are missing or wrong; all problems are named.
    """
    folder = find_split(root, split)
    masks = folder / "Annotations"
    found = listed_videos(folder / "JPEGImages", masks, None)
    has_truth = decide_truth(found, "the official valid split has first masks only")
    if has_truth and version != "2":
        refuse_void(found)
    servers = [_SERVERS[version]] if version else list(_SERVERS.values())
    options = Options(only_videos=frozenset(video.name for video, _ in found))
    parts = ("MOSE", f"v{version}" if version else None, split or folder.name)
    return DataSet(
        name=" ".join(filter(None, parts)),
        videos=tuple(video for video, _ in found),
        scoring=(_scoring(folder, version, options) if has_truth else None),
        submission=Submission(" or ".join(servers)),
        notes=(f"videos are all that have masks in {masks}",),
    )


def _scoring(folder: Path, version: str | None, options: Options) -> Scoring:
    """Return v2's own rule; that of v1 is not public, so SA-V's, which follows late objects."""
    if version == "2":
        return Scoring(MOSEV2, folder, options)
    return Scoring(SAV, folder / "Annotations", options)
