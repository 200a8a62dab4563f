"""What `vos verify` finds, and what an export does that does not pass."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from finished_result import export_result, verify_again
from vos.errors import InputError, VerificationError
from vos.io.results.manifest import MANIFEST_NAME
from vos.io.write.deliver.stills.write import MattePngs
from vos.io.write.deliver.verify import read_shot


def test_verify_names_the_frame_that_differs(make_result):
    result = make_result()
    place, _, _ = export_result(result, "png-matte", objects=("1",))
    path = place / "shot_coffee_cup.0006.png"
    image = np.array(Image.open(path))
    image[0, 0] = 255
    Image.fromarray(image).save(path)
    with pytest.raises(VerificationError, match="the matte of frame 6 differs by 255"):
        verify_again(place, result)
    assert verify_again(place, None) == 0
    path.unlink()
    with pytest.raises(VerificationError, match="frame 6 is missing"):
        verify_again(place, result)


def test_verify_finds_a_movie_that_was_cut(make_result):
    result = make_result()
    place, _, _ = export_result(result, "ffv1", objects=("1",))
    path = place / "shot_coffee_cup.mkv"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(VerificationError, match=r"has \d+ frames, not 12|cannot be decoded"):
        verify_again(place, result)
    path.unlink()
    with pytest.raises(VerificationError, match="is not there"):
        verify_again(place, result)


def test_verify_finds_another_movie_in_its_place(make_result):
    result = make_result()
    place, _, _ = export_result(result, "qtrle", objects=("1",))
    short, _, _ = export_result(
        result, "qtrle", span=(0, 3), objects=("1",), output=place.parent / "short"
    )
    (short / "shot_coffee_cup.mov").replace(place / "shot_coffee_cup.mov")
    with pytest.raises(VerificationError, match="has 4 frames, not 12"):
        verify_again(place, result)


def test_verify_finds_a_table_that_was_edited(make_result):
    result = make_result()
    place, _, _ = export_result(result, "csv", objects=("1",))
    path = place / "shot.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:4] + lines[5:]))
    with pytest.raises(VerificationError, match="row of frame 3"):
        verify_again(place, result)


def test_verify_refuses_a_hostile_manifest(make_result):
    place, _, _ = export_result(make_result(), "png-matte", objects=("1",))
    path = place / MANIFEST_NAME
    manifest = json.loads(path.read_text())
    manifest["parameters"]["files"][0][1] = "../../secret.%04d"
    path.write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="damaged"):
        read_shot(place)
    with pytest.raises(InputError, match="no such export"):
        read_shot(place / "none")


def test_verify_finds_an_annotation_that_was_edited(make_result):
    result = make_result()
    place, _, _ = export_result(result, "labelme")
    path = place / "shot.0006.json"
    annotation = json.loads(path.read_text())
    annotation["shapes"][0]["group_id"] = 9
    path.write_text(json.dumps(annotation))
    with pytest.raises(VerificationError, match="frame 6 differs"):
        verify_again(place, result)
    path.write_text("{}")
    with pytest.raises(VerificationError, match="frame 6 cannot be read"):
        verify_again(place, result)


def test_export_fails_where_what_was_written_differs(make_result, tmp_path, monkeypatch):
    result = make_result()
    drawn = MattePngs._draw
    monkeypatch.setattr(MattePngs, "_draw", lambda self, i, m: drawn(self, i, 255 - m))
    with pytest.raises(VerificationError, match="the matte of frame 0 differs"):
        export_result(result, "png-matte", output=tmp_path / "place")
    assert not (tmp_path / "place").exists()
    export_result(result, "png-matte", output=tmp_path / "place", is_verified=False)
