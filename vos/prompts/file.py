"""The prompt file: JSON, versioned, one prompt per line, so that it diffs well in git.

    {
      "schema": 1,
      "size_hw": [1080, 1920],
      "prompts": [
        {"type": "box", "object_id": 1, "frame_idx": 0, "box_xyxy_px": [100, 50, 400, 300]},
        {"type": "mask", "object_id": 2, "frame_idx": 7, "file": "hand.png"}
      ]
    }

`size_hw` (optional) is the displayed size the prompts were drawn on; `names` (optional) says what
people call the objects: {"1": "dog"}. Types and their keys:
box `box_xyxy_px`; points `points_xy_px` and `labels`; polygon `vertices_xy_px`; scribble
`stroke_xy_px` and `positive` (true if left out); mask `png_base64` (a 1-bit PNG, what is written
here) or `file` (a label PNG, relative to the prompt file, read as `parse_mask` does ID:FILE);
absent `last_idx` (the last frame without the object, `frame_idx` if left out, or "end": until the
object is prompted again).
`frame_idx` is 0 if left out. Unknown keys are errors.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vos import bounded
from vos.bounded import brief
from vos.errors import OutputError, Parameter, PromptError
from vos.io.disk import write_atomic
from vos.io.paths import display_name
from vos.prompts.collect import check_prompts
from vos.prompts.kinds import (
    MAX_OBJECT_ID,
    Absent,
    Box,
    MaskPrompt,
    Points,
    Polygon,
    Prompt,
    Scribble,
)
from vos.prompts.masks import mask_from_base64, mask_prompts_from_png, mask_to_base64

SCHEMA = 1
MAX_NAME = 60


@dataclass(frozen=True, slots=True)
class NamedPrompts:
    """Prompts, and the names of their objects.

    prompts: in the order of the file.
    names: object id -> name; objects without a name are left out.
    size_hw: of the frames that the prompts were drawn on, None where the file does not say.
    notes: how a file was read where that is not plain, one line each.
    """

    prompts: tuple[Prompt, ...] = ()
    names: Mapping[int, str] = field(default_factory=dict)
    size_hw: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()


def save_prompts(
    path: str | Path,
    prompts: Iterable[Prompt],
    *,
    size_hw: tuple[int, int] | None = None,
    names: Mapping[int, str] | None = None,
) -> None:
    """Write the prompt file in one move.

    Raises OutputError when it cannot be written, PromptError for prompts, a size or names that
    could not be read again.
    """
    try:
        target = Path(path)
    except TypeError:
        raise OutputError(f"{brief(path)} is no path; give the name of a file") from None
    checked = check_prompts(prompts)
    if size_hw is not None:
        size_hw = _size(list(size_hw) if isinstance(size_hw, tuple) else size_hw)
    if names is not None:
        check_names({str(i): n for i, n in names.items()} if isinstance(names, Mapping) else names)
    write_atomic(target, prompts_text(checked, size_hw=size_hw, names=names).encode())


def prompts_text(
    prompts: Iterable[Prompt],
    *,
    size_hw: tuple[int, int] | None = None,
    names: Mapping[int, str] | None = None,
) -> str:
    """Write the prompt file's text: keys in a fixed order, one prompt per line, as ordered."""
    lines = ",\n".join("    " + json.dumps(item) for item in prompts_to_json(prompts))
    size = "" if size_hw is None else f'  "size_hw": {json.dumps(size_hw)},\n'
    named = f'  "names": {json.dumps(names)},\n' if names else ""
    body = f"[\n{lines}\n  ]" if lines else "[]"
    return f'{{\n  "schema": {SCHEMA},\n{size}{named}  "prompts": {body}\n}}\n'


def prompts_to_json(prompts: Iterable[Prompt]) -> list[dict[str, Any]]:
    """Write the prompts as the file has them."""
    return [_to_json(prompt) for prompt in prompts]


def prompts_from_json(items: Iterable[Any]) -> list[Prompt]:
    """Read what `prompts_to_json` gave, and no file, whatever the items name.

    Raises PromptError.
    """
    return _prompts(items, None)


def load_prompts(path: str | Path, *, size_hw: tuple[int, int] | None = None) -> list[Prompt]:
    """Read the prompts in a prompt file, in its order.

    size_hw: the video's displayed size, if known; a file drawn on another size is refused.

    Raises PromptError naming the file, the place in it, what is wrong and the nearest valid name.
    """
    return list(load_named_prompts(path, size_hw=size_hw).prompts)


def load_named_prompts(path: str | Path, *, size_hw: tuple[int, int] | None = None) -> NamedPrompts:
    """Read prompts and names; the file is read once, so that it may be a pipe."""
    try:
        path = Path(path)
    except TypeError:
        raise PromptError(f"{brief(path)} is no path; give the name of a prompt file") from None
    if size_hw is not None:
        size_hw = _size(list(size_hw) if isinstance(size_hw, tuple) else size_hw)
    text = _text(path)
    try:
        read = _read(text, path.parent)
        if size_hw is not None:
            check_size(read.size_hw, size_hw)
    except PromptError as error:
        raise PromptError(f"{display_name(path)}: {error}") from None
    return read


