"""One suite over every sink: what is written is what is read back, and failures are clean."""

from __future__ import annotations

import dataclasses
import json
import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vos.errors import OutputError
from vos.frame import Frame, FrameResult, ObjectResult
from vos.io.write.mask_png import read_label_png
from vos.io.write.masks import MaskSink
from vos.io.write.mattes import MatteSink, matte_name, read_matte
from vos.io.write.overlay.draw import draw_overlay
from vos.io.write.overlay.encode import to_yuv
from vos.io.write.overlay.sink import OverlaySink
from vos.io.write.sink import Sink
from vos.io.write.stats import StatsSink

Pair = tuple[Frame, FrameResult]
VFR = [Fraction(n, 90_000) for n in (0, 3003, 3004, 9000, 9750, 31_337, 90_001)]


@dataclass(frozen=True)
class Kind:
    """How a test makes a sink in a folder, and reads how many frames it holds."""

    make: Callable[[Path], Sink]
    target: str
    count: Callable[[Path], int]


def _count_video(path: Path) -> int:
    if not path.exists():
        return 0
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def _count_rows(path: Path) -> int:
    return len({json.loads(line)["frame_idx"] for line in path.read_text().splitlines()})


KINDS = {
    "masks": Kind(MaskSink, "masks", lambda path: len(list(path.glob("*.png")))),
    "mattes": Kind(MatteSink, "mattes", lambda path: len(list(path.glob("1/*.png")))),
    "overlay": Kind(
        lambda path: OverlaySink(path, time_base=Fraction(1, 90_000), frame_rate=Fraction(30)),
        "overlay.mp4",
        _count_video,
    ),
    "stats": Kind(StatsSink, "stats.jsonl", _count_rows),
}


@pytest.fixture(params=KINDS)
def kind(request) -> Kind:
    return KINDS[request.param]


def footage(
    count: int = 3,
    size_hw: tuple[int, int] = (36, 48),
    ids: Sequence[int] = (1, 255),
    times: Sequence[Fraction] | None = None,
    seed: int = 0,
) -> list[Pair]:
    """Noise with random labels; the last id has scores but never a pixel."""
    rng = np.random.default_rng(seed)
    pairs = []
    for index in range(count):
        pts = times[index] if times else Fraction(index, 30)
        image = rng.integers(0, 256, (*size_hw, 3), dtype=np.uint8)
        labels = rng.choice([0, *ids[:-1]], size_hw).astype(np.uint8)
        frame = Frame(image, pts, index, f"{index:05d}")
        objects = {object_id: ObjectResult(0.9, 4.0) for object_id in ids}
        noise = rng.integers(0, 256, size_hw, dtype=np.uint8)
        mattes = {one: np.where(labels == one, noise | 128, noise >> 1) for one in ids}
        result = FrameResult(index, pts, frame.name, labels, objects, mattes=mattes)
        pairs.append((frame, result))
    return pairs


def test_every_frame_arrives(kind, tmp_path):
    with kind.make(tmp_path / kind.target) as sink:
        for frame, result in footage(7):
            sink.write(frame, result)
    assert kind.count(tmp_path / kind.target) == 7
    assert sink.warnings == []


@pytest.mark.parametrize("size_hw", [(2, 2), (3, 5), (1, 64), (64, 1), (37, 53), (240, 426)])
def test_any_size(kind, tmp_path, size_hw):
    with kind.make(tmp_path / kind.target) as sink:
        for frame, result in footage(3, size_hw):
            sink.write(frame, result)
    assert kind.count(tmp_path / kind.target) == 3


def test_every_object_id(kind, tmp_path):
    with kind.make(tmp_path / kind.target) as sink:
        for frame, result in footage(2, (40, 60), range(1, 256)):
            sink.write(frame, result)
    assert kind.count(tmp_path / kind.target) == 2


def test_no_frame_at_all_is_no_error(kind, tmp_path):
    with kind.make(tmp_path / kind.target):
        pass
    assert kind.count(tmp_path / kind.target) == 0


def test_closing_twice_is_harmless_and_writing_after_it_is_not(kind, tmp_path):
    (frame, result), (later, later_result), *_ = footage()
    with kind.make(tmp_path / kind.target) as sink:
        sink.write(frame, result)
        sink.close()
        sink.close()
    assert kind.count(tmp_path / kind.target) == 1
    with pytest.raises(ValueError, match="closed"):
        sink.write(later, later_result)


def _write_all(sink: Sink, pairs: list[Pair], then: BaseException | None = None) -> None:
    with sink:
        for pair in pairs:
            sink.write(*pair)
        if then is not None:
            raise then


def test_an_error_inside_passes_through_and_frees_the_sink(kind, tmp_path):
    sink = kind.make(tmp_path / kind.target)
    with pytest.raises(KeyboardInterrupt):
        _write_all(sink, footage(), then=KeyboardInterrupt())
    with pytest.raises(ValueError, match="closed"):
        sink.write(*footage(1)[0])


