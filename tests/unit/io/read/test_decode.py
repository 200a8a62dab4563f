"""The bookkeeping of packets and times, on a decoder that does exactly as told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import pytest
from av.error import InvalidDataError

from vos.io.read.decode import Clock, decode_frames


@dataclass(frozen=True)
class Packet:
    """out: the pictures this packet brings out of the decoder; None for an error."""

    pts: int | None
    out: Sequence[int | None] | None
    is_keyframe: bool = False
    is_corrupt: bool = False
    is_discard: bool = False
    size: int = 1
    dts: int | None = 0


@dataclass(frozen=True)
class Shown:
    pts: int | None
    is_corrupt: bool = False


@dataclass
class Scripted:
    """Container, stream and decoder in one."""

    packets: Sequence[Packet]
    at_flush: Sequence[int] | None = ()
    time_base: Fraction = Fraction(1, 1000)
    start_time: int | None = 0
    average_rate: Fraction | None = Fraction(25)
    guessed_rate: Fraction | None = None
    name: str = "scripted.mp4"
    codec_context: Any = field(init=False)

    def __post_init__(self) -> None:
        self.codec_context = self

    def demux(self, stream: object) -> Iterator[Packet]:
        yield from self.packets

    def decode(self, packet: Packet | None) -> list[Shown]:
        out = self.at_flush if packet is None else packet.out
        if out is None:
            raise InvalidDataError(-1, "scripted damage")
        return [Shown(pts) for pts in out]


def decoded(
    packets: Sequence[Packet], at_flush: Sequence[int] | None = ()
) -> list[tuple[int | None, bool]]:
    script: Any = Scripted(packets, at_flush)
    return [(shown.raw_pts, shown.is_corrupt) for shown in decode_frames(script, script)]


def test_hidden_packets_are_no_loss() -> None:
    packets = [Packet(0, [0]), Packet(1, []), Packet(2, [2]), Packet(3, [3])]
    assert decoded(packets) == [(0, False), (2, False), (3, False)]


def test_a_failed_packet_is_replaced_where_it_belongs() -> None:
    packets = [Packet(0, [0]), Packet(4, []), Packet(2, None), Packet(3, [3, 4])]
    assert decoded(packets) == [(0, False), (2, True), (3, False), (4, False)]


def test_a_loss_before_the_first_picture_takes_its_pixels() -> None:
    assert decoded([Packet(0, None), Packet(1, [1])]) == [(0, True), (1, False)]


def test_a_loss_at_the_end() -> None:
    assert decoded([Packet(0, [0]), Packet(1, None)]) == [(0, False), (1, True)]
    assert decoded([Packet(0, [0]), Packet(1, [])], at_flush=None) == [(0, False), (1, True)]


def test_silence_after_a_complaint_is_loss_until_a_key_frame() -> None:
    packets = [
        Packet(0, [0], is_keyframe=True),
        Packet(1, None),
        Packet(2, []),
        Packet(3, []),
        Packet(4, [4], is_keyframe=True),
        Packet(5, []),
        Packet(6, [6]),
    ]
    lost = [(1, True), (2, True), (3, True)]
    assert decoded(packets) == [(0, False), *lost, (4, False), (6, False)]


def test_with_hidden_packets_only_complaints_count() -> None:
    packets = [
        Packet(0, [0]),
        Packet(1, []),
        Packet(2, [2]),
        Packet(3, None),
        Packet(4, []),
        Packet(5, [5]),
    ]
    assert decoded(packets) == [(0, False), (2, False), (3, True), (5, False)]


def test_a_picture_that_comes_after_its_replacement_is_dropped() -> None:
    packets = [Packet(0, [0]), Packet(1, []), Packet(2, None), Packet(3, [3, 1]), Packet(4, [4])]
    assert decoded(packets) == [(0, False), (1, True), (2, True), (3, False), (4, False)]


def test_a_cut_off_last_packet_is_not_decoded() -> None:
    packets = [Packet(0, [0]), Packet(1, []), Packet(2, [99], is_corrupt=True)]
    assert decoded(packets, at_flush=[1]) == [(0, False), (1, False), (2, True)]


def test_a_flagged_packet_in_the_middle_is_decoded() -> None:
    packets = [Packet(0, [0], is_corrupt=True), Packet(1, [1])]
    assert decoded(packets) == [(0, False), (1, False)]


def test_packets_an_edit_list_hides_are_not_missed() -> None:
    packets = [Packet(0, None, is_discard=True), Packet(1, [1])]
    assert decoded(packets) == [(1, False)]


def test_empty_packets_do_not_flush_the_decoder() -> None:
    packets = [Packet(0, [0]), Packet(1, [99], size=0), Packet(2, [2])]
    assert decoded(packets) == [(0, False), (2, False)]


def stamps(ticks: Sequence[int | None], **stream: Any) -> list[Fraction]:
    script: Any = Scripted([], **stream)
    clock = Clock(script)
    return [clock.stamp(tick) for tick in ticks]


def millis(*values: int) -> list[Fraction]:
    return [Fraction(value, 1000) for value in values]


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [
        ((0, 40, 80), (0, 40, 80)),
        ((0, 3, 100), (0, 3, 100)),
        ((None, None, None), (0, 40, 80)),
        ((0, None, 80, None), (0, 40, 80, 120)),
        ((0, None, 40, 80), (0, 40, 41, 80)),
        ((0, 0, 0, 40), (0, 1, 2, 40)),
        ((0, 50, 40, 90), (0, 50, 51, 90)),
        ((5000, 5040, 0, 40, 80), (5000, 5040, 5080, 5120, 5160)),
        ((0, 40, 80, 120, 0, 40, 80, 120), range(0, 320, 40)),  # joined
        ((0, 40, 80, 120, 160, 20, 240, 280), range(0, 320, 40)),  # one wrong time
        ((0, 40, 80, 120, 10, 50, 90, 130, 0, 40), range(0, 400, 40)),
    ],
)
def test_times_always_advance(ticks: Sequence[int | None], expected: Sequence[int]) -> None:
    assert stamps(ticks) == millis(*expected)


def test_times_count_from_the_streams_start() -> None:
    assert stamps([1400, 1440], start_time=1400) == millis(0, 40)
    assert stamps([1400, 1440], start_time=None) == millis(0, 40)
    assert stamps([1400, 1440], start_time=1360) == millis(40, 80)
    assert stamps([0, 40], start_time=128) == millis(0, 40)  # times are never negative


def test_without_any_rate_25_is_assumed() -> None:
    assert stamps([None, None], average_rate=None) == millis(0, 40)


def test_times_stay_exact_at_broadcast_rates() -> None:
    base = Fraction(1, 30000)
    assert stamps([0, 1001, 1001 * 10**9], time_base=base)[2] == Fraction(1001 * 10**9, 30000)
