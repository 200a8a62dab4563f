"""What the system may have taken away: streams, the current folder, a home, memory, a library."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.error import FFmpegError

from vos.bounded import UnfitError, read_bytes
from vos.errors import OutOfMemoryError, OutputError, UsageError
from vos.io.disk import output_errors
from vos.io.write.overlay import encode
from vos.io.write.overlay.encode import SegmentEncoder, VideoForm
from vos.io.write.overlay.encoders import NVENC
from vos.model import registry
from vos_cli import main
from vos_cli.batch.engines.ray.plan import keep_token_private
from vos_cli.console.errors import Carried, report
from vos_cli.fix.settings import settings_like

WITHOUT_STREAMS = """
import os, sys
sys.path[:0] = {path!r}
from vos_cli.main import run
code = run(["--version"])
with open({out!r}, "x") as file:
    os.write(1, b"into stdout")
    sys.exit(code if file.fileno() > 2 else 9)
"""


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_not_the_next_file(tmp_path: Path, closed: str):
    out = tmp_path / "out"
    code = WITHOUT_STREAMS.format(path=sys.path, out=str(out))
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, code], capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == b""


def test_a_current_folder_that_is_gone(monkeypatch, capsys):
    def gone() -> str:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(os, "getcwd", gone)
    assert main.run(["info", "a.mp4"]) == 2
    assert "current folder" in capsys.readouterr().err


def test_a_user_without_a_home(monkeypatch):
    def nobody(_path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("VOS_MODELS", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "expanduser", nobody)
    monkeypatch.setattr(Path, "home", classmethod(nobody))
    assert registry.resolve("auto").path.is_file()
    assert not registry.models_dir().exists()
    assert registry.expand_user("~nobody/a.pt") == Path("~nobody/a.pt")


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EAGAIN])
def test_the_place_is_not_to_blame_for_a_shortage(number: int, tmp_path: Path):
    with pytest.raises(OSError, match="short") as caught, output_errors(tmp_path / "a"):
        raise OSError(number, "short")
    assert not isinstance(caught.value, OutputError)


def test_an_encoder_that_cannot_start(monkeypatch):
    class Refusing:
        def encode(self, _frame):
            raise av.error.ExternalError(542398533, "Generic error in an external library")

    encoder = SegmentEncoder(VideoForm((8, 8), Fraction(1, 24), None), ())
    monkeypatch.setattr(encoder, "_context", Refusing())
    with pytest.raises(OutOfMemoryError, match=r"too little memory.*save='masks,stats'"):
        list(encoder.flush())


@pytest.mark.parametrize(("gpu_encoder", "error"), [(None, OutOfMemoryError), (NVENC, FFmpegError)])
def test_an_encoder_that_cannot_be_opened(monkeypatch, gpu_encoder, error):
    """x264 is short of something then; another encoder is left out for x264."""

    monkeypatch.setattr(VideoForm, "set_up", lambda *_: None)
    monkeypatch.setattr(encode, "VideoCodecContext", _Refusing)
    with pytest.raises(error):
        SegmentEncoder(VideoForm((8, 8), Fraction(1, 24), None, gpu_encoder=gpu_encoder), ())


class _Refusing:
    """A context that FFmpeg makes and does not open."""

    @classmethod
    def create(cls, _codec, _mode):
        return cls()

    def open(self):
        raise av.error.ExternalError(542398533, "Generic error in an external library")


@pytest.mark.parametrize("limit", [3, 100, 10**9])
def test_a_small_file_is_read_into_little_memory(limit: int, tmp_path: Path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    tracemalloc.start()
    assert read_bytes(path, limit) == b"abc"
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    path.write_bytes(b"abcd" * limit if limit < 10**6 else b"abc")
    if limit < 10**6:
        with pytest.raises(UnfitError):
            read_bytes(path, limit)


@pytest.mark.parametrize(
    ("error", "code", "word"),
    [
        (ImportError("libtorch.so: failed to map segment from shared object"), 7, "out of memory"),
        (OSError("libc10.so: cannot allocate memory in static TLS block"), 7, "out of memory"),
        (OSError(12, "Cannot allocate memory"), 7, "out of memory"),
        (MemoryError(), 7, "out of memory"),
        (av.error.BlockingIOError(11, "Resource temporarily unavailable"), 7, "out of memory"),
        (av.error.MemoryError(12, "Cannot allocate memory"), 7, "out of memory"),
        (RuntimeError("can't start new thread"), 7, "out of memory"),
        (BlockingIOError(11, "Resource temporarily unavailable"), 1, "internal error"),
        (OSError("/x/libtorch_cpu.so: cannot open shared object file"), 2, "installation"),
        (ModuleNotFoundError("No module named 'torch'"), 2, "installation"),
        (ImportError("libgomp.so.1: cannot open shared object file"), 2, "installation"),
        (KeyError("a"), 1, "internal error"),
    ],
)
def test_what_a_broken_system_says(error: Exception, code: int, word: str, capsys):
    assert report(Carried(error), verbose=False) == code
    assert word in capsys.readouterr().err


def test_nothing_is_corrected_with_the_null_model():
    manifest = {"parameters": {}, "model_sha256": "0" * 64}
    with pytest.raises(UsageError, match="null"):
        settings_like(manifest, model="null", refiner=None, device="cpu", progress="none")


@pytest.mark.skipif(sys.platform == "win32", reason="has no modes")
def test_the_token_of_ray_is_private(tmp_path: Path, monkeypatch):
    token, other = tmp_path / "token", tmp_path / "other"
    for path in (token, other):
        path.write_text("x")
        path.chmod(0o644)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    keep_token_private()
    assert token.stat().st_mode & 0o777 == 0o600
    (tmp_path / "link").symlink_to(other)
    for name in ("link", "absent"):
        monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / name))
        keep_token_private()
    assert other.stat().st_mode & 0o777 == 0o644
