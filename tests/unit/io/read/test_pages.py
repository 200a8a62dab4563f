"""Stills that hold several pictures: every page is a frame, or the file is refused by name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from contract.clips import encode, picture, read_number, trim_losslessly
from vos.errors import InputError
from vos.io.read.open import open_source
from vos.io.read.random_access import RandomAccess
from vos.io.read.still import read_header, read_still


def images(count: int) -> list[Image.Image]:
    return [Image.fromarray(picture(number)) for number in range(count)]


def saved(path: Path, count: int, **options: object) -> Path:
    first, *rest = images(count)
    first.save(path, save_all=True, append_images=rest, **options)  # pyright: ignore[reportArgumentType]
    return path


def tiff(folder: Path) -> Path:
    return saved(folder / "stack.tif", 10)


def big_endian_name(folder: Path) -> Path:
    return saved(folder / "STACK.TIFF", 10, compression="tiff_lzw")


def apng(folder: Path) -> Path:
    return saved(folder / "anim.png", 10, duration=40)


def apng_by_another_name(folder: Path) -> Path:
    return saved(folder / "anim.png", 10, duration=40).rename(folder / "anim.apng")


def apng_with_poster(folder: Path) -> Path:
    """The first picture is for programs that know no animation, and no part of it."""
    poster = Image.fromarray(picture(99))
    path = folder / "anim.png"
    poster.save(path, save_all=True, append_images=images(10), default_image=True)
    return path


def webp(folder: Path) -> Path:
    return saved(folder / "anim.webp", 10, duration=40, lossless=True)


def webp_without_a_name(folder: Path) -> Path:
    return webp(folder).rename(folder / "download")


def tiff_with_thumbnails(folder: Path) -> Path:
    """Each picture followed by a small copy of itself, marked as such."""
    path = folder / "pyramid.tif"
    with TiffImagePlugin.AppendingTiffWriter(str(path), True) as file:
        for image in images(10):
            image.save(file, format="TIFF")
            file.newFrame()
            image.reduce(4).save(file, format="TIFF", tiffinfo={254: 1})
            file.newFrame()
    return path


ANIMATED = [
    tiff,
    big_endian_name,
    apng,
    apng_by_another_name,
    apng_with_poster,
    webp,
    webp_without_a_name,
    tiff_with_thumbnails,
]


@pytest.mark.parametrize("make", ANIMATED)
def test_every_page_is_a_frame(make: Callable[[Path], Path], tmp_path: Path) -> None:
    path = make(tmp_path)
    with open_source(path) as source:
        frames = list(source.frames())
        assert [read_number(frame.image) for frame in frames] == list(range(10))
        assert source.info.frame_count == 10
        assert source.info.kind == "images"
        assert source.info.names == tuple(frame.name for frame in frames)
        assert [frame.name for frame in frames] == [f"{idx:05d}" for idx in range(10)]
        assert [frame.pts for frame in frames] == [Fraction(idx, 24) for idx in range(10)]
        assert any("10 pictures" in line for line in source.warnings)
        backward = list(source.frames_reversed(8, 3, skip_to=7))
        assert [frame.frame_idx for frame in backward] == [7, 6, 5, 4, 3]
        assert all(np.array_equal(b.image, frames[b.frame_idx].image) for b in backward)
        with RandomAccess(source) as access:
            for idx in (9, 0, 4):
                assert np.array_equal(access.read(idx), frames[idx].image)


def test_a_stack_among_single_stills(tmp_path: Path) -> None:
    saved(tmp_path / "b.tif", 3)
    for name in ("a.tif", "c.tif"):
        Image.fromarray(picture(7)).save(tmp_path / name)
    with open_source(tmp_path) as source:
        numbers = [read_number(frame.image) for frame in source.frames()]
        assert numbers == [7, 0, 1, 2, 7]
        assert source.info.names == ("a", "b_00000", "b_00001", "b_00002", "c")


def test_one_image_is_meant(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds 10 pictures where one is meant"):
        read_still(tiff(tmp_path))


def test_the_other_pictures_of_a_photo_are_no_frames(tmp_path: Path) -> None:
    path = saved(tmp_path / "photo.jpg", 2, format="MPO")
    with open_source(path) as source:
        assert [read_number(frame.image) for frame in source.frames()] == [0]
        assert source.info.kind == "image"


def test_pages_of_two_sizes(tmp_path: Path) -> None:
    path = tmp_path / "odd.tif"
    Image.fromarray(picture(0)).save(
        path, save_all=True, append_images=[Image.fromarray(picture(1, 80, 48))]
    )
    with open_source(path) as source, pytest.raises(InputError, match=r"page 2 of .*odd\.tif"):
        list(source.frames())


def test_a_stack_that_promises_more_than_it_has_pages_for(tmp_path: Path) -> None:
    path = tmp_path / "large.tif"
    text = "ImageJ=1.54f\nimages=30\nslices=30\nloop=false\n"
    Image.fromarray(picture(0)).save(path, tiffinfo={270: text})
    with pytest.raises(InputError, match=r"promises 30 pictures .* 1 only"):
        open_source(path)


def test_an_animation_that_ends_early(tmp_path: Path) -> None:
    whole = apng(tmp_path).read_bytes()
    cut = tmp_path / "cut.png"
    cut.write_bytes(whole[: len(whole) // 2])
    with open_source(cut) as source, pytest.raises(InputError, match=r"page \d+ of 10"):
        list(source.frames())


@pytest.mark.parametrize("mode", ["RGB", "L", "1"])
def test_pixmaps_behind_one_another(mode: str, tmp_path: Path) -> None:
    one = tmp_path / "one.ppm"
    images(1)[0].convert(mode).save(one)
    assert read_header(one).page_count == 1
    several = tmp_path / "several.ppm"
    several.write_bytes(one.read_bytes() * 3)
    with pytest.raises(InputError, match="several pictures"):
        open_source(several)


def heif(brand: bytes) -> bytes:
    return b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + b"\0\0\0\x08meta"


@pytest.mark.parametrize("name", ["photo.heic", "photo.HEIF", "photo.jpg", "clip.mp4", "photo"])
def test_heic_without_its_package(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for brand in (b"heic", b"heix", b"mif1"):
        (tmp_path / name).write_bytes(heif(brand))
        with pytest.raises(InputError, match=r"HEIC .*pip install 'vos\[heif\]'"):
            open_source(tmp_path / name)
    with pytest.raises(InputError, match=r"pip install 'vos\[heif\]'"):
        read_still(tmp_path / name)


def test_heic_is_read_whole(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    images(1)[0].save(tmp_path / "one.heic", quality=-1)
    with open_source(tmp_path / "one.heic") as source:
        assert [read_number(frame.image) for frame in source.frames()] == [0]


def test_avif_is_a_still(tmp_path: Path) -> None:
    folder = tmp_path / "avif"
    folder.mkdir()
    for number, image in enumerate(images(3)):
        image.save(folder / f"{number}.avif", speed=10)
    with open_source(folder) as source:
        assert [read_number(frame.image) for frame in source.frames()] == [0, 1, 2]


def test_animated_avif_keeps_its_times(tmp_path: Path) -> None:
    path = saved(tmp_path / "anim.avif", 4, duration=100, speed=10)
    with open_source(path) as source:
        frames = list(source.frames())
        assert [read_number(frame.image) for frame in frames] == [0, 1, 2, 3]
        assert [frame.pts for frame in frames] == [Fraction(idx, 10) for idx in range(4)]


@pytest.mark.parametrize(("name", "kind"), [("photo.3fr", "TIFF"), ("photo.nef", "camera raw")])
def test_a_tiff_by_another_name(name: str, kind: str, tmp_path: Path) -> None:
    path = tiff(tmp_path).rename(tmp_path / name)
    with pytest.raises(InputError, match=f"{name}: a {kind}"):
        open_source(path)


@pytest.mark.parametrize("delays_ms", [[100] * 6, [30, 30, 40] * 10, [0] * 30])
def test_gif_delays_are_no_reason_for_alarm(delays_ms: list[int], tmp_path: Path) -> None:
    path = saved(tmp_path / "a.gif", len(delays_ms), duration=delays_ms, loop=0)
    with open_source(path) as source:
        frames = list(source.frames())
        assert [read_number(frame.image) for frame in frames] == list(range(len(delays_ms)))
        assert not source.warnings


def test_a_cover_is_no_video_stream(tmp_path: Path) -> None:
    import av
    from av.stream import Disposition

    cover = tmp_path / "cover.png"
    images(1)[0].save(cover)
    clip = encode(tmp_path / "plain.mp4", 3)
    path = tmp_path / "covered.mp4"
    with av.open(str(path), "w") as out, av.open(str(clip)) as film, av.open(str(cover)) as art:
        targets = [out.add_stream_from_template(c.streams.video[0]) for c in (film, art)]
        targets[1].disposition = Disposition.attached_pic
        for target, source in zip(targets, (film, art), strict=True):
            for packet in source.demux(video=0):
                if packet.size:
                    packet.stream = target
                    out.mux(packet)
    with open_source(path) as source:
        assert len(list(source.frames())) == 3
        assert source.info.video_stream_count == 1
        assert not source.warnings


def test_decord_is_held_to_the_same_count(tmp_path: Path) -> None:
    pytest.importorskip("decord")
    whole = encode(tmp_path / "whole.mp4", 60)
    with open_source(whole, decoder="decord") as source:
        list(source.frames())
        assert not source.warnings
    trimmed = trim_losslessly(whole, tmp_path / "trimmed.mp4", first=20, count=35, ticks=512)
    with open_source(trimmed, decoder="decord") as source:
        assert any("where the file shows 35" in line for line in source.warnings)
    cut = encode(tmp_path / "whole.mkv", 60)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    with open_source(cut, decoder="decord") as source:
        list(source.frames())
        assert any("cut short" in line for line in source.warnings)
