"""Where the masks of one video lie in what a program left: plain folders, or an output of vos."""

from __future__ import annotations

from pathlib import Path

from vos_eval.errors import EvalError
from vos_eval.protocols.files import mask_names, subfolders
from vos_eval.protocols.plan import Plan

MASKS = "masks"
CLIPS = "clips"
PREDICTIONS = "predictions"


class PredictionTree:
    """A folder of predictions, in one of the layouts that can be scored.

    VIDEO/FRAME.png; VIDEO/OBJECT/FRAME.png; VIDEO/masks/FRAME.png, a folder of results of
    `vos track`; clips/VIDEO/masks/FRAME.png, the output of `vos batch`; predictions/VIDEO/...,
    that of `vos eval`; and masks/FRAME.png, one result, for the only video that is scored.
    """

    def __init__(self, root: Path, plan: Plan) -> None:
        """Find out which layout it is.

        plan: gets the words about the layout, where it is not the plain one.
        """
        self.root = root
        self._plan = plan
        self._told: set[str] = set()
        self._clips = _folders_by_name(root / CLIPS)

    def folder(self, video: str, *, is_only: bool = False) -> Path:
        """Return the folder of a video's masks; ROOT/VIDEO where there is none.

        is_only: it is the only video to score, so one result without a name belongs to it.
        """
        plain = self.root / video
        if _holds_masks(plain):
            return plain
        if (plain / MASKS).is_dir():
            return self._take(plain / MASKS, f"VIDEO/{MASKS}", "results of vos track")
        if video in self._clips and (self._clips[video] / MASKS).is_dir():
            found = self._clips[video] / MASKS
            return self._take(found, f"{CLIPS}/NAME/{MASKS}", "the output of vos batch")
        if _holds_masks(self.root / PREDICTIONS / video):
            found = self.root / PREDICTIONS / video
            return self._take(found, f"{PREDICTIONS}/VIDEO", "the output of vos eval")
        if is_only and mask_names(self.root / MASKS):
            return self._take(self.root / MASKS, MASKS, f"one result, taken for {video}")
        return plain

    def check_single(self, videos: list[str]) -> None:
        """Refuse one result without a name where there are several videos.

        Raises:
            EvalError: it could be any of them.
        """
        if len(videos) > 1 and mask_names(self.root / MASKS) and MASKS not in videos:
            raise EvalError(
                f"{self.root}: {MASKS}/ is the result of one clip, and there are {len(videos)} "
                "videos; say which with --videos FILE, or name the folder that holds all results"
            )

    def _take(self, folder: Path, layout: str, what: str) -> Path:
        if layout not in self._told:
            self._told.add(layout)
            self._plan.readings.append(f"{self.root}: read as {what} ({layout}/*.png)")
        return folder


def _holds_masks(folder: Path) -> bool:
    """Tell whether a folder has masks, or a folder per object, whose name is a number."""
    return bool(mask_names(folder)) or (
        folder.is_dir() and any(name.isdecimal() for name in subfolders(folder))
    )


def _folders_by_name(clips: Path) -> dict[str, Path]:
    """Map names of clips, and those without a file's ending that are then unique, to folders."""
    if not clips.is_dir():
        return {}
    names = subfolders(clips)
    stems = [Path(name).stem for name in names]
    found = {
        stem: clips / name
        for name, stem in zip(names, stems, strict=True)
        if stems.count(stem) == 1
    }
    return found | {name: clips / name for name in names}
