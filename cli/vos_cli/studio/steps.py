"""The document as it is kept on the disk, with the steps that can be undone and made again.

Most prompts are in many states: each is written once, and a state names its own by their places.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vos.prompts.file import check_names, prompts_from_json, prompts_to_json
from vos_cli.studio.document import Document, History, check_drawn, make_document

_COUNTS = (50, 10, 2)  # of states in either direction, which are all written at every change
_MOST = _COUNTS[0]
_MOST_BYTES = 8 * 2**20  # of prompts, which are large where they are masks; else fewer states


class Steps:
    """A history as JSON values; what is in several of its states is made once."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[Document, list[tuple[str, Any]]]] = {}  # by id()

    def as_json(self, history: History) -> dict[str, Any]:
        """Return the document with its newest earlier states and the first that were undone."""
        near = (*history.past[-_MOST:], history.now, *history.future[:_MOST])
        self._made = {id(one): self._made.get(id(one)) or _make(one) for one in near}
        for count in _COUNTS:
            past, future = history.past[-count:], history.future[:count]
            made = [self._made[id(one)][1] for one in (*past, *future)]
            prompts = {text: prompt for own in made for text, prompt in own}
            if sum(map(len, prompts)) <= _MOST_BYTES:
                break
        else:
            past, future, prompts = (), (), {}
        places = {text: place for place, text in enumerate(prompts)}

        def state(one: Document) -> dict[str, Any]:
            own = [places[text] for text, _prompt in self._made[id(one)][1]]
            return {"prompts": own, "objects": dict(one.objects)}

        return {
            "prompts": [prompt for _text, prompt in self._made[id(history.now)][1]],
            "objects": {str(i): name for i, name in history.now.objects.items()},
            "steps": {
                "past": [*map(state, past)],
                "future": [*map(state, future)],
                "prompts": [*prompts.values()],
            },
        }


def read_steps(
    sent: Mapping[str, Any], size_hw: tuple[int, int]
) -> tuple[tuple[Document, ...], tuple[Document, ...]]:
    """Return the earlier states and those that were taken back.

    Raises PromptError for what could not have been drawn, and what reading other JSON raises.
    """
    prompts = prompts_from_json(sent["prompts"])

    def state(one: Mapping[str, Any]) -> Document:
        check_names(one["objects"])
        if any(place not in range(len(prompts)) for place in one["prompts"]):
            raise ValueError("a step has prompts that are not there")
        own = [prompts[place] for place in one["prompts"]]
        check_drawn(own, size_hw)
        return make_document(own, {int(i): name for i, name in one["objects"].items()})

    return tuple(map(state, sent["past"])), tuple(map(state, sent["future"]))


def _make(document: Document) -> tuple[Document, list[tuple[str, Any]]]:
    """Return the document, so that its id() stays its own, and its prompts with their text."""
    return document, [(json.dumps(one), one) for one in prompts_to_json(document.prompts)]
