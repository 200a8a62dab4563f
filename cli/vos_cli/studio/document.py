"""Prompts that are drawn on the page and the objects they belong to, with earlier states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vos.errors import PromptError
from vos.prompts import Absent, Box, Points, Prompt, collect
from vos.prompts.file import check_names, prompts_from_json, prompts_to_json

_UNDO_STEPS = 200


class StaleError(PromptError):
    """The change was made to a document that has changed since, in another tab perhaps."""


@dataclass(frozen=True, slots=True)
class Document:
    """Prompts and the objects they belong to.

    prompts: in the order drawn.
    objects: id -> name, "" where it has none; ascending.
    """

    prompts: tuple[Prompt, ...] = ()
    objects: Mapping[int, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "prompts": prompts_to_json(self.prompts),
            "objects": {str(object_id): name for object_id, name in self.objects.items()},
        }

    @property
    def names(self) -> dict[int, str]:
        """Return the names of objects that have a name and a prompt, for the prompt file."""
        used = {prompt.object_id for prompt in self.prompts}
        return {i: name for i, name in self.objects.items() if name and i in used}


@dataclass(frozen=True, slots=True)
class History:
    """A document with its earlier states, and those that were taken back.

    now: the document as it is.
    past: earlier states, oldest first.
    future: states that were taken back, the next one first.
    version: counts every change.
    """

    now: Document = field(default_factory=Document)
    past: tuple[Document, ...] = ()
    future: tuple[Document, ...] = ()
    version: int = 0

    def edit(self, now: Document) -> History:
        """Make `now` the document; what was taken back is gone."""
        past = (*self.past, self.now)[-_UNDO_STEPS:]
        return History(now, past, (), self.version + 1)

    def undo(self) -> History:
        """Go one step back; return itself where there is none."""
        if not self.past:
            return self
        future = (self.now, *self.future)
        return History(self.past[-1], self.past[:-1], future, self.version + 1)

    def redo(self) -> History:
        """Go one step forward again; return itself where there is none."""
        if not self.future:
            return self
        past = (*self.past, self.now)
        return replace(
            self,
            now=self.future[0],
            past=past,
            future=self.future[1:],
            version=self.version + 1,
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "can_undo": bool(self.past),
            "can_redo": bool(self.future),
            **self.now.as_json(),
        }

    def check(self, version: int) -> None:
        """Raise StaleError unless a change was made to this very version."""
        if version != self.version:
            raise StaleError("the prompts have changed in another tab; they are shown now")


def select_new(drawn: Sequence[Prompt], known: Sequence[Prompt]) -> tuple[Prompt, ...]:
    """Return what was drawn on top of `known`, and only the new clicks of known points."""
    return tuple(_beyond(prompt, known) for prompt in drawn if prompt not in known)


def _beyond(prompt: Prompt, known: Sequence[Prompt]) -> Prompt:
    if not isinstance(prompt, Points):
        return prompt
    for one in known:
        if not isinstance(one, Points) or _place(one) != _place(prompt):
            continue
        count = len(one.labels)
        points, labels = prompt.points_xy_px, prompt.labels
        if (points[:count], labels[:count]) == (one.points_xy_px, one.labels):
            return replace(prompt, points_xy_px=points[count:], labels=labels[count:])
    return prompt


def _place(prompt: Prompt) -> tuple[int, int]:
    return prompt.object_id, prompt.frame_idx


def make_document(prompts: Sequence[Prompt], names: Mapping[int, str]) -> Document:
    """Make a document with every object that has a prompt or a name, at least object 1."""
    ids = {prompt.object_id for prompt in prompts} | set(names) or {1}
    return Document(tuple(prompts), {i: names.get(i, "") for i in sorted(ids)})


def read_document(
    prompts: Sequence[Any], objects: Mapping[str, Any], size_hw: tuple[int, int]
) -> Document:
    """Check what the page sent and make a document of it. Raises PromptError; reads no file."""
    check_names(objects)
    names = {int(object_id): name for object_id, name in objects.items()}
    drawn = prompts_from_json(prompts)
    check_drawn(drawn, size_hw)
    if not objects:
        raise PromptError("no object is left; a document has one or more: add one")
    return make_document(drawn, names)


def check_drawn(prompts: Sequence[Prompt], size_hw: tuple[int, int]) -> None:
    """Raise PromptError where prompts do not fit the frame or each other.

    Objects may still start with negative points only: the positive one comes with the next click.
    """
    height, width = size_hw
    ends = (one.last_idx for one in prompts if isinstance(one, Absent))
    frames = (*(prompt.frame_idx for prompt in prompts), *(i for i in ends if isinstance(i, int)))
    after = 1 + max(frames, default=0)
    shown = [Box(i, (0, 0, width, height), after) for i in {p.object_id for p in prompts}]
    collect([*prompts, *shown], size_hw, direction="both")
