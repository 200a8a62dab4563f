"""An input is known by all of its bytes, which are read again only when its files have changed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vos.errors import InputError
from vos.io.results import fingerprint as module
from vos.io.results.fingerprint import InputFingerprint, fingerprint_input, stamp_input
from vos.io.results.manifest import Fingerprint

BIG = 3 * 2**20
LONG_AGO = 1_000_000_000


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(module, "_remembered", {})
    return home


@pytest.fixture
def digested(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read whole."""
    names: list[str] = []
    digest = module._digest

    def counted(file: Path) -> str:
        names.append(file.name)
        return digest(file)

    monkeypatch.setattr(module, "_digest", counted)
    return names


def write(path: Path, data: bytes, *, age: bool = True) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(data)
    if age:
        os.utime(path, (LONG_AGO, LONG_AGO))
    return path


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, BIG - 1), st.integers(1, 255))
def test_any_changed_byte_is_seen_though_size_and_time_stay(tmp_path_factory, place, change):
    data = bytearray(BIG)
    path = write(tmp_path_factory.mktemp("clip") / "a.y4m", bytes(data))
    first = fingerprint_input(path)
    data[place] ^= change
    write(path, bytes(data))
    assert fingerprint_input(path) != first


@pytest.mark.parametrize("place", [0, 20_000, 50_000])
def test_a_byte_of_one_still_of_many_is_seen(tmp_path, place):
    for number in range(3):
        write(tmp_path / "shots" / f"{number}.ppm", bytes(60_000))
    first = fingerprint_input(tmp_path / "shots")
    data = bytearray(60_000)
    data[place] = 1
    write(tmp_path / "shots" / "1.ppm", bytes(data))
    assert fingerprint_input(tmp_path / "shots") != first


def test_nothing_is_read_twice(tmp_path, digested):
    clip = write(tmp_path / "a.mp4", b"clip")
    shots = [write(tmp_path / "shots" / f"{n}.png", b"shot") for n in range(3)]
    first = fingerprint_input(clip), fingerprint_input(tmp_path / "shots")
    assert len(digested) == 4
    module._remembered.clear()  # another process
    assert (fingerprint_input(clip), fingerprint_input(tmp_path / "shots")) == first
    assert fingerprint_input(clip).ends_sha256 == first[0].ends_sha256 != ""
    assert len(digested) == 4
    shots[0].write_bytes(b"SHOT")
    assert fingerprint_input(tmp_path / "shots") != first[1]
    assert len(digested) == 7


def test_what_was_written_just_now_is_not_remembered(tmp_path, digested):
    clip = write(tmp_path / "a.mp4", b"clip", age=False)
    for count in (1, 2):
        fingerprint_input(clip)
        assert len(digested) == count


@pytest.mark.parametrize("text", ["", "[]", '["x", "y"]', "{", '["a"]', "\0"])
def test_a_damaged_memory_is_passed_over(tmp_path, home, digested, text):
    clip = write(tmp_path / "a.mp4", b"clip")
    first = fingerprint_input(clip)
    (entry,) = (home / ".cache/vos/inputs").iterdir()
    entry.write_text(text)
    module._remembered.clear()
    assert fingerprint_input(clip) == first
    assert len(digested) == 2


def test_without_a_home_it_is_read_each_time(tmp_path, monkeypatch):
    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)
    clip = write(tmp_path / "a.mp4", b"clip")
    assert fingerprint_input(clip).sha256 == hashlib.sha256(b"clip").hexdigest()


def test_an_input_that_is_still_written_is_refused(tmp_path, monkeypatch):
    clip = write(tmp_path / "a.mp4", b"clip")
    digest = module._digest

    def written_meanwhile(file: Path) -> str:
        found = digest(file)
        with file.open("ab") as more:
            more.write(b"more")
        return found

    monkeypatch.setattr(module, "_digest", written_meanwhile)
    with pytest.raises(InputError, match="changes while it is read; wait"):
        fingerprint_input(clip)


def test_manifests_of_an_older_vos_are_compared_by_its_rule(tmp_path):
    data = os.urandom(BIG)
    found = fingerprint_input(write(tmp_path / "a.mp4", data))
    old = {
        "name": "a.mp4",
        "size_bytes": BIG,
        "sha256": hashlib.sha256(data[: 2**20] + data[-(2**20) :]).hexdigest(),
    }
    now = Fingerprint(found, {}, None)
    assert now.differences({"input": old, "parameters": {}, "model_sha256": None}) == []
    assert now.differences({**now.as_json()}) == []
    for other in ({**old, "size_bytes": 1}, {**old, "sha256": found.sha256}, {}, None, []):
        manifest = {"input": other, "parameters": {}, "model_sha256": None}
        assert now.differences(manifest) == ["input"]
    changed = {**now.as_json(), "input": {**found.as_json(), "changed": True}}
    assert now.differences(changed) == ["input"], "a mixture is no result of this input"


def test_a_file_with_the_characters_of_a_pattern_is_a_file(tmp_path):
    clip = write(tmp_path / "First clip [dQw4w9WgXcQ].mp4", b"one")
    write(tmp_path / "First clip d.mp4", b"another")
    assert fingerprint_input(clip) == InputFingerprint(
        clip.name, 3, hashlib.sha256(b"one").hexdigest()
    )
    shots = tmp_path / "dir [1080p]"
    write(shots / "0.png", b"shot")
    assert fingerprint_input(shots / "*.png").size_bytes == 4


def test_a_stamp_tells_of_any_change_of_the_files(tmp_path):
    clip = write(tmp_path / "a.mp4", b"clip")
    first = stamp_input(clip)
    assert stamp_input(clip) == first
    other = write(tmp_path / "b.mp4", b"CLIP")
    other.replace(clip)
    assert stamp_input(clip) != first
    clip.unlink()
    assert stamp_input(clip) is None
