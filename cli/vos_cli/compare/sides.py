"""What can be compared: a finished result, a clip of a batch, or a plain folder of masks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vos.errors import InputError, OutputError, UsageError
from vos.io.paths import display_name
from vos.io.results.layout import MASKS_NAME
from vos.io.results.manifest import MANIFEST_NAME
from vos.io.results.unfinished import find_interrupted
from vos.io.write.deliver.finished import FinishedResult, open_finished
from vos_eval.agreement import Side
from vos_eval.protocols.files import mask_names


@dataclass(frozen=True, slots=True)
class OpenSide:
    """One of the two things compared, or the ground truth.

    side: what the evaluator takes.
    names: what objects are called.
    result: the finished result; None for a plain folder of masks.
    notes: how it was read, where that is not plain.
    """

    side: Side
    names: Mapping[int, str] = field(default_factory=dict)
    result: FinishedResult | None = None
    notes: tuple[str, ...] = ()

    def close(self) -> None:
        """Let go of the clip."""
        if self.result is not None:
            self.result.close()


def open_side(path: Path) -> OpenSide:
    """Open what a path names; change nothing in it.

    Raises InputError where there are no masks, OutputError for an interrupted track.
    """
    name = display_name(path)
    if find_interrupted(path.resolve()) is not None:
        raise OutputError(
            f"{name}: is an interrupted track; the same `vos track` command continues it, and then "
            "it can be compared"
        )
    if not path.is_dir():
        what = "is a file" if path.is_file() else "no such folder"
        raise InputError(f"{name}: {what}; give a result of `vos track`, or a folder of mask PNGs")
    if os.path.lexists(path / MANIFEST_NAME):
        result = open_finished(path)
        masks = {mask.stem: mask for mask in result.masks.values()}
        side = Side(name, masks, frozenset(result.objects))
        return OpenSide(side, result.names, result)
    if masks := _find_masks(path):
        return OpenSide(Side(name, masks))
    inner = path / MASKS_NAME
    if masks := _find_masks(inner):
        note = f"{name}: no {MANIFEST_NAME} in it; the masks of {display_name(inner)} are taken"
        return OpenSide(Side(name, masks), notes=(note,))
    results = sorted(one.parent.name for one in path.glob(f"*/{MANIFEST_NAME}"))
    if results:
        first = display_name(path / results[0])
        raise InputError(
            f"{name}: is no result, but holds {len(results)}; give one of them, such as {first}"
        )
    raise InputError(
        f"{name}: no masks in it; give a result of `vos track`, or a folder of mask PNGs"
    )


def _find_masks(folder: Path) -> dict[str, Path]:
    """Return the mask PNGs of a folder by their stems, in the order of frames."""
    stems = mask_names(folder)
    if all(stem.isdecimal() and stem.isascii() for stem in stems):
        stems.sort(key=int)
    return {stem: folder / f"{stem}.png" for stem in stems}


def check_names(a: OpenSide, b: OpenSide) -> None:
    """Refuse to compare objects of one id that are called differently. Raises UsageError."""
    for object_id in sorted(a.names.keys() & b.names.keys()):
        one, other = a.names[object_id], b.names[object_id]
        if one != other:
            raise UsageError(
                f"object {object_id} is {one!r} in {a.side.name} and {other!r} in {b.side.name}; "
                "objects are matched by their ids: compare results whose ids mean the same, or add "
                "--ignore-names"
            )


def find_differences(a: OpenSide, b: OpenSide) -> list[str]:
    """Return a note where the two are not of the same clip."""
    if a.result is None or b.result is None:
        return []
    inputs = [one.result.manifest["input"] for one in (a, b) if one.result is not None]
    if inputs[0].get("sha256") == inputs[1].get("sha256"):
        return []
    first, second = (display_name(str(one["name"])) for one in inputs)
    return [f"they are not of the same clip: one is of {first}, the other of {second}"]


def describe_sides(a: OpenSide, b: OpenSide) -> dict[str, tuple[str, str]]:
    """Return facts of both by their name: what they are, and the settings that differ."""
    folders = tuple(str(Path(one.side.name)) for one in (a, b))
    about = {"folder": (folders[0], folders[1])}
    if a.result is None and b.result is None:
        return about
    found = []
    for one in (a, b):
        manifest = {} if one.result is None else one.result.manifest
        parameters = manifest.get("parameters", {})
        values = {k: str(v) for k, v in parameters.items() if k not in ("prompts", "save")}
        if "prompts" in parameters:
            values["prompts"] = str(len(parameters["prompts"]))
            values["corrections"] = str(len(manifest.get("history", ())))
            values["model SHA-256"] = str(manifest.get("model_sha256"))
        found.append(values)
    mine, theirs = found
    for key in sorted({*mine, *theirs}):
        if mine.get(key) != theirs.get(key) or key in ("policy", "model SHA-256"):
            about[key] = mine.get(key, ""), theirs.get(key, "")
    return about
