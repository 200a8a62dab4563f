"""The image sets are found by the layouts they are published in."""

import numpy as np
import pytest
from PIL import Image

from vos_eval.errors import EvalError
from vos_eval.image_sets import find_sets, read_label


def put(path, shape=(6, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, 200, np.uint8)).save(path)


def test_layouts(tmp_path):
    thin = tmp_path / "thin_object_detection"
    put(tmp_path / "DIS5K/DIS-VD/im/a.jpg", (6, 8, 3))
    put(tmp_path / "DIS5K/DIS-VD/gt/a.png")
    put(thin / "COIFT/images/b.jpg")
    put(thin / "COIFT/masks/b.png")
    put(thin / "HRSOD/images/c.jpg")
    put(thin / "HRSOD/masks/c.png")
    put(thin / "HRSOD/masks_max255/c.png")
    put(thin / "ThinObject5K/images_test/d.jpg")
    put(thin / "ThinObject5K/masks_test/d.png")
    sets = find_sets(tmp_path)
    assert [one.name for one in sets] == ["DIS-VD", "COIFT", "HRSOD", "ThinObject5K-test"]
    assert [one.expected for one in sets] == [470, 280, 287, 500]
    assert "masks_max255" in str(sets[2].pairs[0].label)
    assert [one.name for one in find_sets(thin)] == ["COIFT", "HRSOD", "ThinObject5K-test"]
    (plain,) = find_sets(tmp_path / "DIS5K/DIS-VD")
    assert plain.name == "DIS-VD"
    assert read_label(plain.pairs[0].label).shape == (6, 8)

    put(tmp_path / "mine/im/x.jpg")
    put(tmp_path / "mine/gt/y.png")
    with pytest.raises(EvalError) as error:
        find_sets(tmp_path / "mine")
    assert len(error.value.problems) == 2
    with pytest.raises(EvalError, match="no image set"):
        find_sets(tmp_path / "mine/im")