def check_size(drawn_on: tuple[int, int] | None, size_hw: tuple[int, int]) -> None:
    """Raise PromptError for prompts of a file that names another frame size than the video's."""
    if drawn_on not in (None, size_hw):
        raise PromptError(
            f"prompts drawn on a {drawn_on[1]}x{drawn_on[0]} frame, the video has "
            f"{size_hw[1]}x{size_hw[0]}; they are pixels of one size: pick them on this video"
        )


def check_names(names: Any) -> None:
    """Raise PromptError unless it is a mapping of ids in digits to short texts."""
    if not isinstance(names, Mapping):
        raise PromptError(f'names {brief(names)} is not like {{"1": "dog"}}: correct it')
    for key, name in names.items():
        is_id = isinstance(key, str) and re.fullmatch("[1-9][0-9]{0,2}", key, re.ASCII)
        if not is_id or int(key) > MAX_OBJECT_ID:
            raise PromptError(f"name of object {brief(key)}: ids are 1 to {MAX_OBJECT_ID}")
        if not isinstance(name, str) or len(name) > MAX_NAME or not _is_text(name):
            raise PromptError(
                f"name {brief(name)} of object {key}: a name is a text of up to {MAX_NAME} "
                "whole characters: shorten or correct it"
            )


def _is_text(name: str) -> bool:
    """Tell whether it can be written: half an emoji, as a page may send it, cannot."""
    return not any("\ud800" <= char <= "\udfff" for char in name)


