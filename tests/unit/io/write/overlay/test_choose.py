"""Which encoder an overlay gets, and what becomes of it when that encoder is gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from contract.test_sinks import VFR, Pair, footage
from vos.errors import ResumeError
from vos.io.read.source import SourceInfo
from vos.io.results.checkpoints import SavedState
from vos.io.write.overlay import choose, encoders
from vos.io.write.overlay import sink as overlay
from vos.io.write.overlay.choose import choose_encoder, read_headers, split_headers, works
from vos.io.write.overlay.encode import SegmentEncoder, VideoForm, to_yuv
from vos.io.write.overlay.encoders import NVENC, X264, VideoEncoder
from vos.io.write.overlay.redraw import plan_redraw
from vos.io.write.overlay.sink import OverlaySink
from vos.io.write.registry import OutputPlace, open_sinks

COUNT = 11
TIMES = [Fraction(7, 90_000) + t for t in VFR] + [Fraction(n, 25) for n in (90, 91, 200, 201)]
FORM = VideoForm((36, 48), Fraction(1, 90_000), Fraction(25))


class StandIn(VideoEncoder):
    """NVENC's name and place with an encoder that is here: x264 without B-frames."""

    def on(self, gpu: int) -> StandIn:
        return self


WITHOUT_B_FRAMES = StandIn(
    "nvenc",
    "libx264",
    (("preset", "ultrafast"), ("crf", "12"), ("bf", "0")),
    reorder_frames=0,
    threads=2,
)
NOT_IN_FFMPEG = replace(WITHOUT_B_FRAMES, codec="h264_of_nobody")
BAD_OPTION = replace(WITHOUT_B_FRAMES, options=(("preset", "of nobody"),))
OTHER_HEADERS = replace(
    WITHOUT_B_FRAMES, options=(*WITHOUT_B_FRAMES.options, ("profile", "main"), ("refs", "3"))
)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(overlay, "SEGMENT_FRAMES", 4)
    works.cache_clear()
    yield
    works.cache_clear()


@pytest.fixture
def nvenc(monkeypatch: pytest.MonkeyPatch):
    """Let something stand in for NVENC, as a driver would bring it or take it away."""

    def use(encoder: VideoEncoder) -> None:
        monkeypatch.setattr(encoders, "NVENC", encoder)
        works.cache_clear()

    use(WITHOUT_B_FRAMES)
    return use


@pytest.fixture
def pairs() -> list[Pair]:
    return footage(COUNT, (36, 48), (1, 2, 7), TIMES)


def make(folder: Path, resume: SavedState | None = None, device: str = "cuda:0") -> OverlaySink:
    (folder / "work").mkdir(parents=True, exist_ok=True)
    return OverlaySink(
        folder / "overlay.mp4",
        time_base=Fraction(1, 90_000),
        frame_rate=Fraction(25),
        device=device,
        work=folder / "work",
        resume=resume,
    )


def finish(sink: OverlaySink, pairs: list[Pair], done: int = 0) -> None:
    with sink:
        for frame, result in pairs:
            if frame.frame_idx >= done:
                sink.write(frame, result)
            elif sink.replay_from is not None and frame.frame_idx >= sink.replay_from:
                sink.replay(frame)


def stop_at(sink: OverlaySink, pairs: list[Pair], done: int) -> SavedState:
    for pair in pairs[:done]:
        sink.write(*pair)
    saved = sink.checkpoint()
    for pair in pairs[done : done + 2]:
        sink.write(*pair)
    sink.abandon()
    return saved


def packets(path: Path) -> list[tuple[int, int]]:
    with av.open(str(path)) as container:
        found = [packet for packet in container.demux(video=0) if packet.size]
    return [(packet.pts or 0, packet.dts or 0) for packet in found]


