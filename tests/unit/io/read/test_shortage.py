"""Too little memory or too few threads is never taken for damage of the footage."""

from __future__ import annotations

import errno
from types import SimpleNamespace

import pytest
from av.error import FFmpegError, err_check

from vos.errors import OutOfMemoryError
from vos.io.read import decode
from vos.io.read.decode import decode_frames


def failing(code: int):
    def fail(*_values: object) -> None:
        err_check(-code)

    return fail


def footage(code: int, where: str) -> tuple[SimpleNamespace, SimpleNamespace]:
    """A container and its stream, which fail with an error of the system's."""
    packet = SimpleNamespace(size=1, pts=0, is_corrupt=False, is_discard=False, is_keyframe=True)

    def demux(_stream: object):
        yield packet
        if where == "reading":
            failing(code)()

    context = SimpleNamespace(
        decode=failing(code) if where == "decoding" else lambda _packet: [], is_open=True
    )
    return SimpleNamespace(demux=demux, name="a.mp4"), SimpleNamespace(codec_context=context)


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.ENOMEM])
@pytest.mark.parametrize("where", ["decoding", "reading"])
def test_a_shortage_ends_the_run_with_its_own_exit_code(code, where):
    with pytest.raises(OutOfMemoryError, match=r"a\.mp4: FFmpeg got too few") as caught:
        list(decode_frames(*footage(code, where)))  # pyright: ignore[reportArgumentType]
    assert caught.value.exit_code == 7


def test_other_errors_of_the_decoder_are_damage():
    with pytest.raises(FFmpegError):
        failing(errno.EINVAL)()
    assert list(decode_frames(*footage(errno.EINVAL, "decoding"))) == []  # pyright: ignore[reportArgumentType]


def test_damage_with_hardly_any_memory_left_is_a_shortage(monkeypatch):
    """Some decoders say "invalid data" where they got no memory."""

    def refuse(*_values: object) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(decode.mmap, "mmap", refuse)
    with pytest.raises(OutOfMemoryError, match="hardly any memory is left"):
        list(decode_frames(*footage(errno.EINVAL, "decoding")))  # pyright: ignore[reportArgumentType]