def test_a_result_of_another_frame_is_our_bug(kind, tmp_path):
    (frame, _), (_, other), *_ = footage()
    with kind.make(tmp_path / kind.target) as sink:
        with pytest.raises(ValueError, match="differ"):
            sink.write(frame, other)
        with pytest.raises(ValueError, match="differ"):
            sink.write(footage(1, (10, 10))[0][0], footage(1, (10, 12))[0][1])


@pytest.fixture
def file_size_limit():
    """A full disk as any user can have one: no file may grow past 20 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_clear_error(kind, tmp_path, file_size_limit):
    pairs = footage(40, (240, 320), range(1, 30))
    with pytest.raises(OutputError, match=r"disk is full \(.*B left\).* another place") as caught:
        _write_all(kind.make(tmp_path / kind.target), pairs)
    assert "\n" not in str(caught.value)


def test_a_place_that_cannot_be_written_is_an_output_error(kind, tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match="choose another place"),
        kind.make(tmp_path / "file" / kind.target) as sink,
    ):
        sink.write(*footage(1)[0])


def test_masks_are_exact(tmp_path):
    pairs = footage(4, (37, 53), range(1, 256))
    with MaskSink(tmp_path / "deep" / "masks") as sink:
        for pair in pairs:
            sink.write(*pair)
    for frame, result in pairs:
        read = read_label_png(tmp_path / "deep" / "masks" / f"{frame.name}.png")
        assert np.array_equal(read, result.label_map)


def test_mattes_are_exact_and_only_of_objects_that_exist(tmp_path):
    pairs = footage(4, (37, 53), (1, 2, 255))
    early = pairs[0][1]
    without = {i: one for i, one in early.mattes.items() if i != 2}
    pairs[0] = pairs[0][0], dataclasses.replace(early, mattes=without)
    with MatteSink(tmp_path / "deep" / "mattes") as sink:
        for pair in pairs:
            sink.write(*pair)
    written = sorted(path for path in tmp_path.rglob("*.png"))
    assert len(written) == 4 * 3 - 1
    for frame, result in pairs:
        for object_id, matte in result.mattes.items():
            path = tmp_path / "deep" / "mattes" / matte_name(object_id, frame.name)
            assert np.array_equal(read_matte(path, frame.size_hw), matte)


@pytest.mark.parametrize("make", [MaskSink, MatteSink])
def test_two_frames_of_one_name_are_refused(make, tmp_path):
    (frame, result), (other, other_result), *_ = footage()
    other = Frame(other.image, other.pts, other.frame_idx, frame.name)
    with make(tmp_path) as sink:
        sink.write(frame, result)
        with pytest.raises(OutputError, match="two frames have this name"):
            sink.write(other, other_result)


@pytest.mark.parametrize(
    ("tick", "times"),
    [
        (Fraction(1, 90_000), VFR),
        (Fraction(1, 90_000), [t + Fraction(1001, 90_000) for t in VFR]),
        (Fraction(1, 30_000), [Fraction(1001 * n, 30_000) for n in range(8)]),
        (Fraction(1, 30_000), [Fraction(1001 * n, 30_000) for n in range(100_000, 100_008)]),
        (Fraction(1, 1000), [Fraction(n, 1000) for n in (0, 33, 67, 100, 133, 2000)]),
        (Fraction(1, 10**9), [Fraction(n, 10**9) for n in (7, 33_333_333, 66_666_667)]),
        (Fraction(1001, 30_000), [Fraction(1001 * n, 30_000) for n in range(5)]),
        (None, [Fraction(n, 24) for n in range(5)]),
    ],
)
def test_the_overlay_has_the_exact_times(tmp_path, tick, times):
    path = tmp_path / "o.mp4"
    with OverlaySink(path, time_base=tick, frame_rate=Fraction(24)) as sink:
        for pair in footage(len(times), times=times):
            sink.write(*pair)
    with av.open(str(path)) as container:
        assert [f.pts * f.time_base for f in container.decode(video=0)] == times


def test_the_last_picture_stays_as_long_as_the_one_before(tmp_path):
    path = tmp_path / "o.mp4"
    with OverlaySink(path, time_base=Fraction(1, 600), frame_rate=Fraction(25)) as sink:
        for pair in footage(50, times=[Fraction(n, 25) for n in range(50)]):
            sink.write(*pair)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.duration * stream.time_base == 2
        assert stream.average_rate == 25


def test_frames_out_of_order_are_our_bug_in_a_video(tmp_path):
    first, second, *_ = footage()
    with OverlaySink(tmp_path / "o.mp4", time_base=Fraction(1, 30)) as sink:
        sink.write(*second)
        with pytest.raises(ValueError, match="presentation order"):
            sink.write(*first)


@pytest.mark.parametrize(("size_hw", "matrix"), [((720, 32), 1), ((576, 32), 5)])
def test_colours_are_tagged_and_true(tmp_path, size_hw, matrix):
    path = tmp_path / "o.mp4"
    colour = np.array([200, 60, 90], dtype=np.uint8)
    image = np.broadcast_to(colour, (*size_hw, 3)).copy()
    labels = np.zeros(size_hw, dtype=np.uint8)
    with OverlaySink(path, frame_rate=Fraction(25)) as sink:
        sink.write(Frame(image, Fraction(0), 0, "0"), FrameResult(0, Fraction(0), "0", labels, {}))
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert frame.colorspace == matrix
        assert frame.color_range == 1
        decoded = frame.reformat(format="rgb24", src_colorspace=matrix).to_ndarray()
    assert np.abs(decoded.astype(int) - colour.astype(int)).max() <= 3


def test_an_odd_picture_is_padded_not_scaled(tmp_path):
    path = tmp_path / "o.mp4"
    ramp = np.linspace(0, 255, 53).astype(np.uint8)
    image = np.repeat(np.broadcast_to(ramp, (37, 53))[..., None], 3, axis=2).copy()
    empty = np.zeros((37, 53), dtype=np.uint8)
    with OverlaySink(path, frame_rate=Fraction(25)) as sink:
        sink.write(Frame(image, Fraction(0), 0, "0"), FrameResult(0, Fraction(0), "0", empty, {}))
    with av.open(str(path)) as container:
        decoded = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert decoded.shape == (38, 54, 3)
    assert np.abs(decoded[:37, :53].astype(int) - image.astype(int)).mean() < 2


def _stats(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_stats_rows(tmp_path):
    labels = np.zeros((20, 30), dtype=np.uint8)
    labels[2:5, 10:14] = 3
    pts = Fraction(1001, 30_000)
    frame = Frame(np.zeros((20, 30, 3), np.uint8), pts, 1, "a b")
    objects = {
        9: ObjectResult(float("nan"), -3.25),
        3: ObjectResult(np.float32(0.875), np.float32(7.5)),  # pyright: ignore
    }
    with StatsSink(tmp_path / "s.jsonl") as sink:
        sink.write(frame, FrameResult(1, pts, "a b", labels, objects, True, is_scene_cut=True))
    shared = {"frame_idx": 1, "name": "a b", "pts": "1001/30000", "pts_s": 1001 / 30_000}
    assert _stats(tmp_path / "s.jsonl") == [
        {
            **shared,
            "object_id": 3,
            "area_px": 12,
            "box_xyxy_px": [10, 2, 14, 5],
            "centroid_xy_px": [12, 3.5],
            "iou_pred": 0.875,
            "object_score": 7.5,
            "is_corrupt": True,
            "is_scene_cut": True,
        },
        {
            **shared,
            "object_id": 9,
            "area_px": 0,
            "box_xyxy_px": None,
            "centroid_xy_px": None,
            "iou_pred": None,
            "object_score": -3.25,
            "is_corrupt": True,
            "is_scene_cut": True,
        },
    ]


def test_stats_tracked_backward_come_out_in_order(tmp_path):
    with StatsSink(tmp_path / "s.jsonl") as sink:
        for pair in reversed(footage(12)):
            sink.write(*pair)
    rows = [(row["frame_idx"], row["object_id"]) for row in _stats(tmp_path / "s.jsonl")]
    assert rows == [(index, object_id) for index in range(12) for object_id in (1, 255)]


def _drawn(pair: Pair) -> Pair:
    """The same with its overlay drawn, as a device would."""
    frame, result = pair
    planes = to_yuv(draw_overlay(frame.image, result.label_map)).to_ndarray()
    return frame, dataclasses.replace(result, overlay_yuv=planes)


@pytest.mark.parametrize("size_hw", [(36, 48), (37, 53), (720, 34)])
def test_an_overlay_that_is_drawn_already_gives_the_same_video(tmp_path, size_hw):
    for name, prepare in (("drawn.mp4", lambda pair: pair), ("given.mp4", _drawn)):
        with OverlaySink(tmp_path / name, frame_rate=Fraction(30)) as sink:
            for pair in footage(5, size_hw):
                sink.write(*prepare(pair))
    assert (tmp_path / "given.mp4").read_bytes() == (tmp_path / "drawn.mp4").read_bytes()


def test_planes_of_another_size_are_our_bug(tmp_path):
    frame, result = footage(1)[0]
    for planes in (np.zeros((36, 48), np.uint8), np.zeros((54, 48), np.int16)):
        with (
            pytest.raises(ValueError, match="not the planes"),
            OverlaySink(tmp_path / "o.mp4", frame_rate=Fraction(30)) as sink,
        ):
            sink.write(frame, dataclasses.replace(result, overlay_yuv=planes))


def test_a_drawn_overlay_is_no_part_of_what_a_result_is():
    _, result = _drawn(footage(1)[0])
    assert result == dataclasses.replace(result, overlay_yuv=None)
    assert "overlay_yuv" not in repr(result)
