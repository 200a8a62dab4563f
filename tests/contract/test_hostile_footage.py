"""What real files do to a reader: odd names, damage, foreign content, odd pixels, no permission."""

from __future__ import annotations

import ctypes
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
from PIL import Image

from contract import clips
from contract.clips import encode, picture, read_number
from vos.errors import InputError, UsageError
from vos.io.read import video_index
from vos.io.read.open import open_source
from vos.io.read.random_access import RandomAccess

SHARED = Path(os.environ.get("VOS_SHARED", Path(__file__).parents[2] / ".." / "shared"))
VIDEOS = SHARED / "data" / "videos"


def refusal(path: Path | str) -> str:
    """The one line said about an input that cannot be read."""
    with pytest.raises(InputError) as caught:
        list(open_source(path).frames())
    message = str(caught.value)
    assert message.isprintable(), "one line, no control characters"
    return message


NAMES = [
    "with space",
    "col:on",
    "http:",
    "per%cent %03d %",
    'quo\'te "double"',
    "new\nline\ttab",
    "unicode é 日本 🎬",
    "-leading-dash",
    "[brackets] *star?",
    "back\\slash",
    "concat:a|b",
    "$(echo) `x` ;&",
]


@pytest.mark.skipif(sys.platform == "win32", reason="such names exist on Unix only")
@pytest.mark.parametrize("name", NAMES)
def test_hostile_names(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = encode(tmp_path / "clip.mp4", 3)
    (tmp_path / f"{name}.mp4").write_bytes(clip.read_bytes())
    Image.fromarray(picture(5)).save(tmp_path / "still.png")
    (tmp_path / name).mkdir()
    (tmp_path / name / f"{name}.png").write_bytes((tmp_path / "still.png").read_bytes())
    (tmp_path / name / "videos").mkdir()
    (tmp_path / name / "videos/clip.mp4").write_bytes(clip.read_bytes())
    monkeypatch.chdir(tmp_path)
    for video in (f"{name}.mp4", tmp_path / f"{name}.mp4", f"{name}/videos/clip.mp4"):
        assert [read_number(frame.image) for frame in open_source(video).frames()] == [0, 1, 2]
    for stills in (name, f"{name}/{name}.png"):
        source = open_source(stills)
        assert [read_number(frame.image) for frame in source.frames()] == [5]
        assert source.info.names == (name,)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_name_that_is_not_utf8(tmp_path: Path) -> None:
    clip = encode(tmp_path / "clip.mp4", 30)
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    shutil.copy(clip, odd)
    source = open_source(odd)
    assert [read_number(frame.image) for frame in source.frames()] == list(range(30))
    assert len(list(source.frames_reversed(29))) == 30
    odd.write_bytes(b"")
    assert "empty" in refusal(odd)


def test_missing_empty_and_foreign_files(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "nothing.mp4")
    assert "no such file" in refusal(tmp_path / "nothing.png")
    assert "empty name" in refusal("")
    empty = tmp_path / "empty.mp4"
    empty.touch()
    assert "empty.mp4: the file is empty" in refusal(empty)
    text = tmp_path / "text.mp4"
    text.write_text("these are the words of a text\n" * 100)
    assert "text.mp4: not a video" in refusal(text)
    notes = tmp_path / "notes.txt"
    notes.write_text("FFmpeg would draw this text as a video\n" * 100)
    assert "notes.txt: no video stream" in refusal(notes)
    fifo = tmp_path / "pipe.mp4"
    os.mkfifo(fifo)
    assert "not a regular file" in refusal(fifo)


def test_audio_only(tmp_path: Path) -> None:
    sound = tmp_path / "sound.wav"
    with wave.open(str(sound), "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(bytes(16000))
    assert "sound.wav: no video stream" in refusal(sound)


def test_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as out:
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        sound = out.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        out.mux(cover.encode(av.VideoFrame.from_ndarray(picture(0, 64, 64), format="rgb24")))
        out.mux(cover.encode())
        out.mux(sound.encode(frame))
        out.mux(sound.encode())
    assert "song.mp4: only a cover picture" in refusal(path)


def test_playlists_reach_nothing_outside(tmp_path: Path) -> None:
    path = tmp_path / "list.mp4"
    path.write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"
    )
    assert "list.mp4" in refusal(path)


def test_folders_without_pictures(tmp_path: Path) -> None:
    assert "it is empty" in refusal(tmp_path)
    encode(tmp_path / "a.mp4", 2)
    (tmp_path / "sub.jpg").mkdir()
    assert "no images in this folder (2 other entries)" in refusal(tmp_path)
    assert "matches 1 paths" in refusal(str(tmp_path / "*.mp4"))
    assert "matches 0 paths" in refusal(str(tmp_path / "*.png"))


@contextmanager
def without_privileges() -> Iterator[None]:
    """File access as an ordinary user for this thread, even where tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None)
    libc.setfsuid(65534)
    try:
        yield
    finally:
        libc.setfsuid(0)


@pytest.mark.skipif(sys.platform != "linux", reason="drops privileges the Linux way")
def test_unreadable_permissions() -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        clip = encode(folder / "secret.mp4", 2)
        shots = clips.write_stills(folder / "shots", ["a.png", "b.png"])
        closed = clips.write_stills(folder / "closed", ["a.png"])
        clip.chmod(0)
        (shots / "b.png").chmod(0)
        closed.chmod(0)
        with without_privileges():
            if os.access(clip, os.R_OK, effective_ids=True) and os.geteuid() != 0:
                pytest.skip("this file system knows no permissions")
            assert "secret.mp4: cannot be read (permission denied)" in refusal(clip)
            assert "b.png: cannot be read (permission denied)" in refusal(shots)
            assert "closed: cannot be read (permission denied)" in refusal(closed)
            assert "cannot be read (permission denied)" in refusal(closed / "a.png")
        closed.chmod(0o755)


def test_one_broken_still(tmp_path: Path) -> None:
    folder = clips.write_stills(tmp_path / "shots", [f"{i}.jpg" for i in range(4)])
    whole = (folder / "2.jpg").read_bytes()
    (folder / "2.jpg").write_bytes(whole[: len(whole) * 9 // 10])
    source = open_source(folder)
    frames = source.frames()
    assert [next(frames).name, next(frames).name] == ["0", "1"]
    with pytest.raises(InputError, match=r"2\.jpg: broken image"):
        next(frames)
    (folder / "2.jpg").write_text("hello")
    assert "2.jpg: not an image despite its name" in refusal(folder)
    (folder / "2.jpg").write_bytes(b"")
    assert "2.jpg: the file is empty" in refusal(folder)


def test_mixed_sizes_name_both(tmp_path: Path) -> None:
    folder = clips.write_stills(tmp_path / "shots", ["1.png", "2.png"])
    Image.fromarray(picture(2, 80, 48)).save(folder / "3.png")
    with pytest.raises(InputError, match=r"1\.png is 160x96, \S*3\.png is 80x48"):
        open_source(folder)
    Image.fromarray(picture(2, 96, 160)).save(folder / "3.png")
    assert "3.png is 96x160" in refusal(folder)


def test_two_stills_of_one_name(tmp_path: Path) -> None:
    folder = clips.write_stills(tmp_path / "shots", ["1.png", "1.jpg", "2.png"])
    message = refusal(folder)
    assert "1.png" in message
    assert "1.jpg" in message


def test_truncated_mp4(tmp_path: Path) -> None:
    clip = encode(tmp_path / "cut.mp4", 120, container_options={"movflags": "faststart"})
    whole = clip.read_bytes()
    clip.write_bytes(whole[: len(whole) * 6 // 10])
    source = open_source(clip)
    frames = list(source.frames())
    assert 40 < len(frames) < 80
    sound = [frame for frame in frames if not frame.is_corrupt]
    assert [read_number(frame.image) for frame in sound] == [frame.frame_idx for frame in sound]
    assert len(sound) >= len(frames) - 1
    assert source.info.frame_count == 120
    warning = f"cut.mp4: ends after {len(frames)} of about 120 frames"
    assert any(warning in line and "of 4.80 s" in line for line in source.warnings)
    backward_frames = list(open_source(clip).frames_reversed(len(frames) - 1))
    assert [f.frame_idx for f in backward_frames] == [f.frame_idx for f in frames[::-1]]


def test_index_at_the_end_cut_off(tmp_path: Path) -> None:
    clip = encode(tmp_path / "cut.mp4", 20)
    clip.write_bytes(clip.read_bytes()[:1000])
    assert "cut.mp4: not a video FFmpeg can read" in refusal(clip)


def _damage(path: Path, offset: int, length: int) -> None:
    data = bytearray(path.read_bytes())
    for position in range(offset, offset + length):
        data[position] ^= 0x5A
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("mp4", {}),
        ("mov", {"codec": "prores_ks", "pixel_format": "yuv422p10le"}),
        ("mkv", {"codec": "ffv1"}),
    ],
)
def test_damaged_pictures_are_flagged_and_kept(
    suffix: str, options: dict[str, Any], tmp_path: Path
) -> None:
    count = 60
    clip = encode(tmp_path / f"damaged.{suffix}", count, **options)
    _damage(clip, clip.stat().st_size // 2, 300)
    source = open_source(clip)
    frames = list(source.frames())
    assert [frame.frame_idx for frame in frames] == list(range(count))
    corrupt = [frame.frame_idx for frame in frames if frame.is_corrupt]
    assert 0 < len(corrupt) < 12
    assert all(a.pts < b.pts for a, b in itertools.pairwise(frames))
    assert frames[-1].pts == Fraction(count - 1, 25)
    for frame in frames[: corrupt[0]]:
        assert read_number(frame.image) == frame.frame_idx
    assert any(f"the first is {corrupt[0]}f" in line for line in source.warnings)
    backward_frames = list(source.frames_reversed(count - 1))[::-1]
    assert [f.is_corrupt for f in backward_frames] == [f.is_corrupt for f in frames]


def test_pictures_lost_to_the_decoder_repeat_the_one_before(tmp_path: Path) -> None:
    clip = encode(tmp_path / "lost.avi", 20, codec="mjpeg", pixel_format="yuvj420p")
    with av.open(str(clip)) as container:
        packets = [packet for packet in container.demux() if packet.size]
        start, size = packets[7].pos, packets[7].size
    data = bytearray(clip.read_bytes())
    data[start : start + size] = bytes(size)
    clip.write_bytes(data)
    frames = list(open_source(clip).frames())
    assert [frame.is_corrupt for frame in frames] == [i == 7 for i in range(20)]
    assert np.array_equal(frames[7].image, frames[6].image)
    assert read_number(frames[8].image) == 8


def test_pictures_missing_in_the_middle_are_told(tmp_path: Path) -> None:
    clip = encode(tmp_path / "gap.ts", 100)
    data = clip.read_bytes()
    packet = 188
    third = len(data) // packet // 3 * packet
    clip.write_bytes(data[:third] + data[2 * third :])
    source = open_source(clip)
    frames = list(source.frames())
    assert len(frames) < 90
    assert [frame.frame_idx for frame in frames] == list(range(len(frames)))
    assert any("promise about 100" in line for line in source.warnings)


def _plane_clip(path: Path, size_wh: tuple[int, int], tag: int | None) -> Path:
    """Two flat frames of Y 100, Cb 90, Cr 200; lossless, with the given matrix tag."""

    def prepare(stream: Any) -> None:
        if tag is not None:
            stream.codec_context.colorspace = tag

    width, height = size_wh
    planes = np.concatenate(
        [
            np.full(height * width, 100, np.uint8),
            np.full(height * width // 4, 90, np.uint8),
            np.full(height * width // 4, 200, np.uint8),
        ]
    ).reshape(height * 3 // 2, width)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        prepare(stream)
        for _ in range(2):
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            if tag is not None:
                frame.colorspace = tag
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def _rgb(matrix: str) -> np.ndarray:
    """The studio-range triple above through the standard's equations (ITU-R BT.601-7, BT.709-6)."""
    red, blue = {"601": (0.299, 0.114), "709": (0.2126, 0.0722)}[matrix]
    green = 1 - red - blue
    luma, cb, cr = (100 - 16) / 219, (90 - 128) / 224, (200 - 128) / 224
    r, b = luma + 2 * (1 - red) * cr, luma + 2 * (1 - blue) * cb
    return np.clip(255 * np.array([r, (luma - red * r - blue * b) / green, b]), 0, 255)


@pytest.mark.parametrize(
    ("size_wh", "tag", "matrix"),
    [
        ((1280, 720), None, "709"),
        ((960, 718), None, "601"),
        ((1280, 720), 6, "601"),
        ((320, 240), 1, "709"),
        ((320, 240), None, "601"),
    ],
)
def test_matrix_of_tagged_and_untagged_video(
    size_wh: tuple[int, int], tag: int | None, matrix: str, tmp_path: Path
) -> None:
    source = open_source(_plane_clip(tmp_path / "flat.mp4", size_wh, tag))
    image = next(source.frames()).image
    assert np.abs(image.reshape(-1, 3) - _rgb(matrix)).max() < 4  # the matrices differ by 15
    assert ("assumed" in (source.info.color_space or "")) == (tag is None)


def test_pixel_aspect_is_noted_not_applied(tmp_path: Path) -> None:
    def squeeze(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)

    source = open_source(encode(tmp_path / "dv.mp4", 2, prepare=squeeze))
    assert source.info.pixel_aspect == Fraction(4, 3)
    assert source.info.size_hw == (clips.HEIGHT, clips.WIDTH)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_rotation_equals_ffmpegs_autorotate(turn: int, tmp_path: Path) -> None:
    clip = encode(tmp_path / "turned.mov", 2, rotation_deg=turn)
    upright = open_source(encode(tmp_path / "straight.mov", 2)).frames()
    filters = {90: ["cclock"], 180: ["cclock", "cclock"], 270: ["clock"]}[turn]
    for frame, straight in zip(open_source(clip).frames(), upright, strict=True):
        graph = av.filter.Graph()
        chain = [
            graph.add_buffer(
                width=clips.WIDTH, height=clips.HEIGHT, format="rgb24", time_base=Fraction(1, 25)
            )
        ]
        chain += [graph.add("transpose", direction) for direction in filters]
        chain.append(graph.add("buffersink"))
        graph.link_nodes(*chain).configure()
        plain = av.VideoFrame.from_ndarray(straight.image, format="rgb24")
        plain.pts, plain.time_base = 0, Fraction(1, 25)
        graph.push(plain)
        assert np.array_equal(frame.image, graph.pull().to_ndarray())


def test_container_clock_of_a_late_start(tmp_path: Path) -> None:
    source = open_source(encode(tmp_path / "late.ts", 5))
    assert next(source.frames()).pts == 0
    with av.open(str(tmp_path / "late.ts")) as container:
        first = next(container.decode(video=0))
        assert first.pts is not None
        assert first.time_base is not None
        assert source.info.start_time == first.pts * first.time_base > 0


def test_missing_times_are_said(tmp_path: Path) -> None:
    source = open_source(encode(tmp_path / "raw.h264", 5, file_format="h264"))
    list(source.frames())
    assert any("5 frames carry no time" in line for line in source.warnings)


@pytest.mark.parametrize("rate", [Fraction(25), clips.NTSC, Fraction(60), Fraction(5)])
@pytest.mark.parametrize("length", [4, 7, 24, 50])
def test_joined_recordings_stay_in_order(length: int, rate: Fraction, tmp_path: Path) -> None:
    one = encode(tmp_path / "one.ts", length, rate=rate).read_bytes()
    both = tmp_path / "both.ts"
    both.write_bytes(one * 3)
    frames = list(open_source(both).frames())
    assert len(frames) == 3 * length
    gaps = [(b.pts - a.pts) * rate for a, b in itertools.pairwise(frames)]
    assert max(abs(gap - 1) for gap in gaps) < Fraction(1, 100)


def test_a_change_of_size_is_scaled_and_said(tmp_path: Path) -> None:
    small = encode(tmp_path / "small.ts", 50).read_bytes()
    large = encode(tmp_path / "large.ts", 50, size_wh=(320, 192)).read_bytes()
    both = tmp_path / "both.ts"
    both.write_bytes(small + large)
    source = open_source(both)
    frames = list(source.frames())
    assert {frame.size_hw for frame in frames} == {source.info.size_hw} == {(96, 160)}
    assert [read_number(frame.image) for frame in frames] == [*range(50), *range(50)]
    assert any("50 frames were scaled" in line for line in source.warnings)


def test_audio_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = clips.WIDTH, clips.HEIGHT, "yuv420p"
        sound = out.add_stream("aac", rate=8000)
        for number in range(5):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            out.mux(video.encode(frame))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), "fltp", "mono")
        silence.sample_rate = 8000
        out.mux(sound.encode(silence))
        out.mux(video.encode())
        out.mux(sound.encode())
    source = open_source(path)
    assert source.info.has_audio
    assert len(list(source.frames())) == 5
    assert source.warnings == []  # two seconds of sound are no missing pictures