def check_video(path: Path, pairs: list[Pair]) -> None:
    """Every frame is there once, at its time, looks like itself, and decoding goes forward."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert [frame.pts * frame.time_base for frame in frames] == TIMES
    order = [dts for _, dts in packets(path)]
    assert order == sorted(set(order))
    assert all(dts <= pts for pts, dts in packets(path))
    for frame, (source, _) in zip(frames, pairs, strict=True):
        grey = frame.to_ndarray(format="gray").astype(int)
        assert np.abs(grey.mean() - source.image.mean()) < 30


@pytest.mark.parametrize(("scale", "key_frames"), [(1, 3), (2, 2), (8, 1)])
def test_segments_may_be_longer_where_opening_takes_long(nvenc, tmp_path, pairs, scale, key_frames):
    nvenc(replace(WITHOUT_B_FRAMES, segment_scale=scale))
    finish(make(tmp_path), pairs)
    with av.open(str(tmp_path / "overlay.mp4")) as container:
        found = [packet.is_keyframe for packet in container.demux(video=0) if packet.size]
    assert sum(found) == key_frames


@pytest.mark.parametrize("device", ["cpu", "mps", "", "cuda-like"])
def test_only_a_run_on_cuda_looks_for_another_encoder(nvenc, device):
    assert choose_encoder(FORM, device).encoder is X264


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:3"])
def test_what_works_is_chosen(nvenc, device):
    assert choose_encoder(FORM, device).encoder is WITHOUT_B_FRAMES


@pytest.mark.parametrize("encoder", [NOT_IN_FFMPEG, BAD_OPTION])
def test_what_does_not_work_is_not(nvenc, encoder):
    nvenc(encoder)
    assert choose_encoder(FORM, "cuda").encoder is X264


def test_nvenc_runs_on_the_gpu_of_the_model():
    assert dict(NVENC.on(2).options)["gpu"] == "2"
    assert dict(NVENC.options)["bf"] == "0"
    assert NVENC.reorder_frames == 0


@pytest.mark.needs_cuda
def test_nvenc_says_whether_it_is_here():
    form = VideoForm((1080, 1920), Fraction(1, 25), Fraction(25))
    chosen = choose_encoder(form, "cuda").encoder.name
    assert chosen in ("nvenc", "x264")


def test_nvenc_is_refused_without_a_driver():
    if works(replace(FORM, size_hw=(256, 256), gpu_encoder=NVENC.on(0))):
        pytest.skip("NVENC is here")
    assert choose_encoder(FORM, "cuda").encoder is X264


def test_without_b_frames_frames_are_decoded_when_they_are_shown():
    encoder = SegmentEncoder(replace(FORM, gpu_encoder=WITHOUT_B_FRAMES), (5, 7))
    images = [to_yuv(np.full((36, 48, 3), 20 * n, np.uint8)) for n in range(6)]
    found = [one for n, image in enumerate(images) for one in encoder.encode(image, 10 + 3 * n)]
    found += encoder.flush()
    assert [(one.pts, one.dts) for one in found] == [(10 + 3 * n,) * 2 for n in range(6)]


def test_the_whole_video(nvenc, tmp_path, pairs):
    finish(make(tmp_path), pairs)
    check_video(tmp_path / "overlay.mp4", pairs)
    assert all(pts == dts for pts, dts in packets(tmp_path / "overlay.mp4"))


def test_a_run_on_the_cpu_is_as_if_there_were_none(nvenc, tmp_path, pairs):
    finish(make(tmp_path / "cpu", device="cpu"), pairs)
    nvenc(NOT_IN_FFMPEG)
    finish(make(tmp_path / "cuda"), pairs)
    read = [(tmp_path / name / "overlay.mp4").read_bytes() for name in ("cpu", "cuda")]
    assert read[0] == read[1]


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("done", range(COUNT + 1))
def test_resumed_with_the_same_encoder_it_is_the_same(nvenc, tmp_path, pairs, done, scale):
    nvenc(replace(WITHOUT_B_FRAMES, segment_scale=scale))
    finish(make(tmp_path / "whole"), pairs)
    saved = stop_at(make(tmp_path / "stopped"), pairs, done)
    sink = make(tmp_path / "stopped", saved)
    finish(sink, pairs, done)
    assert sink.warnings == []
    read = [(tmp_path / name / "overlay.mp4").read_bytes() for name in ("whole", "stopped")]
    assert read[0] == read[1]


def test_begun_with_x264_it_goes_on_with_x264(nvenc, tmp_path, pairs):
    finish(make(tmp_path / "whole", device="cpu"), pairs)
    saved = stop_at(make(tmp_path / "stopped", device="cpu"), pairs, 6)
    finish(make(tmp_path / "stopped", saved, device="cuda"), pairs, 6)
    read = [(tmp_path / name / "overlay.mp4").read_bytes() for name in ("whole", "stopped")]
    assert read[0] == read[1]


@pytest.mark.parametrize("done", [1, 4, 5, 8, 11])
@pytest.mark.parametrize("gone", ["cpu", NOT_IN_FFMPEG, OTHER_HEADERS])
def test_resumed_without_it_the_video_is_whole_and_of_x264(nvenc, tmp_path, pairs, done, gone):
    saved = stop_at(make(tmp_path), pairs, done)
    device = "cuda"
    if isinstance(gone, str):
        device = gone
    else:
        nvenc(gone)
    sink = make(tmp_path, saved, device)
    finish(sink, pairs, done)
    check_video(tmp_path / "overlay.mp4", pairs)
    kept = done // 4 * 4
    assert sink.warnings == [
        f"overlay.mp4: nvenc does not work any more; the {kept} frames that it had encoded were "
        "encoded again with x264"
    ]
    with av.open(str(tmp_path / "overlay.mp4")) as container:
        headers = container.streams.video[0].codec_context.extradata
    assert split_headers(headers) == split_headers(read_headers(FORM) or b"")


def test_killed_while_falling_back_the_earlier_state_is_still_good(nvenc, tmp_path, pairs):
    saved = stop_at(make(tmp_path), pairs, 9)
    finish(make(tmp_path, saved, "cpu"), pairs, 9)
    finish(make(tmp_path, saved), pairs, 9)
    check_video(tmp_path / "overlay.mp4", pairs)
    again = make(tmp_path, saved, "cpu")
    for frame, _ in pairs[8:9]:
        again.replay(frame)
    later = again.checkpoint()
    again.abandon()
    finish(make(tmp_path, later), pairs, 9)
    check_video(tmp_path / "overlay.mp4", pairs)


@pytest.mark.parametrize("at", [4, 8])
def test_an_encoder_that_is_gone_for_the_next_segment(nvenc, tmp_path, pairs, at, monkeypatch):
    """As when all of a GPU's sessions are in use."""
    sink = make(tmp_path)
    with sink:
        for pair in pairs[:at]:
            sink.write(*pair)
        create = overlay.SegmentEncoder

        def refuse(form: VideoForm, earlier: tuple[int, ...]) -> SegmentEncoder:
            if form.encoder is not X264:
                raise av.error.PermissionError(1, "Operation not permitted")
            return create(form, earlier)

        monkeypatch.setattr(overlay, "SegmentEncoder", refuse)
        for pair in pairs[at:]:
            sink.write(*pair)
    check_video(tmp_path / "overlay.mp4", pairs)
    assert len(sink.warnings) == 1


