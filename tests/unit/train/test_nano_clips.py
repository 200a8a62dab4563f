"""Which generated clips nano is trained on."""

from __future__ import annotations

import torch

from vos.synth.clips import generate_clips
from vos.synth.config import RICH
from vos.train.nano.clip_feed import ClipShape
from vos.train.nano.stages import PLAIN, make_stages


def test_a_feed_gives_the_clips_of_its_config() -> None:
    shape = ClipShape(2, 2, 32, RICH)
    assert torch.equal(shape.generate(3).frames, generate_clips(2, 2, 32, 3, config=RICH).frames)
    assert not torch.equal(
        shape.generate(3).frames, shape._replace(config=PLAIN).generate(3).frames
    )


def test_both_kinds_are_trained_on_and_rich_clips_more() -> None:
    work = make_stages(None)[-1].work
    pixels = {c: sum(w.batch * (w.frames - w.rolled) * w.size_px**2 for w in work if w.clips == c)
              for c in (PLAIN, RICH)}  # fmt: skip
    assert 0.4 < sum(w.clips == RICH for w in work) / len(work) < 0.7
    assert 0.5 < pixels[RICH] / pixels[PLAIN] < 3.0