def test_backward_seeks_in_sound_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = 0
    real: Callable[..., Iterator[Any]] = video_index.decode_frames

    def counting(*arguments: Any, **keywords: Any) -> Iterator[Any]:
        nonlocal decoded
        for decoded_picture in real(*arguments, **keywords):
            decoded += 1
            yield decoded_picture

    monkeypatch.setattr(video_index, "decode_frames", counting)
    source = open_source(encode(tmp_path / "long.mp4", 250))
    assert [f.frame_idx for f in source.frames_reversed(249)] == list(range(250))[::-1]
    assert decoded < 250 * 2.5  # once to index, once more with at most a GOP's run-up per chunk


def test_backward_distrusts_a_seek_that_lands_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """x264 without key frames (periodic intra refresh): decoding from the middle is inexact."""
    options = {"x264-params": "intra-refresh=1:keyint=30:bframes=0"}
    source = open_source(encode(tmp_path / "refresh.mp4", 90, options=options))
    forward = list(source.frames())
    reverse = list(source.frames_reversed(89))
    for one, other in zip(forward, reverse[::-1], strict=True):
        assert np.array_equal(one.image, other.image)
    with RandomAccess(source) as frames:
        for frame_idx in (70, 12, 89, 45, 44, 43, 71):
            assert np.array_equal(frames.read(frame_idx), forward[frame_idx].image)


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    source = open_source(encode(tmp_path / "long.mp4", 500, size_wh=(256, 144)))
    process = psutil.Process()
    for reading in (source.frames(), source.frames_reversed(499)):
        settled = 0
        for shown, _ in enumerate(reading):
            if shown == 100:
                settled = process.memory_info().rss
        assert process.memory_info().rss - settled < 12e6  # the pictures after that are 44 MB


