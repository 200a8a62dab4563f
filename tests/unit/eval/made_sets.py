"""Small data sets for the evaluator: palette masks with discs that move."""

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (40, 60)
PALETTE = [value for i in range(256) for value in (i, 255 - i, i // 2)]


def save(path: Path, labels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(labels)
    image.putpalette(PALETTE)
    image.save(path)


def disc(x: float, y: float = 20, radius: float = 7) -> np.ndarray:
    rows, columns = np.ogrid[: SIZE[0], : SIZE[1]]
    return (rows - y) ** 2 + (columns - x) ** 2 < radius**2


def labels_of(shapes: dict[int, np.ndarray]) -> np.ndarray:
    """A label map of the shapes by object id, later ones above."""
    labels = np.zeros(SIZE, np.uint8)
    for object_id, shape in shapes.items():
        labels[shape] = object_id
    return labels


def write_video(folder: Path, frames: list[dict[int, np.ndarray]]) -> None:
    for number, shapes in enumerate(frames):
        save(folder / f"{number:05d}.png", labels_of(shapes))


def moving(ids: tuple[int, ...], shift: float = 0, frames: int = 6) -> list[dict[int, np.ndarray]]:
    """Discs side by side that go right by a pixel a frame; `shift` is a tracker's error."""
    return [{i: disc(10 + 18 * k + n + shift) for k, i in enumerate(ids)} for n in range(frames)]


def write_davis(
    root: Path, videos: dict[str, tuple[int, ...]], shifts: dict[str, float], frames: int = 6
) -> None:
    """Write ROOT/gt as DAVIS lays it out, and one folder of predictions per name in `shifts`."""
    for number, (video, ids) in enumerate(videos.items()):
        write_video(root / f"gt/Annotations/480p/{video}", moving(ids, frames=frames))
        for name, shift in shifts.items():
            own = shift * (1 + number % 3) / 2
            write_video(root / name / video, moving(ids, own, frames))
    (root / "gt/ImageSets/2017").mkdir(parents=True, exist_ok=True)
    (root / "gt/ImageSets/2017/val.txt").write_text("\n".join(videos) + "\n")