def test_an_encoder_that_is_gone_when_the_video_is_joined(nvenc, tmp_path, pairs, monkeypatch):
    sink = make(tmp_path)
    with sink:
        for pair in pairs:
            sink.write(*pair)
        monkeypatch.setattr(overlay, "read_headers", lambda _form: None)
    check_video(tmp_path / "overlay.mp4", pairs)
    assert len(sink.warnings) == 1


def test_an_encoder_nobody_knows_begins_anew(nvenc, tmp_path, pairs):
    saved = stop_at(make(tmp_path), pairs, 6)
    values = {**saved.values, "encoder": "../../elsewhere"}
    with pytest.raises(ResumeError, match="this version lacks"):
        make(tmp_path, SavedState(values, saved.blob))


def test_damaged_packets_begin_anew(nvenc, tmp_path, pairs):
    saved = stop_at(make(tmp_path), pairs, 6)
    values = {**saved.values, "headers": ""}
    with pytest.raises(ResumeError, match="cannot be decoded"):
        make(tmp_path, SavedState(values, saved.blob), "cpu")


def test_a_checkpoint_of_before_there_was_a_choice(nvenc, tmp_path, pairs):
    saved = stop_at(make(tmp_path, device="cpu"), pairs, 6)
    values = {key: saved.values[key] for key in ("packets", "size_hw", "first", "earlier")}
    finish(make(tmp_path, SavedState(values, saved.blob), "cuda"), pairs, 6)
    check_video(tmp_path / "overlay.mp4", pairs)


