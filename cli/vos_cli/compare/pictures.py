"""The frames that a comparison shows, read from the clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vos.errors import InputError, VosError
from vos.io.paths import display_name
from vos.io.read.open import open_source
from vos.io.read.source import Source
from vos_cli.compare.sides import OpenSide
from vos_cli.console.errors import message


class Pictures:
    """Reads frames by the names of their masks, from the clip that `--video` or a result names.

    why_none: why there are no pictures; None where there are some.
    """

    def __init__(self, sides: Sequence[OpenSide], video: str | None) -> None:
        self._own: Source | None = None
        self._source: Source | None = None
        self.why_none: str | None = None
        if video is not None:
            self._source = self._own = open_source(video)
            return
        results = [one.result for one in sides if one.result is not None]
        for result in results:
            if result.source is not None:
                self._source = result.source
                return
        if not results:
            self.why_none = "plain masks do not say which clip they are of"
        elif results[0].absent is not None:
            self.why_none = message(results[0].absent)

    def check_size(self, size_hw: tuple[int, int]) -> None:
        """Raise InputError where the clip has another size than the masks."""
        if self._own is not None and self._own.info.size_hw != size_hw:
            (h, w), (height, width) = self._own.info.size_hw, size_hw
            raise InputError(
                f"{display_name(self._own.info.path)}: is {w} x {h}, the masks are {width} x "
                f"{height}; give the clip that they are of with --video"
            )

    def __call__(self, names: Sequence[str]) -> Mapping[str, np.ndarray]:
        """Return the images of these frames, without those that the clip does not have."""
        if self._source is None:
            return {}
        indices = self._find_indices(names)
        if not indices:
            self.why_none = f"frames of {display_name(self._source.info.path)} have other names"
            return {}
        images: dict[str, np.ndarray] = {}
        try:
            for frame in self._source.frames(min(indices), max(indices) + 1):
                if frame.frame_idx in indices:
                    images[indices[frame.frame_idx]] = frame.image
        except VosError as error:
            self.why_none = message(error)
        return images

    def _find_indices(self, names: Sequence[str]) -> dict[int, str]:
        """Return the names by index: those of images, or numbers of a video's frames."""
        assert self._source is not None
        known = self._source.info.names
        if known is None:
            return {int(name): name for name in names if name.isdecimal() and name.isascii()}
        places = {name: index for index, name in enumerate(known)}
        return {places[name]: name for name in names if name in places}

    def close(self) -> None:
        """Let go of the clip that was opened here."""
        if self._own is not None:
            self._own.close()
