"""A delivery as movies without alpha: each target over a background, in H.264 with 4:2:0."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from vos.io.write.deliver.finished import FinishedResult, frames_with_images
from vos.io.write.deliver.format import Delivery, Seen, Shot, ShotFrame, Target
from vos.io.write.deliver.movies.backgrounds import draw_background
from vos.io.write.deliver.movies.read_back import read_movies
from vos.io.write.deliver.movies.write import MovieCodec, MovieDelivery
from vos.io.write.overlay.encoders import choose_x264

MAX_ERROR = 16
"""By how much the mean of a block of pixels may differ, of 255, away from the matte's edge."""

_BLOCK_PX = 16
_MARGIN_PX = 2  # where colours of half the resolution are mixed with those of the next block


def over_codec(size_hw: tuple[int, int]) -> MovieCodec:
    """Return the codec for frames of this size: x264 as the overlay has it."""
    options = dict(choose_x264(size_hw).options)
    return MovieCodec(
        "libx264", ".mp4", "yuv420p", ("yuv420p",), options, is_intra=False, is_opaque=True
    )


class OverDelivery(Delivery):
    """A movie per target, over the shot's background; an odd side is made even."""

    def __init__(self, folder: Path, shot: Shot) -> None:
        self._shot = shot
        self._movies: list[tuple[Target, MovieDelivery]] = []
        even = replace(shot, size_hw=_make_even(shot.size_hw))
        try:
            for target in shot.targets:
                one = replace(even, targets=(target,))
                self._movies.append((target, MovieDelivery(folder, one, over_codec(one.size_hw))))
        except BaseException:
            self._abandon()
            raise

    @property
    def warnings(self) -> list[str]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Return what went less than well in any of the movies, one line each."""
        return [text for _, movie in self._movies for text in movie.warnings]

    def write(self, frame: ShotFrame) -> None:
        assert frame.image is not None
        background = draw_background(self._shot.background or "", frame.image)
        for target, movie in self._movies:
            image = _put_over(frame.image, frame.matte(target), background)
            movie.write(replace(frame, image=_pad(image)))

    def _finish(self) -> None:
        try:
            for _, movie in self._movies:
                movie.close()
        finally:
            self._abandon()

    def _abandon(self) -> None:
        for _, movie in self._movies:
            movie.abandon()


def _put_over(image: np.ndarray, matte: np.ndarray, background: np.ndarray) -> np.ndarray:
    over, under = (Image.fromarray(np.ascontiguousarray(one)) for one in (image, background))
    return np.asarray(Image.composite(over, under, Image.fromarray(matte)))


def _make_even(size_hw: tuple[int, int]) -> tuple[int, int]:
    height, width = size_hw
    return height + height % 2, width + width % 2


def _pad(image: np.ndarray) -> np.ndarray:
    """Make odd sides even by repeating the last pixels."""
    height, width = image.shape[:2]
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def read_over(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    """Read the movies back: see `ReadBack`. A matte is the whole image, uint8 H x W x 3."""
    even = replace(shot, size_hw=_make_even(shot.size_hw))
    height, width = shot.size_hw
    for one in read_movies(folder, even, over_codec(even.size_hw), wanted):
        yield one if one.matte is None else replace(one, matte=one.matte[:height, :width])


def compare_over(result: FinishedResult, shot: Shot, seen: Seen, matte: np.ndarray) -> str | None:
    """Compare an image that was read back with its source under the matte, block by block.

    Blocks through which the matte's edge goes, or that touch such a one, are left out: colours have
    half the resolution there. Returns what differs, or None.
    """
    assert seen.matte is not None
    frame_idx = shot.frames[seen.position]
    _, image, _ = next(frames_with_images(result, range(frame_idx, frame_idx + 1)))
    wanted = _put_over(image, matte, draw_background(shot.background or "", image))
    is_far = _far_from_edges(matte)
    if not is_far.any():  # a small frame, or edges everywhere
        return None
    means, found = (_mean_blocks(one, _MARGIN_PX) for one in (wanted, seen.matte))
    error = np.abs(means - found).max(axis=2)[is_far].max()
    if error <= MAX_ERROR:
        return None
    return f"differs by {error:.0f} of 255 from what it should be, where green may by {MAX_ERROR}"


def _mean_blocks(image: np.ndarray, margin_px: int = 0) -> np.ndarray:
    """Return the means of whole blocks without their margins, float64."""
    height, width = (side // _BLOCK_PX * _BLOCK_PX for side in image.shape[:2])
    cut = image[:height, :width].astype(np.float64)
    rows, columns = height // _BLOCK_PX, width // _BLOCK_PX
    blocks = cut.reshape(rows, _BLOCK_PX, columns, _BLOCK_PX, image[0, 0].size)
    inner = slice(margin_px, _BLOCK_PX - margin_px)
    return blocks[:, inner, :, inner].mean(axis=(1, 3))


def _far_from_edges(matte: np.ndarray) -> np.ndarray:
    """Tell of each block whether the matte has one value in it and in all around it."""
    blocks = _mean_blocks(matte)[..., 0]
    if not blocks.size:
        return np.zeros(blocks.shape, bool)
    means = np.pad(blocks, 1, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(means, (3, 3))
    low, high = around.min(axis=(2, 3)), around.max(axis=(2, 3))
    return (low == high) & np.isin(low, (0, 255))
