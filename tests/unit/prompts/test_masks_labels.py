"""A mask file of several labels is never joined into one object without a word."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vos.errors import PromptError
from vos.prompts import parse_mask


def labels(path, *values):
    image = np.zeros((8, 8), np.uint8)
    for row, value in enumerate(values):
        image[row] = value
    Image.fromarray(image).save(path)
    return path


def test_an_id_that_is_not_in_a_file_of_several_labels_is_refused(tmp_path):
    file = labels(tmp_path / "m.png", 1, 5)
    with pytest.raises(PromptError, match=r"m\.png: holds the labels 1, 5 and no 2"):
        parse_mask(f"2:{file}")
    (five,) = parse_mask(f"5:{file}")
    assert five.mask.sum() == 8
    assert [one.object_id for one in parse_mask(str(file))] == [1, 5]


@pytest.mark.parametrize("value", [1, 7, 255])
def test_the_only_label_of_a_file_may_have_any_id(tmp_path, value):
    (two,) = parse_mask(f"2:{labels(tmp_path / 'm.png', value)}")
    assert (two.object_id, two.mask.sum()) == (2, 8)
