"""SegNext-style and SAM-REF in a stream, in mixed precision as on a GPU."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from small_nano import small_nano
from vos.frame import Frame
from vos.model.sam2 import Sam2Model
from vos.prompts import Points, Polygon, Scribble
from vos.refine.samref.refiner import SamRef, SamRefConfig
from vos.refine.segnext import SegNextConfig, SegNextStyle
from vos.track.session import Session


@pytest.fixture(scope="module")
def model() -> Sam2Model:
    return small_nano()


@pytest.mark.parametrize("make", [SegNextStyle, SamRef])
def test_half_precision_gives_finite_logits_in_float32(model, make):
    config = SegNextConfig() if make is SegNextStyle else SamRefConfig()
    refiner = make(config, model).eval()
    with torch.no_grad():
        for parameter in refiner.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    prompts = [
        Points(1, ((30, 20),), (1,)),
        Polygon(2, ((5, 5), (40, 5), (40, 40))),
        Scribble(3, ((5, 5), (60, 40))),
        Points(2, ((50, 40),), (0,), frame_idx=1),
    ]
    session = Session(model, prompts, refiner=refiner, dtype=torch.bfloat16)
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    for index in range(3):
        for answer in session.decode(Frame(image, Fraction(index, 30), index, "f")).values():
            assert answer.logits.dtype == torch.float32
            assert answer.logits.isfinite().all()
