"""One image, several clicks: the stream's answers, one encoder pass, corrections that add up."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vos.errors import InputError, PromptError
from vos.prompts import Box, MaskPrompt, Points, Polygon, Scribble
from vos.refine.base import NoRefiner
from vos.refine.sam2refiner.refiner import SAM2Refiner, SAM2RefinerConfig
from vos.track.image import ImageSegmenter
from vos.track.session import Session

BOX = (10.0, 8.0, 40.0, 36.0)
CLICK, SECOND = (20.0, 20.0), (50.0, 40.0)


def clicks(*points, labels=None, object_id=1):
    return Points(object_id, points, labels or (1,) * len(points))


def a_mask():
    mask = np.zeros((48, 64), bool)
    mask[10:30, 12:40] = True
    return mask


class Watching(NoRefiner):
    """Says what the seam was given."""

    is_identity = False
    wants_image_2x = True

    def __init__(self):
        self.augmented, self.asked = [], []

    def augment(self, model, features, frame_idx):
        self.augmented.append((features.image_2x.shape[-1] // features.image.shape[-1], frame_idx))
        return {}

    def refine(self, decoded, features, cache, prompts):
        self.asked.append(prompts)
        return decoded


@pytest.fixture
def image(make_frames):
    return make_frames(1)[0].image


@pytest.fixture
def encoded(tiny_model, monkeypatch):
    """One entry per run of the image encoder."""
    calls = []
    original = type(tiny_model).encode_image
    monkeypatch.setattr(
        type(tiny_model),
        "encode_image",
        lambda self, image: calls.append(1) or original(self, image),
    )
    return calls


@pytest.mark.parametrize(
    "prompt",
    [
        Box(1, BOX),
        clicks(CLICK),
        clicks(CLICK, SECOND, labels=(1, 0)),
        Scribble(1, ((12, 12), (30, 30))),
        Polygon(1, ((5, 5), (40, 8), (20, 40))),
        MaskPrompt(1, a_mask()),
    ],
    ids=lambda prompt: type(prompt).__name__,
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_first_prompt_gives_the_first_frame_of_a_session(tiny_model, make_frames, prompt, dtype):
    (frame,) = make_frames(1)
    streamed = Session(tiny_model, [prompt], dtype=dtype).decode(frame)[1]
    asked = ImageSegmenter(tiny_model, frame.image, dtype=dtype).decode([prompt])[1]
    assert torch.equal(asked.logits, streamed.logits)
    assert asked.scores == streamed.scores


def test_a_trained_refiner_gives_what_it_gives_in_the_stream(tiny_model, make_frames):
    (frame,) = make_frames(1)
    torch.manual_seed(1)
    refiner = SAM2Refiner(SAM2RefinerConfig(), tiny_model).eval()
    for parameter in refiner.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    prompts = [Box(1, BOX), clicks(SECOND, object_id=2), MaskPrompt(3, a_mask())]
    streamed = Session(tiny_model, prompts, refiner=refiner).decode(frame)
    asked = ImageSegmenter(tiny_model, frame.image, refiner=refiner).decode(prompts)
    plain = ImageSegmenter(tiny_model, frame.image).decode(prompts)
    assert all(torch.equal(asked[i].logits, streamed[i].logits) for i in (1, 2, 3))
    assert asked[1].logits.shape[-1] > plain[1].logits.shape[-1]
    assert torch.equal(asked[3].logits, plain[3].logits), "a mask is the answer"


def test_masks_and_scores_are_those_of_the_stream(tiny_model, make_frames):
    (frame,) = make_frames(1)
    prompts = [Box(2, BOX), clicks(SECOND, object_id=7)]
    streamed = Session(tiny_model, prompts).track(frame)
    result = ImageSegmenter(tiny_model, frame.image, name="photo").segment(prompts)
    assert np.array_equal(result.label_map, streamed.label_map)
    assert result.objects == streamed.objects
    assert (result.name, result.frame_idx, result.pts) == ("photo", 0, 0)


def test_the_image_is_encoded_once_whatever_is_asked(tiny_model, image, encoded):
    watching = Watching()
    segmenter = ImageSegmenter(tiny_model, image, refiner=watching)
    for count in range(1, 5):
        segmenter.segment([clicks(*[(10.0 + 5 * i, 20.0) for i in range(count)])])
    segmenter.segment([Box(2, BOX), MaskPrompt(3, a_mask())])
    assert len(encoded) == 1
    assert watching.augmented == [(2, 0)]


def test_a_second_click_corrects_the_coarse_answer_of_the_first(tiny_model, image):
    watching = Watching()
    segmenter = ImageSegmenter(tiny_model, image, refiner=watching)
    segmenter.decode([clicks(CLICK)])
    second = segmenter.decode([clicks(CLICK, SECOND, labels=(1, 0))])[1].logits
    one, two = watching.asked
    assert one.before is None
    assert one.now.previous is None
    assert torch.equal(two.now.previous, two.before.raw_logits)
    assert two.now.points_xy.shape == (1, 2, 2)
    at_once = ImageSegmenter(tiny_model, image)
    fresh = at_once.decode([clicks(CLICK, SECOND, labels=(1, 0))])[1].logits
    assert not torch.equal(second, fresh), "the earlier answer takes part"


def test_the_same_prompts_again_change_nothing(tiny_model, image):
    segmenter = ImageSegmenter(tiny_model, image)
    prompts = [Scribble(1, ((12, 12), (30, 30))), MaskPrompt(2, a_mask())]
    first = segmenter.decode(prompts)
    again = segmenter.decode(prompts)
    assert all(torch.equal(first[i].logits, again[i].logits) for i in (1, 2))


def test_a_click_on_one_object_leaves_the_others_as_they_were(tiny_model, image):
    segmenter = ImageSegmenter(tiny_model, image)
    before = segmenter.decode([Box(1, BOX), clicks(SECOND, object_id=2)])
    after = segmenter.decode([clicks(SECOND, CLICK, object_id=2)])
    assert sorted(after) == [1, 2]
    assert torch.equal(before[1].logits, after[1].logits)
    assert not torch.equal(before[2].logits, after[2].logits)


@pytest.mark.parametrize("other", [Box(1, BOX), clicks(SECOND), MaskPrompt(1, a_mask())])
def test_a_click_taken_back_leaves_no_trace(tiny_model, image, other):
    """Prompts without those of the call before start anew, and so does an object forgotten."""
    fresh = ImageSegmenter(tiny_model, image).decode([other])[1].logits
    segmenter = ImageSegmenter(tiny_model, image)
    segmenter.decode([clicks(CLICK, SECOND)])
    assert torch.equal(segmenter.decode([other])[1].logits, fresh)
    if isinstance(other, Points):
        segmenter.decode([clicks(SECOND, CLICK)])
        segmenter.forget(1)
        assert segmenter.decode([]) == {}
        assert torch.equal(segmenter.decode([other])[1].logits, fresh)


def test_a_mask_is_the_answer_and_clicks_correct_it(tiny_model, image):
    watching = Watching()
    segmenter = ImageSegmenter(tiny_model, image, refiner=watching)
    taken = segmenter.decode([MaskPrompt(1, a_mask())])[1].logits
    assert ((taken > 0).float().mean() - a_mask().mean()).abs() < 0.05
    segmenter.decode([clicks(SECOND, labels=(0,))])
    segmenter.decode([clicks(SECOND, (5.0, 5.0), labels=(0, 0))])
    assert torch.equal(watching.asked[1].now.previous, taken)
    assert watching.asked[2].before is not None


def test_what_does_not_fit_is_named_and_changes_nothing(tiny_model, image):
    segmenter = ImageSegmenter(tiny_model, image)
    first = segmenter.decode([Box(1, BOX)])[1].logits
    negative = clicks(SECOND, labels=(0,), object_id=2)
    with pytest.raises(PromptError, match="negative points"):
        segmenter.segment([clicks(CLICK), negative])
    with pytest.raises(PromptError, match="negative points"):
        segmenter.segment([clicks(SECOND, labels=(0,))])
    with pytest.raises(PromptError, match="prompt on frame 3"):
        segmenter.segment([Box(1, BOX, frame_idx=3)])
    with pytest.raises(PromptError, match="outside"):
        segmenter.segment([clicks((640.0, 20.0))])
    kept = segmenter.decode([])
    assert list(kept) == [1]
    assert torch.equal(kept[1].logits, first)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
)
def test_an_array_that_is_no_image(tiny_model, image):
    with pytest.raises(InputError, match="uint8"):
        ImageSegmenter(tiny_model, image)
