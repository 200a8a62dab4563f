"""The code blocks of the documentation, and small files in the place of those that they name."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SIZE_WH = (720, 400)
FRAMES = 13
"""As many as the examples name frames."""

_FENCE = re.compile(
    r"(?:^ *<!-- not run: (?P<why>[^\n]+?) -->\n)?^ *```(?P<tag>\w*)\n(?P<text>.*?)^ *```$",
    re.DOTALL | re.MULTILINE,
)
_INDENTED = re.compile(r"(?<=\n\n) {4}\S[^\n]*\n")


@dataclass(frozen=True, slots=True)
class Block:
    """One code block of a page.

    page: from the repository on.
    line: of its fence, from 1.
    tag: the language of its fence.
    text: what it holds.
    why_not_run: what it needs that a test does not have; None where it is run.
    """

    page: str
    line: int
    tag: str
    text: str
    why_not_run: str | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> list[list[str]]:
        """Return the words of each command, without comments."""
        joined = self.text.replace("\\\n", " ")
        lines = (shlex.split(line, comments=True) for line in joined.splitlines())
        return [words for words in lines if words]


def pages() -> list[str]:
    """List the pages that users follow."""
    use = sorted((ROOT / "docs/use").glob("*.md"))
    return ["README.md", *(str(path.relative_to(ROOT)) for path in use)]


def find_blocks(page: str, text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page, and one of no language for each that is indented."""
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start("text"))
        yield Block(page, line, found["tag"], found["text"], found["why"])
    outside = _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
    for found in _INDENTED.finditer(outside):
        yield Block(page, outside.count("\n", 0, found.start()) + 1, "", found[0], None)


def read_blocks(page: str) -> list[Block]:
    return list(find_blocks(page, (ROOT / page).read_text()))


def draw_video(path: Path, frames: int, size_wh: tuple[int, int] = SIZE_WH) -> None:
    """Write a film of two squares, so that boxes, points and frames of the examples lie in it."""
    width, height = size_wh
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(frames):
            image = np.ascontiguousarray(_picture(index)[:height, :width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())


def _picture(index: int) -> np.ndarray:
    image = np.full((SIZE_WH[1], SIZE_WH[0], 3), (40, 60, 40), np.uint8)
    image[50:300, 100 + index : 400 + index] = (230, 120, 60)
    image[150:250, 560:680] = (60, 90, 230)
    return image


def make_files(folder: Path) -> None:
    """Make what the examples name, in a folder of their own."""
    draw_video(folder / "video.mp4", FRAMES)
    draw_video(folder / "film.mp4", 3)
    draw_video(folder / "twins.mp4", 3)
    for name in ("footage", "frames", "photos", "det", "labels", "annotations/twins"):
        (folder / name).mkdir(parents=True)
    draw_video(folder / "footage/a.mp4", 2)
    box = {"type": "box", "object_id": 1, "frame_idx": 0, "box_xyxy_px": [100, 50, 400, 300]}
    prompts = json.dumps({"schema": 1, "prompts": [box]})
    for name in ("prompts.json", "twins.json", "footage/a.mp4.prompts.json"):
        (folder / name).write_text(prompts)
    for index in range(2):
        Image.fromarray(_picture(index)).save(folder / f"frames/{index:03}.png")
    Image.fromarray(_picture(0)).save(folder / "first_frame.png")
    for name in ("photo.jpg", "photos/a.jpg"):
        Image.fromarray(_picture(0)).resize((90, 50)).save(folder / name)
    mask = np.zeros(SIZE_WH[::-1], np.uint8)
    mask[50:300, 100:400] = 1
    for name in ("first.png", *(f"annotations/twins/{index:05}.png" for index in range(3))):
        image = Image.fromarray(mask)
        image.putpalette([0, 0, 0, 128, 0, 0])
        image.save(folder / name)
    found = [{"frame_idx": 0, "bbox": [100, 50, 300, 250], "track_id": 1}]
    (folder / "detections.json").write_text(json.dumps(found))
    (folder / "det/det.txt").write_text("1,1,101,50,300,250,0.9,-1,-1,-1\n")
    (folder / "labels/video_0.txt").write_text("0 0.35 0.44 0.42 0.62\n")
    of_tracks = folder / "runs/detect/track/labels"
    of_tracks.mkdir(parents=True)
    (of_tracks / "video_1.txt").write_text("0 0.35 0.44 0.42 0.62 0.9 1\n")
