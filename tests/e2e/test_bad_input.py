"""Everything a user can get wrong: one line that helps, the right code, and nothing half-done."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e import clips
from e2e.running import Ran

BOX = ("--box", clips.BOX)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return clips.video(tmp_path / "clip.mp4")


def assert_refused(ran, code: int, *words: str, folder: Path) -> None:
    """One error line that says all of `words`, that exit code, no output that looks finished."""
    assert ran.code == code, ran.err
    assert len(ran.error_lines) == 1, ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""
    line = ran.error_lines[0]
    for word in words:
        assert word in line, line
    assert any(mark in line for mark in (";", ":")), line  # the next step follows the rule
    assert_nothing_finished(folder)


def assert_nothing_finished(folder: Path) -> None:
    for name in ("manifest.json", "overlay.mp4", "stats.jsonl"):
        assert not list(folder.rglob(name)), f"{name} was left behind"
    assert not list(folder.rglob("*.part")), "a part folder was left behind"


def text_file(path: Path) -> Path:
    path.write_text("This is not a video.\n" * 50)
    return path


def empty_file(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def empty_folder(path: Path) -> Path:
    path.mkdir()
    return path


def broken_jpg(path: Path) -> Path:
    clips.images(path)
    second = path / "001.jpg"
    second.write_bytes(second.read_bytes()[:40])
    return path


def mixed_sizes(path: Path) -> Path:
    from PIL import Image

    clips.images(path)
    Image.new("RGB", (48, 48)).save(path / "002.jpg")
    return path


INPUTS: dict[str, tuple[str, Callable[[Path], Path], str]] = {
    "missing": ("none.mp4", lambda path: path, "none.mp4"),
    "missing glob": ("none*.jpg", lambda path: path, "none*.jpg"),
    "empty file": ("empty.mp4", empty_file, "empty"),
    "text": ("text.mp4", text_file, "text.mp4"),
    "sound only": ("sound.wav", clips.sound, "sound.wav"),
    "zero frames": ("frames", empty_folder, "frames"),
    "broken jpg": ("broken", broken_jpg, "001.jpg"),
    "mixed sizes": ("mixed", mixed_sizes, "002.jpg"),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_unreadable_input(kind: str, vos, tmp_path: Path):
    name, make, word = INPUTS[kind]
    path = make(tmp_path / name)
    assert_refused(vos("track", path, *BOX, "--model", "nano"), 3, word, folder=tmp_path)


def test_truncated_video_is_tracked_as_far_as_it_goes(vos, tmp_path: Path):
    path = clips.truncated_video(tmp_path / "cut.mp4")
    ran = vos("track", path, *BOX, "--model", "nano", "-o", tmp_path / "out")
    assert ran.code == 0, ran.err
    warnings = [line for line in ran.err.splitlines() if line.startswith("vos: warning: ")]
    assert warnings
    masks = list((tmp_path / "out" / "masks").glob("*.png"))
    assert 0 < len(masks) < 48


VOS = (sys.executable, "-m", "vos_cli")


def without_privileges() -> list[str]:
    """What to put before a command so that file permissions count, for root too."""
    if os.name != "posix":
        pytest.skip("needs POSIX permissions")
    if os.geteuid() != 0:
        return []
    dropped = "-dac_override,-dac_read_search"
    wrapper = ["setpriv", f"--bounding-set={dropped}", f"--inh-caps={dropped}"]
    if shutil.which("setpriv") is None or subprocess.run([*wrapper, "true"]).returncode:
        pytest.skip("running as root, and setpriv cannot drop what root is allowed")
    return wrapper


@pytest.mark.parametrize(("kind", "mode"), [("input", 0o000), ("output", 0o500)])
def test_no_permission(kind: str, mode: int, clip: Path, tmp_path: Path, environ):
    wrapper = without_privileges()
    locked = tmp_path / "locked"
    locked.mkdir()
    if kind == "input":
        clip = clip.rename(locked / "clip.mp4")
    output = (tmp_path if kind == "input" else locked) / "out"
    locked.chmod(mode)
    try:
        done = subprocess.run(
            [*wrapper, *VOS, "track", clip, *BOX, "--model", "nano", "-o", output],
            capture_output=True,
            text=True,
            env=environ,
        )
    finally:
        locked.chmod(0o700)
    ran = Ran(done.returncode, done.stdout, done.stderr)
    code = 3 if kind == "input" else 2
    assert_refused(ran, code, "locked", "permission", folder=tmp_path)


PROMPTS = {
    "outside": (("--box", "10,10,500,40"), ("500", "96")),
    "inverted": (("--box", "50,40,10,10"), ("50",)),
    "three numbers": (("--box", "10,10,40"), ("10,10,40", "x1,y1,x2,y2")),
    "letters": (("--box", "a,b,c,d"), ("a,b,c,d",)),
    "object id": (("--box", "300:10,10,40,40"), ("300", "255")),
    "point outside": (("--point", "95.9,64.5"), ("64.5",)),
    "past the end": (("--box", "10,10,40,40@99"), ("99",)),
    "far past the end": (("--box", "10,10,40,40@100000"), ("100000",)),
    "negative frame": (("--box", "10,10,40,40@-1"), ("-1",)),
    "two boxes": (("--box", "1:1,1,9,9", "--box", "1:5,5,20,20"), ("1",)),
    "only negative": (("--neg-point", "10,10"), ("negative",)),
    "missing mask": (("--mask", "none.png"), ("none.png",)),
    "missing prompt file": (("--prompts", "none.json"), ("none.json",)),
    "none": ((), ("--box",)),
}


@pytest.mark.parametrize("kind", PROMPTS)
def test_wrong_prompt(kind: str, vos, clip: Path, tmp_path: Path):
    flags, words = PROMPTS[kind]
    ran = vos("track", clip, *flags, "--model", "nano")
    assert_refused(ran, 2, *words, folder=tmp_path)


def test_mask_of_another_size(vos, clip: Path, tmp_path: Path):
    from PIL import Image

    Image.new("L", (50, 50), 255).save(tmp_path / "mask.png")
    ran = vos("track", clip, "--mask", "mask.png", "--model", "nano")
    assert_refused(ran, 2, "50", "96", folder=tmp_path)


FLAGS = {
    "range": (("--start", "10f", "--end", "5f"), 2, ("5",)),
    "start past the end": (("--start", "500f"), 2, ("500",)),
    "time": (("--start", "soon"), 2, ("soon",)),
    "save": (("--save", "masks,overlays"), 2, ("overlays", "overlay")),
    "direction": (("--direction", "up"), 2, ("up", "forward")),
    "policy": (("--policy", "lifo"), 2, ("lifo", "fifo")),
    "lag alone": (("--lag", "4"), 2, ("--lag 4", "--policy long")),
    "lag too long": (("--policy", "long", "--lag", "65"), 2, ("--lag", "65", "64")),
    "pooled and exact": (("--exact", "--pool-memory", "2"), 2, ("--pool-memory 2", "--exact")),
    "compiled and exact": (("--exact", "--compile"), 2, ("--compile", "--exact")),
    "pooled unevenly": (("--pool-memory", "3"), 2, ("--pool-memory 3", "20")),
    "decoder": (("--decoder", "gstreamer"), 2, ("gstreamer", "pyav")),
    "device": (("--device", "tpu"), 2, ("tpu",)),
    "dtype": (("--dtype", "int3"), 2, ("int3", "float32")),
    "refiner": (("--refiner", "bold"), 6, ("bold",)),
    "refiner path": (("--refiner", "none.safetensors"), 6, ("none.safetensors",)),
    "model": (("--model", "sam2.1-lagre"), 6, ("sam2.1-lagre", "sam2.1-large")),
    "model not here": (("--model", "sam2.1-tiny"), 6, ("vos models pull sam2.1-tiny",)),
    "model path": (("--model", "none.pt"), 6, ("none.pt",)),
}


@pytest.mark.parametrize("kind", FLAGS)
def test_wrong_flag(kind: str, vos, clip: Path, tmp_path: Path):
    flags, code, words = FLAGS[kind]
    model = () if "--model" in flags else ("--model", "nano")
    assert_refused(vos("track", clip, *BOX, *model, *flags), code, *words, folder=tmp_path)


def _corrupt_nano(path: Path) -> None:
    from vos.model import registry

    found = registry.find(registry.get("nano"))
    assert found is not None
    path.write_bytes(found.read_bytes()[:-1000])


CHECKPOINTS: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("not weights " * 20),
    "truncated": _corrupt_nano,
}


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_corrupt_checkpoint(kind: str, vos, clip: Path, tmp_path: Path):
    CHECKPOINTS[kind](tmp_path / "weights.safetensors")
    ran = vos("track", clip, *BOX, "--model", "weights.safetensors")
    assert_refused(ran, 6, "weights.safetensors", folder=tmp_path)


def test_output_is_a_file(vos, clip: Path, tmp_path: Path):
    (tmp_path / "out").write_text("mine")
    ran = vos("track", clip, *BOX, "--model", "nano", "-o", "out", "--overwrite")
    assert_refused(ran, 2, "out", folder=tmp_path)
    assert (tmp_path / "out").read_text() == "mine"


def test_output_holds_something_else(vos, tmp_path: Path):
    """Not even --overwrite replaces a folder that no run of ours made, such as the input."""
    frames = clips.images(tmp_path / "frames")
    ran = vos("track", frames, *BOX, "--model", "nano", "-o", frames, "--overwrite")
    assert_refused(ran, 2, "frames", folder=tmp_path)
    assert len(list(frames.iterdir())) == 4


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KB."""
    place = tmp_path / "disk"
    place.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a tmpfs needs root on Linux")
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this container may not mount a tmpfs")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("save", ["masks,overlay,stats", "stats"])
def test_full_disk(save: str, vos, small_disk: Path, tmp_path: Path):
    clip = clips.video(tmp_path / "clip.mp4", 60)
    (small_disk / "filler").write_bytes(bytes(60_000))
    ran = vos("track", clip, *BOX, "--model", "nano", "-o", small_disk / "out", "--save", save)
    assert_refused(ran, 2, "full", folder=small_disk)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_interrupt_in_the_middle(tmp_path: Path, environ):
    clip = clips.video(tmp_path / "long.mp4", 400)
    process = subprocess.Popen(
        [*VOS, "track", clip, *BOX, "--model", "nano", "-o", tmp_path / "out"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
    )
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.rglob("*.png")) and time.monotonic() < deadline:
            assert process.poll() is None, process.stderr
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    assert [line for line in err.splitlines() if line.startswith("vos: interrupted")]
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.rglob("manifest.json"))