def test_a_video_of_another_encoder_is_drawn_again_as_a_whole(nvenc, tmp_path, pairs):
    finish(make(tmp_path / "gpu"), pairs)
    finish(make(tmp_path / "cpu", device="cpu"), pairs)
    changed = [range(1)]
    assert plan_redraw(tmp_path / "cpu" / "overlay.mp4", FORM, COUNT, changed) is not None
    assert plan_redraw(tmp_path / "gpu" / "overlay.mp4", FORM, COUNT, changed) is None


@pytest.mark.parametrize("size_hw", [(36, 48), (720, 34), (37, 53)])
def test_headers_are_the_same_in_a_stream_and_in_an_mp4(tmp_path, size_hw):
    form = replace(FORM, size_hw=size_hw)
    with OverlaySink(tmp_path / "o.mp4", time_base=form.tick, frame_rate=form.rate) as sink:
        for pair in footage(1, size_hw):
            sink.write(*pair)
    with av.open(str(tmp_path / "o.mp4")) as container:
        of_file = container.streams.video[0].codec_context.extradata
    parameter_sets = split_headers(of_file)
    assert parameter_sets == split_headers(read_headers(form) or b"")
    assert [unit[0] & 31 for unit in parameter_sets] == [7, 8]


@pytest.mark.parametrize("junk", [b"", b"\0", b"\2abc", b"text"])
def test_what_are_no_headers(junk):
    with pytest.raises(ValueError, match=r"no H\.264 headers"):
        split_headers(junk)
    assert split_headers(b"\1\2") == []


def test_the_try_is_made_once(nvenc, monkeypatch):
    tries: list[VideoForm] = []
    create = choose.SegmentEncoder

    def count(form: VideoForm, earlier: tuple[int, ...]) -> SegmentEncoder:
        tries.append(form)
        return create(form, earlier)

    monkeypatch.setattr(choose, "SegmentEncoder", count)
    for _ in range(3):
        choose_encoder(FORM, "cuda")
    assert len(tries) == 1


@pytest.mark.parametrize(("device", "name"), [("cuda:0", "nvenc"), ("cpu", "x264")])
def test_a_run_tells_its_sinks_where_it_runs(nvenc, tmp_path, pairs, device, name):
    info = SourceInfo(
        path=tmp_path / "clip.mp4",
        kind="video",
        size_hw=(36, 48),
        frame_count=COUNT,
        average_rate=Fraction(25),
        duration=None,
        time_base=Fraction(1, 90_000),
    )
    (tmp_path / "work").mkdir()
    place = OutputPlace(tmp_path, tmp_path / "work", info, device)
    (sink,) = open_sinks({"overlay"}, place, {})
    with sink:
        for pair in pairs:
            sink.write(*pair)
        assert sink.checkpoint().values["encoder"] == name
    check_video(tmp_path / "overlay.mp4", pairs)
