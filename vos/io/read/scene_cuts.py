"""Scene cuts, found while frames are read: no frame waits, and no later frame is looked at.

The method is PySceneDetect's (`ContentDetector`, `AdaptiveDetector`): how much brightness,
saturation and hue differ from the frame before, against a threshold and against the frames just
before it. It is changed in three places. Saturation and hue are taken as a point on the colour
circle, so that the hue of grey pixels, which is noise, weighs nothing. The frames compared with are
earlier ones only. And a frame that still shows the same, only brighter or darker, is no
cut: a flash.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from jaxtyping import Int16, UInt8

from vos.frame import Frame

SceneCuts = Literal["off", "mark", "stop", "reset"]

_SIDE_PX = 128
# Measured on 1,800 pairs of neighbouring frames, shaken and panned ones among them: the score is 16
# at most, and 1.5 times the mean before it at most where it is above 8. Frames of different clips
# (4,200 pairs) score 22 at least and correlate by 0.77 at most.
_LEAST_SCORE = 18.0
_LEAST_RATIO = 1.5
_SAME_PICTURE = 0.8
_WINDOW = 4  # frames, as many as AdaptiveDetector's two on either side
_BLANK = 4.0  # spread of brightness of a black, white or otherwise empty frame


@dataclass(frozen=True, slots=True)
class CutState:
    """What the next frame is compared with, after the frame seen last.

    thumbnail: that frame, small; while frames are blank, the last that was not.
    recent: scores (0-255) of up to four frames before, oldest first.
    is_cut: the frame seen last begins a scene. In reverse order it ends one: the scene begins with
        the frame seen before it.
    """

    thumbnail: UInt8[np.ndarray, "h w 3"] | None = None
    recent: tuple[float, ...] = ()
    is_cut: bool = False

    def after(self, image: UInt8[np.ndarray, "h w 3"]) -> CutState:
        """Return the state with one more frame, RGB of the size of those before."""
        small = _small(image)
        now = _cone(small)
        if now[0].std() < _BLANK:
            return CutState(self.thumbnail, self.recent)
        if self.thumbnail is None:
            return CutState(small)
        before = _cone(self.thumbnail)
        score = float(np.abs(now - before).mean())
        recent = (*self.recent, score)[-_WINDOW:]
        is_cut = (
            score >= max(_LEAST_SCORE, _LEAST_RATIO * self._usual())
            and _correlation(now[0], before[0]) < _SAME_PICTURE
        )
        return CutState(small, recent, is_cut)

    def _usual(self) -> float:
        """Return what motion and noise score here; infinity before the third frame, never a cut.

        The frame before counts as much as the mean, so that a camera that is flung round is
        one cut at most.
        """
        if not self.recent:
            return math.inf
        return max(self.recent[-1], sum(self.recent) / len(self.recent))

    def as_json(self) -> dict[str, Any]:
        """Return JSON values for a checkpoint."""
        small = self.thumbnail
        return {
            "picture": None if small is None else base64.b64encode(small.tobytes()).decode(),
            "size_hw": None if small is None else small.shape[:2],
            "recent": self.recent,
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        """Read the state that `as_json` wrote."""
        small = None
        if saved["picture"] is not None:
            data = np.frombuffer(base64.b64decode(saved["picture"]), np.uint8)
            small = data.reshape(*saved["size_hw"], 3)
        return cls(small, tuple(saved["recent"]))


class CutWatch:
    """A watch over one stream of frames that finds its cuts and says what they mean for it.

    action: what `--scene-cuts` says.
    last_prompt: a stream that is to stop does so at the first cut behind this frame; None where it
        never does.
    reverse: frames come in descending order.
    found: index of the first frame of each scene but the first, in the order found.
    ended_at: index of the cut that ends the stream, which is not in `found`.
    """

    def __init__(
        self,
        action: SceneCuts,
        last_prompt: int | None,
        *,
        reverse: bool = False,
    ) -> None:
        self.action: SceneCuts = action
        self._last_prompt = last_prompt
        self._reverse = reverse
        self._state = CutState()
        self.found: list[int] = []
        self.ended_at: int | None = None

    def look(self, frames: Iterator[Frame], from_idx: int = 0) -> Iterator[tuple[Frame, CutState]]:
        """Yield each frame with the state after it.

        Frames below `from_idx` were seen in an earlier run.

        May run ahead in another thread: `take` each pair when its turn comes.
        """
        state = self._state
        for frame in frames:
            if self.action != "off" and frame.frame_idx >= from_idx:
                state = state.after(frame.image)
            yield frame, state

    def take(self, frame: Frame, state: CutState) -> bool:
        """Tell whether the object's scene has changed with this frame; look at `ended_at` then."""
        self._state = state
        if not state.is_cut:
            return False
        cut = frame.frame_idx + 1 if self._reverse else frame.frame_idx
        if self.action == "stop" and self._is_behind_prompts(cut):
            self.ended_at = cut
        else:
            self.found.append(cut)
        return True

    def copy(self) -> CutWatch:
        """Return a watch that stays as this one is now."""
        same = copy(self)
        same.found = list(self.found)
        return same

    def as_json(self) -> dict[str, Any]:
        """Return JSON values for a checkpoint."""
        return {"state": self._state.as_json(), "found": self.found}

    def resume(self, saved: Mapping[str, Any]) -> None:
        """Go on where `as_json` was called."""
        self._state = CutState.from_json(saved["state"])
        self.found = [int(cut) for cut in saved["found"]]

    def _is_behind_prompts(self, cut: int) -> bool:
        if self._last_prompt is None:
            return False
        return cut <= self._last_prompt if self._reverse else cut > self._last_prompt


def _small(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h2 w2 3"]:
    """Average every n-th pixel with three of its neighbourhood: touching all takes too long."""
    height, width = image.shape[:2]
    step = max(1, max(height, width) // _SIDE_PX)
    down, across = min(step, height), min(step, width)  # a side may be shorter than a step
    rows, columns = height // down, width // across
    total = np.zeros((rows, columns, 3), np.uint16)
    for top in (down // 4, 3 * down // 4):
        for left in (across // 4, 3 * across // 4):
            total += image[top::down, left::across][:rows, :columns]
    return (total >> 2).astype(np.uint8)


def _cone(rgb: UInt8[np.ndarray, "h w 3"]) -> Int16[np.ndarray, "3 h w"]:
    """Convert to HSV's cone: brightness, and the place on the colour circle (chroma, hue)."""
    red, green, blue = (rgb[..., channel].astype(np.int16) for channel in range(3))
    value = np.maximum(np.maximum(red, green), blue)
    return np.stack((value, red - (green + blue) // 2, (green - blue) * 7 // 8))


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Correlate two frames' brightness, -1 to 1; 1 where one is the other brighter or darker."""
    first, second = one - one.mean(), other - other.mean()
    return float((first * second).mean() / max(first.std() * second.std(), 1e-9))
