"""File names that would break a line of text."""

import pytest

from vos.errors import PromptError
from vos.prompts import load_prompts, parse_mask


@pytest.mark.parametrize("read", [load_prompts, parse_mask])
def test_a_newline_in_a_name_does_not_break_the_message(read):
    with pytest.raises(PromptError) as caught:
        read("no\nsuch.png")
    assert "no\\nsuch.png: no such file" in str(caught.value)
    assert "\n" not in str(caught.value)
