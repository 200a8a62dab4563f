"""HDR to SDR, against the published formulas written down a second time, in plain floats."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace
from hypothesis import given
from hypothesis import strategies as st

from contract.clips import encode, picture, read_number
from vos.errors import UsageError
from vos.io.read.open import open_source
from vos.io.read.tone_map import HdrForm, tone_map

PQ, HLG = 16, 18
TO_709 = (  # ITU-R BT.2087
    (1.6605, -0.5876, -0.0728),
    (-0.1246, 1.1329, -0.0083),
    (-0.0182, -0.1006, 1.1187),
)
signals = st.floats(0, 1)
forms = st.sampled_from([HdrForm(False), HdrForm(False, peak_nits=4000.0), HdrForm(True)])


def pq_eotf(signal: float) -> float:
    root = signal ** (1 / 78.84375)
    ratio = max(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
    return 10_000 * ratio ** (1 / 0.1593017578125)


def pq_inverse(nits: float) -> float:
    power = (nits / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hlg_nits(rgb: tuple[float, float, float]) -> list[float]:
    scene = [
        e * e / 3 if e <= 0.5 else (math.exp((e - 0.55991073) / 0.17883277) + 0.28466892) / 12
        for e in rgb
    ]
    luma = 0.2627 * scene[0] + 0.678 * scene[1] + 0.0593 * scene[2]
    return [1000 * luma**0.2 * light for light in scene]


def bt2390(nits: float, peak: float, target: float) -> float:
    e1 = min(pq_inverse(nits) / pq_inverse(peak), 1)
    top = pq_inverse(target) / pq_inverse(peak)
    ks = 1.5 * top - 0.5
    if e1 < ks:
        return nits
    t = (e1 - ks) / (1 - ks)
    e2 = (2 * t**3 - 3 * t**2 + 1) * ks
    e2 += (t**3 - 2 * t**2 + t) * (1 - ks) + (-2 * t**3 + 3 * t**2) * top
    return pq_eotf(e2 * pq_inverse(peak))


def reference(rgb: tuple[float, float, float], form: HdrForm) -> list[float]:
    nits = hlg_nits(rgb) if form.is_hlg else [pq_eotf(e) for e in rgb]
    largest = max(nits)
    gain = bt2390(largest, form.peak_nits, 203) / largest if largest else 0
    light = [sum(m * n for m, n in zip(row, nits, strict=True)) * gain / 203 for row in TO_709]
    return [255 * min(max(one, 0), 1) ** (1 / 2.4) for one in light]


def mapped(rgb: tuple[float, float, float], form: HdrForm) -> list[int]:
    codes = np.rint(np.array(rgb) * 65535).astype(np.uint16).reshape(1, 1, 3)
    return tone_map(codes, form)[0, 0].tolist()


def test_equals_the_formulas_for_any_colour() -> None:
    rng = np.random.default_rng(5)
    for form in (HdrForm(False), HdrForm(False, peak_nits=4000.0), HdrForm(True)):
        colours = rng.integers(0, 4096, (600, 3)) / 4095
        codes = np.rint(colours * 65535).astype(np.uint16).reshape(20, 30, 3)
        ours = tone_map(codes, form).reshape(-1, 3)
        theirs = np.array([reference(tuple(one), form) for one in colours])
        # Where a channel nearly vanishes, 255 * x ** (1 / 2.4) is steep.
        off = np.abs(ours - theirs)
        assert off.max() < 4
        assert np.quantile(off, 0.99) < 1.5


@given(signals, forms)
def test_greys_stay_grey(signal: float, form: HdrForm) -> None:
    red, green, blue = mapped((signal, signal, signal), form)
    assert max(red, green, blue) - min(red, green, blue) <= 1
    assert abs(green - reference((signal, signal, signal), form)[1]) <= 1


@given(forms)
def test_brighter_is_never_darker(form: HdrForm) -> None:
    ramp = np.repeat(np.arange(0, 65536, 16, dtype=np.uint16)[:, None], 3, axis=1)[None]
    out = tone_map(ramp, form)[0, :, 1].astype(int)
    assert (np.diff(out) >= 0).all()
    assert (out[0], out[-1]) == (0, 255)


def test_known_points() -> None:
    white = pq_inverse(203)
    assert mapped((white,) * 3, HdrForm(False, peak_nits=203.0)) == [255, 255, 255]
    assert mapped((pq_inverse(1000),) * 3, HdrForm(False)) == [255, 255, 255]
    dim = pq_inverse(50)  # below the knee nothing changes
    assert mapped((dim,) * 3, HdrForm(False)) == [round(255 * (50 / 203) ** (1 / 2.4))] * 3
    # BT.2408: diffuse white is 58 % of PQ and 75 % of HLG.
    pq, hlg = mapped((0.58,) * 3, HdrForm(False))[0], mapped((0.75,) * 3, HdrForm(True))[0]
    assert abs(pq - hlg) <= 2
    assert 215 < pq < 245


@pytest.mark.parametrize("primaries", [1, 12])
def test_other_primaries_of_the_same_white(primaries: int) -> None:
    form = HdrForm(False, primaries)
    grey = mapped((0.4, 0.4, 0.4), form)
    assert max(grey) - min(grey) <= 1
    narrow, wide = mapped((0.5, 0.2, 0.2), form), mapped((0.5, 0.2, 0.2), HdrForm(False))
    assert narrow[1] >= wide[1]  # a wider red lies further outside


def test_all_sizes_are_mapped_whole() -> None:
    row = np.linspace(0, 65535, 300, dtype=np.uint16)
    tall = np.repeat(np.repeat(row[None, :, None], 500, axis=0), 3, axis=2)
    assert np.array_equal(tone_map(tall, HdrForm(True))[499], tone_map(tall[:1], HdrForm(True))[0])


def hdr_clip(path: Path, trc: int, rgb: tuple[float, float, float], **more: Any) -> Path:
    """A flat colour of these signals, 10 bits."""

    def tag(stream: Any) -> None:
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace = trc, 9, 9
        context.color_range = 1

    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "4", **more})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p10le"
        tag(stream)
        codes = np.rint(np.full((48, 64, 3), rgb) * 65535).astype(np.uint16)
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(codes, format="rgb48le")
            out.mux(
                stream.encode(
                    frame.reformat(
                        format="yuv420p10le", dst_colorspace=Colorspace.BT2020, dst_color_range=1
                    )
                )
            )
        out.mux(stream.encode())
    return path


@pytest.mark.parametrize(("trc", "name"), [(PQ, "pq"), (HLG, "hlg")])
def test_a_clip_is_read_as_sdr(trc: int, name: str, tmp_path: Path) -> None:
    rgb = (0.55, 0.42, 0.35)
    with open_source(hdr_clip(tmp_path / "a.mp4", trc, rgb)) as source:
        info = source.info
        assert (info.transfer, info.primaries, info.color_range) == (name, "bt2020", "limited")
        assert info.is_hdr
        assert sum("tone-mapped" in line for line in source.warnings) == 1
        frames = [frame.image for frame in source.frames()]
        middle = frames[0][24, 32].astype(int)
        assert np.abs(middle - reference(rgb, HdrForm(trc == HLG))).max() < 4
        backward = [frame.image for frame in source.frames_reversed(2)]
        assert np.array_equal(frames, backward[::-1])


def test_the_mastering_display_gives_the_peak(tmp_path: Path) -> None:
    display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(40000000,50)"
    clip = hdr_clip(
        tmp_path / "a.mp4", PQ, (0.7, 0.7, 0.7), **{"x264-params": f"mastering-display={display}"}
    )
    with open_source(clip) as source:
        assert any("up to 4000 nits" in line for line in source.warnings)
        expected = reference((0.7, 0.7, 0.7), HdrForm(False, peak_nits=4000.0))
        assert np.abs(next(source.frames()).image[24, 32] - expected).max() < 4


def test_decord_refuses_hdr(tmp_path: Path) -> None:
    pytest.importorskip("decord")
    with pytest.raises(UsageError, match="tone-map"):
        open_source(hdr_clip(tmp_path / "a.mp4", HLG, (0.5, 0.5, 0.5)), decoder="decord")


def test_sdr_is_left_alone(tmp_path: Path) -> None:
    def tag(stream: Any) -> None:
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace = 14, 9, 9

    with open_source(encode(tmp_path / "wide.mp4", 2, prepare=tag)) as source:
        assert source.info.transfer == "bt2020-10"
        assert not source.info.is_hdr
        assert not source.warnings
        assert read_number(next(source.frames()).image) == read_number(picture(0)) == 0


def test_a_space_that_is_no_yuv_is_said(tmp_path: Path) -> None:
    def tag(stream: Any) -> None:
        stream.codec_context.colorspace = 14

    with open_source(encode(tmp_path / "odd.mp4", 2, prepare=tag)) as source:
        assert source.info.color_space == "ictcp"
        assert any("colours are wrong" in line for line in source.warnings)