def test_many_openings_leak_no_files(tmp_path: Path) -> None:
    clip = encode(tmp_path / "clip.mp4", 3)
    process = psutil.Process()
    before = process.num_fds()
    for _ in range(50):
        source = open_source(clip)
        next(source.frames())
        next(source.frames_reversed(2))
    assert process.num_fds() == before


def test_unknown_and_missing_decoders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = encode(tmp_path / "clip.mp4", 3)
    with pytest.raises(UsageError, match="use 'pyav'"):
        open_source(clip, decoder="opencv")  # pyright: ignore[reportArgumentType]
    monkeypatch.setitem(sys.modules, "decord", None)
    with pytest.raises(UsageError, match="'decord' is not installed"):
        open_source(clip, decoder="decord")


def test_decord_says_what_it_cannot_read(tmp_path: Path) -> None:
    pytest.importorskip("decord", reason="the extra `decord` is not installed")
    clip = encode(tmp_path / "cut.mp4", 60, container_options={"movflags": "faststart"})
    whole = clip.read_bytes()
    clip.write_bytes(whole[: len(whole) * 6 // 10])
    script = (
        "import sys; from vos.io.read.open import open_source\n"
        "from vos.errors import InputError\n"
        "try: list(open_source(sys.argv[1], decoder='decord').frames())\n"
        "except InputError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", script, clip], capture_output=True, text=True)
    assert "decord" in run.stdout
    assert "pyav" in run.stdout


@pytest.mark.skipif(not VIDEOS.is_dir(), reason="needs the shared test videos (VOS_SHARED)")
@pytest.mark.parametrize(
    ("name", "count", "rate"),
    [
        ("sam2_01_dog.mp4", 289, Fraction(30000, 1001)),
        ("sam2_04_coffee.mp4", 287, Fraction(30000, 1001)),
        ("sam2_05_default_juggle.mp4", 247, Fraction(24)),
        ("sam2_bedroom.mp4", 200, Fraction(30)),
        ("torchcodec_nasa_13013.mp4", 390, Fraction(30000, 1001)),
    ],
)
def test_real_videos(name: str, count: int, rate: Fraction) -> None:
    source = open_source(VIDEOS / name)
    times = [frame.pts for frame in source.frames()]
    assert times == [i / rate for i in range(count)]
    assert source.info.frame_count == count
    streams = source.info.video_stream_count
    assert bool(source.warnings) == (streams > 1)
    if streams > 1:
        assert source.info.size_hw == (270, 480)


@pytest.mark.skipif(not VIDEOS.is_dir(), reason="needs the shared test videos (VOS_SHARED)")
def test_the_same_clip_as_video_and_as_folder() -> None:
    video = open_source(VIDEOS / "pumavos_chair.mp4")
    folder = open_source(SHARED / "data" / "vos" / "PUMaVOS" / "JPEGImages" / "chair")
    pairs = list(zip(video.frames(), folder.frames(), strict=True))
    assert len(pairs) == 60
    for moving, still in pairs:
        assert still.name == f"frame_{moving.frame_idx:06d}"
        assert np.abs(moving.image.astype(int) - still.image).mean() < 8
