"""The scripts that take an export into other programs, run against stand-ins for these."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

SCRIPTS = Path(__file__).parents[2] / "docs/use/import"

# After Effects, as far as the script needs it; what it does is printed.
STAND_IN = """
var files = %s, done = [];
var File = {openDialog: function () { return files.shift() || null; }};
function ImportOptions(file) { this.file = file; this.sequence = false; }
var TrackMatteType = {LUMA: "luma"};
function Layer(item) { this.item = item; %s }
var comp = {openInViewer: function () {}, layers: {add: function (item) {
    var layer = new Layer(item); done.push(layer); return layer; }}};
var app = {beginUndoGroup: function () {}, endUndoGroup: function () { done.push("end"); },
    project: {
        importFile: function (options) {
            return {file: options.file, name: options.file.name, sequence: options.sequence,
                frameRate: 25, width: 64, height: 48, pixelAspect: 1, duration: 2, mainSource: {}};
        },
        items: {addComp: function () { done.push([].slice.call(arguments)); return comp; }}}};
%s
console.log(JSON.stringify(done));
"""
SETS_MATTES = "this.setTrackMatte = function (l, type) { this.matte = [l.name, type]; };"


@pytest.fixture
def sequence(tmp_path):
    for number in (1001, 1002, 1003):
        (tmp_path / f"my shot.{number}.exr").touch()
    (tmp_path / "my shot_other.1004.exr").touch()
    return tmp_path / "my shot.1002.exr"


def load(name, stand_in, monkeypatch):
    monkeypatch.setitem(sys.modules, stand_in[0], stand_in[1])
    return SimpleNamespace(**runpy.run_path(str(SCRIPTS / name)))


def test_nuke_gets_a_shuffle_per_layer(sequence, monkeypatch):
    nuke = MagicMock()
    read = nuke.nodes.Read.return_value
    read.channels.return_value = ["rgba.red", "walker2.alpha", "car1.alpha"]
    read.xpos.return_value = read.ypos.return_value = 0
    script = load("nuke_vos.py", ("nuke", nuke), monkeypatch)
    assert script.import_vos(str(sequence)) is read
    first, last = {"first": 1001, "origfirst": 1001}, {"last": 1003, "origlast": 1003}
    pattern = f"{sequence.parent.as_posix()}/my shot.%04d.exr"
    nuke.nodes.Read.assert_called_once_with(file=pattern, **first, **last)
    made = [one.kwargs["label"] for one in nuke.nodes.Shuffle.call_args_list]
    assert made == ["car1", "walker2"]
    with pytest.raises(ValueError, match="no frame number"):
        script.import_vos(str(sequence.parent / "shot.exr"))
    nuke.getFilename.return_value = None
    assert script.import_vos() is None


def test_blender_gets_the_sequence_and_a_cut_out_per_layer(sequence, monkeypatch):
    bpy = MagicMock()
    tree = bpy.context.scene.compositing_node_group
    outputs = [SimpleNamespace(name=name) for name in ("car1", "walker2")]
    mattes, clip = MagicMock(outputs=outputs), MagicMock()
    cuts = [MagicMock(), MagicMock()]
    tree.nodes.new.side_effect = [mattes, clip, *cuts]
    script = load("blender_vos.py", ("bpy", bpy), monkeypatch)
    assert script.import_vos(str(sequence), "shot.mov") == (mattes, cuts)
    assert (mattes.frame_start, mattes.frame_offset, mattes.frame_duration) == (1, 1000, 3)
    assert mattes.image.source == "SEQUENCE"
    assert (clip.frame_offset, bpy.context.scene.frame_end) == (0, 3)
    assert [one.label for one in cuts] == ["car1", "walker2"]
    tree.links.new.assert_any_call(outputs[1], cuts[1].inputs["Alpha"])


@pytest.mark.parametrize("is_new", [True, False])
def test_after_effects_gets_a_track_matte(tmp_path, is_new):
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node, which runs JavaScript")
    script = (SCRIPTS / "after_effects_vos.jsx").read_text()
    files = json.dumps([{"name": "shot.mov"}, {"name": "shot_car.0001.png"}])
    path = tmp_path / "run.js"
    path.write_text(STAND_IN % (files, SETS_MATTES if is_new else "", script))
    result = subprocess.run([node, path], capture_output=True, text=True, check=True)
    comp, lower, upper, end = json.loads(result.stdout)
    assert (comp, end) == (["shot_car", 64, 48, 1, 2, 25], "end")
    assert (lower["item"]["name"], lower["item"]["sequence"]) == ("shot.mov", False)
    if is_new:
        assert lower["matte"] == ["shot_car", "luma"]
    else:
        assert lower["trackMatteType"] == "luma"
    assert upper["item"]["sequence"]
    assert upper["item"]["mainSource"] == {"conformFrameRate": 25}
    assert not upper["enabled"]
    path.write_text(STAND_IN % ("[]", "", script))
    result = subprocess.run([node, path], capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == []  # no file was chosen