def _text(path: Path) -> str:
    try:
        return bounded.read_text(path)
    except FileNotFoundError:
        raise PromptError(
            f"{display_name(path)}: no such file; ",
            Parameter("prompts"),
            " takes a prompt file: check the name",
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name, too
        raise PromptError(
            f"{display_name(path)}: cannot be read as text ({error}): check the file"
        ) from error


def _read(text: str, folder: Path) -> NamedPrompts:
    try:
        root = bounded.parse_json(text)
    except json.JSONDecodeError as error:
        raise PromptError(
            f"not JSON at line {error.lineno}, column {error.colno} ({error.msg}): correct it, or "
            "write the file with `vos pick`"
        ) from None
    except bounded.UnfitError as error:
        raise PromptError(f"{error}: correct it, or write the file with `vos pick`") from None
    if not isinstance(root, dict):
        raise PromptError('not a prompt file; it is an object with "schema" and "prompts"')
    required, optional = ("schema", "prompts"), ("size_hw", "names")
    _check_keys(root, required=required, optional=optional, where="the file")
    if type(root["schema"]) is not int or root["schema"] != SCHEMA:
        raise PromptError(
            f"schema {brief(root['schema'])} is unknown; this version of vos reads schema "
            f"{SCHEMA}: update vos, or write the file again"
        )
    size_hw = _size(root.get("size_hw"))
    names = root.get("names", {})
    check_names(names)
    if not isinstance(root["prompts"], list):
        raise PromptError('"prompts" is not a list; it holds one object per prompt: correct it')
    prompts = tuple(_prompts(root["prompts"], folder))
    return NamedPrompts(prompts, {int(key): name for key, name in names.items()}, size_hw)


def _prompts(items: Iterable[Any], folder: Path | None) -> list[Prompt]:
    """Read all prompts. folder: where a mask's `file` is; None refuses such masks."""
    prompts = []
    for number, item in enumerate(items, start=1):
        try:
            prompts.append(_from_json(item, folder))
        except PromptError as error:
            raise PromptError(f"prompt {number}: {error}") from None
    return prompts


def _size(drawn_on: Any) -> tuple[int, int] | None:
    if drawn_on is None:
        return None
    if not (
        isinstance(drawn_on, list)
        and len(drawn_on) == 2
        and all(type(side) is int and side > 0 for side in drawn_on)
    ):
        raise PromptError(f"size_hw {brief(drawn_on)} is not [height, width] in pixels: correct it")
    height, width = drawn_on
    return height, width


@dataclass(frozen=True, slots=True)
class _Form:
    """How one kind of prompt looks in the file.

    kind: its class.
    required: keys of its own that must be there.
    optional: keys of its own that may be left out.
    write: makes the values of these keys.
    read: makes the prompt from all keys but the type; gets the folder of the file, or None.
    """

    kind: type
    required: tuple[str, ...]
    optional: tuple[str, ...]
    write: Callable[[Any], dict[str, Any]]
    read: Callable[[dict[str, Any], Path | None], Prompt]


def _to_json(prompt: Prompt) -> dict[str, Any]:
    name, form = next((n, f) for n, f in _FORMS.items() if isinstance(prompt, f.kind))
    head = {"type": name, "object_id": prompt.object_id, "frame_idx": prompt.frame_idx}
    return head | form.write(prompt)


def _from_json(item: Any, folder: Path | None) -> Prompt:
    if not isinstance(item, dict):
        raise PromptError(f"{brief(item)} is not an object with a type: correct it")
    if "type" not in item:
        raise PromptError(f'key "type" is missing; types are {", ".join(_FORMS)}: add it')
    name = item["type"]
    if not isinstance(name, str) or name not in _FORMS:
        raise PromptError(f"type {brief(name)} is unknown; {_nearest(str(name), _FORMS)}")
    form = _FORMS[name]
    _check_keys(
        item,
        required=("type", "object_id", *form.required),
        optional=("frame_idx", *form.optional),
        where=f"a {name}",
    )
    values = {key: value for key, value in item.items() if key != "type"}
    for key in values:
        if key.endswith("_px") or key == "labels":
            _check_numbers(values[key], key)
    return form.read({"frame_idx": 0, **values}, folder)


def _write_mask(prompt: MaskPrompt) -> dict[str, Any]:
    return {"png_base64": mask_to_base64(prompt.mask)}


def _read_mask(values: dict[str, Any], folder: Path | None) -> MaskPrompt:
    sources = [key for key in ("png_base64", "file") if key in values]
    if len(sources) != 1:
        raise PromptError('a mask has one of "png_base64" and "file": give one of them')
    text = values[sources[0]]
    if not isinstance(text, str) or not text:
        raise PromptError(f"{sources[0]} {brief(text)} is not a text: correct it")
    object_id, frame_idx = values["object_id"], values["frame_idx"]
    if sources == ["png_base64"]:
        return MaskPrompt(object_id, mask_from_base64(text), frame_idx)
    if folder is None:
        raise PromptError('a mask\'s "file" is not read here: give "png_base64"')
    return mask_prompts_from_png(folder / text, object_id, frame_idx)[0]


def _write_absence(prompt: Absent) -> dict[str, Any]:
    return {} if prompt.last_idx == prompt.frame_idx else {"last_idx": prompt.last_idx}


def _read_absence(values: dict[str, Any], _folder: Path | None) -> Absent:
    last = values.get("last_idx", values["frame_idx"])
    if last != "end" and type(last) is not int:
        raise PromptError(f'last_idx {brief(last)} is no frame and not "end": correct it')
    return Absent(values["object_id"], values["frame_idx"], last)


def _plain(kind: type, *keys: str, optional: tuple[str, ...] = ()) -> _Form:
    def write(prompt: Any) -> dict[str, Any]:
        return {key: _short(getattr(prompt, key)) for key in (*keys, *optional)}

    def read(values: dict[str, Any], _folder: Path | None) -> Prompt:
        return kind(**values)

    return _Form(kind, keys, optional, write, read)


_FORMS: dict[str, _Form] = {
    "box": _plain(Box, "box_xyxy_px"),
    "points": _plain(Points, "points_xy_px", "labels"),
    "polygon": _plain(Polygon, "vertices_xy_px"),
    "scribble": _plain(Scribble, "stroke_xy_px", optional=("positive",)),
    "mask": _Form(MaskPrompt, (), ("png_base64", "file"), _write_mask, _read_mask),
    "absent": _Form(Absent, (), ("last_idx",), _write_absence, _read_absence),
}


def _short(value: Any) -> Any:
    """Write whole floats as integers, so that 10 stays 10 in the file."""
    if isinstance(value, tuple):
        return [_short(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _check_numbers(value: Any, key: str) -> None:
    if not isinstance(value, list):
        raise PromptError(f"{key} {brief(value)} is not a list: correct it")
    for item in value:
        if isinstance(item, list) and key not in ("labels", "box_xyxy_px"):
            _check_numbers(item, key)
        elif isinstance(item, bool) or not isinstance(item, (int, float)):
            raise PromptError(f"{key} holds {brief(item)}, which is not a number: correct it")


def _check_keys(
    item: Mapping[str, Any], *, required: tuple[str, ...], optional: tuple[str, ...], where: str
) -> None:
    valid = required + optional
    for key in item:
        if key not in valid:
            unused = [name for name in valid if name not in item]
            raise PromptError(
                f"key {brief(key)} of {where} is unknown; {_nearest(key, unused or valid)}"
            )
    for key in required:
        if key not in item:
            raise PromptError(f'key "{key}" of {where} is missing: add it')


def _nearest(word: str, valid: Iterable[str]) -> str:
    names = list(valid)
    best = difflib.get_close_matches(word[:60], names, n=1, cutoff=0.0)[0]
    return f"valid are {', '.join(names)}: did you mean {best!r}?"
