"""What the files of an export are called."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from vos.errors import Parameter, UsageError
from vos.io.paths import check_name
from vos.io.write.deliver.format import Format, Target

_NUMBER = re.compile(r"%(?:0?(\d))?d", re.ASCII)
_FIELD = re.compile(r"\{(\w*)\}")
_FIELDS = ("clip", "object", "id")
_LAYER_CHARACTERS = 25  # with its id and `.A` it stays below the 32 that any reader of EXR takes
_SUFFIX_BYTES = 20  # of the ending and the digits of a frame number


def clean_name(name: str) -> str:
    """Keep the letters, digits and underscores that every program takes in a name.

    Returns an empty text where nothing is left.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"\W+", "_", plain, flags=re.ASCII).strip("_")


def name_objects(ids: Sequence[int], names: Mapping[int, str]) -> dict[int, str]:
    """Return what each object is called in files; it begins with a letter.

    Raises UsageError where two objects would have one name, upper and lower case being the same.
    """
    cleaned: dict[int, str] = {}
    owners: dict[str, int] = {}
    for object_id in ids:
        name = clean_name(names.get(object_id, "")) or f"obj{object_id}"
        if not name[0].isalpha():
            name = f"obj_{name}"
        if (other := owners.setdefault(name.casefold(), object_id)) != object_id:
            raise UsageError(
                f"objects {other} ({names.get(other, f'obj{other}')!r}) and {object_id} "
                f"({names.get(object_id, f'obj{object_id}')!r}) are both called {name!r} in file "
                "names, where letters, digits and underscores stay and case does not count: put "
                "{id} into ",
                Parameter("name"),
                ", or export them one by one with ",
                Parameter("objects"),
            )
        cleaned[object_id] = name
    return cleaned


def name_layers(ids: Sequence[int], names: Mapping[int, str]) -> dict[int, str]:
    """Return what each object is called inside a file: its name and its id, such as `dog3`.

    As the id always ends it, behind no other digit, no two are the same.
    """
    layers: dict[int, str] = {}
    for object_id in ids:
        name = clean_name(names.get(object_id, "")) or "obj"
        if not name[0].isalpha():
            name = f"obj_{name}"
        name = name[:_LAYER_CHARACTERS].rstrip("_")
        layers[object_id] = f"{name}{'_' if name[-1].isdigit() else ''}{object_id}"
    return layers


def make_targets(
    template: str,
    form: Format,
    clip: str,
    objects: Mapping[int, str],
    *,
    is_inverted: bool = False,
    layers: Mapping[int, str] | None = None,
) -> tuple[Target, ...]:
    """Make a target per object, or one of all where the template names no object.

    objects: cleaned names by id.
    layers: their names inside files, where a target is a layer and no mattes are united.
    Raises UsageError for a template with unknown parts, or without a frame number where the format
    needs one.
    """
    given = Parameter("name", template)
    if unknown := [one for one in _FIELD.findall(template) if one not in _FIELDS]:
        raise UsageError(
            given, f": has an unknown part {{{unknown[0]}}}; known are {{clip}}, {{object}}, {{id}}"
        )
    bare = _FIELD.sub("", _NUMBER.sub("", template))
    if "%" in bare or "{" in bare or "}" in bare:
        raise UsageError(given, ": %, { and } stand for nothing but %04d, {clip}, {object}, {id}")
    numbers = len(_NUMBER.findall(template))
    if form.is_numbered and numbers != 1:
        raise UsageError(
            given, f": {form.name} has one file per frame, so it needs one %04d: add it"
        )
    if not form.is_numbered and numbers:
        raise UsageError(given, f": {form.name} has no file per frame: leave %04d out")
    is_split = any(one in ("object", "id") for one in _FIELD.findall(template))
    groups = [(one,) for one in objects] if is_split or layers else [tuple(objects)]
    targets = []
    for group in groups:
        fields = {"clip": clip, "object": objects[group[0]], "id": str(group[0])}
        stem = _FIELD.sub(lambda match, fields=fields: fields[match[1]], template)
        check_name(stem, "file", spare_bytes=_SUFFIX_BYTES)
        if stem.startswith("."):
            raise UsageError(given, f": {stem!r} would be a hidden file; begin it otherwise")
        layer = "" if layers is None else layers[group[0]]
        targets.append(Target(group, stem, is_inverted, layer))
    return tuple(targets)


def numbered(stem: str, number: int) -> str:
    """Return a stem with the frame's number in the place of its `%04d`."""
    return _NUMBER.sub(lambda match: f"{number:0{match[1] or 1}d}", stem)
