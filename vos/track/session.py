"""Track a stream of frames in memory that does not grow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
import torch

from vos.errors import FrameError, Parameter, PromptError, UsageError
from vos.frame import IMAGE_RATE, Frame, FrameResult, check_frame
from vos.model.sam2 import Sam2Model
from vos.model.types import Decoded, ModelPrompt
from vos.prompts.absence import Absences
from vos.prompts.collect import check_prompt, check_prompts, collect
from vos.prompts.kinds import ObjectPrompt, Prompt
from vos.refine.base import NoRefiner, Refiner
from vos.track.absent import absent_logits, remember_absent
from vos.track.capacity import Capacity
from vos.track.compose import (
    Composing,
    Draw,
    ObjectLogits,
    begin_to_compose,
    detach_results,
    label_map,
    label_pixels,
)
from vos.track.engine import EncodedFrame, Engine, look_at
from vos.track.frame_order import FrameOrder, has_passed
from vos.track.inputs import to_double_input, to_model_prompt
from vos.track.look_ahead import GroupEncoder
from vos.track.lookout import Lookout, Newcomer, Seen, look
from vos.track.mattes import matte_pixels
from vos.track.memory_bank import MemoryBank
from vos.track.policy import Fifo, MemoryPolicy, StreamPosition
from vos.track.prompts_ahead import PromptsAhead, keep_pairs
from vos.track.snapshot import SessionState
from vos.track.step import track_frame
from vos.track.zoom import to_prompt, zoom_in


@dataclass(slots=True)
class Session:
    """A tracker of one video's prompted objects, one frame after the other.

    Its state is one immutable bank per object and the prompts that wait for their frame.

    model: the network's verbs.
    prompts: any mix of objects and frames; an object exists from the first of its prompted frames
        that the stream reaches.
    refiner, policy: see `Engine`.
    dtype: float32, or bfloat16 for mixed precision.
    reverse: whether frames arrive in descending order.
    frame_count: clip length where known (it changes nothing for clips of 16 frames and more).
    capacity: objects and images per batch; None suits the device.
    banks: what is remembered of objects that are tracked already.
    soft: whether results have mattes, which costs memory and time.
    rate: frames per second of arrays, which have no time of their own.
    lookout: how new objects are found without a prompt; None to look for none.

    Raises PromptError for prompts that are none, or that show an object where one says it is
    absent, UsageError for a lookout in a session that goes backward.
    """

    model: Sam2Model
    prompts: Sequence[Prompt] = ()
    refiner: Refiner = field(default_factory=NoRefiner)
    policy: MemoryPolicy = field(default_factory=Fifo)
    dtype: torch.dtype = torch.float32
    reverse: bool = False
    frame_count: int | None = None
    capacity: Capacity | None = None
    banks: Mapping[int, MemoryBank] = field(default_factory=dict)
    soft: bool = False
    rate: Fraction = IMAGE_RATE
    lookout: Lookout | None = None
    _seen: Seen = field(default_factory=Seen)
    _ahead: PromptsAhead = field(default_factory=PromptsAhead)
    _absences: Absences = field(default_factory=Absences)
    _order: FrameOrder = field(default_factory=FrameOrder)
    _encoder: GroupEncoder = field(default_factory=GroupEncoder)

    def __post_init__(self) -> None:
        self.prompts = check_prompts(self.prompts)
        self._absences = Absences.of(self.prompts)
        if self.lookout is not None and self.reverse:
            raise UsageError(
                Parameter("lookout"),
                ": new objects are looked for forward only; leave out ",
                Parameter("reverse"),
            )

    @property
    def engine(self) -> Engine:
        """Return the model with its refiner, its policy and its precision."""
        return Engine(self.model, self.refiner, self.policy, self.dtype)

    def run(self, frames: Iterable[Frame | np.ndarray]) -> Iterator[FrameResult]:
        """Track the frames and yield one result each, in the order given.

        frames: as `track` takes them.

        Raises: PromptError if a prompt does not fit the frames, or names a frame that never came.
        """
        try:
            stream = iter(frames)
        except TypeError:  # of a 0-dimensional array too, which is an Iterable
            check_frame(frames)
            raise
        for frame in stream:
            yield self.track(frame)
        self.check_all_used()

    def track(self, frame: Frame | np.ndarray) -> FrameResult:
        """Return the masks of the next frame of the stream.

        frame: as in `next_frame`.

        Raises: FrameError for what is no frame, for a frame that has passed, or of another size;
        PromptError if a prompt does not fit it, or is on a frame that was left out.
        """
        return self.begin(self.next_frame(frame)).wait()

    def next_frame(self, frame: Frame | np.ndarray) -> Frame:
        """Make the next frame of the stream from an array, with its index and time counted.

        frame: uint8 H x W x 3, RGB, whose index follows that of the frame before, from 0 on, and
            whose time is that index divided by `rate`; or a Frame, which is returned as it is.

        Raises FrameError for what is neither, and where the stream cannot be counted: backward,
        resumed, or after a Frame with a time of its own.
        """
        if not isinstance(frame, np.ndarray):
            check_frame(frame)
            return frame
        has_state = bool(self.banks) or self._ahead.by_frame is not None
        is_begun = self._order.last_idx is None and has_state
        counted = None if self.reverse or is_begun else self._order.count(frame, self.rate)
        if counted is None:
            raise FrameError(
                "an array has neither index nor time, and this session cannot count them: it goes "
                "backward, was begun elsewhere, or its frames had times of their own; give "
                'vos.Frame(image, Fraction(idx, rate), idx, f"{idx:05d}")'
            )
        return counted

    def begin(self, frame: Frame, following: Sequence[Frame] | None = None) -> Composing:
        """Begin as `track` does, without waiting for the device; `wait` of the result does.

        following: as in `decode`. Raises as `track`.
        """
        return self.compose(frame, self.decode(frame, following))

    @torch.inference_mode()
    def compose(
        self, frame: Frame, objects: Mapping[int, ObjectLogits], draw: Draw | None = None
    ) -> Composing:
        """Begin to make a frame's result of logits, as this model's device does it fastest.

        draw: as in `begin_to_compose`.
        """
        quicken = self.model.quicken
        draw = None if draw is None else quicken(draw, "the overlay")
        make_mattes = quicken(matte_pixels, "mattes") if self.soft else None
        make_labels = quicken(label_pixels, "masks")
        return begin_to_compose(frame, objects, make_labels, draw, make_mattes)

    @property
    def look_ahead(self) -> int:
        """Return how many images are encoded at once, if `decode` gets the following ones."""
        return self._room().look_ahead

    @torch.inference_mode()
    def decode(
        self, frame: Frame, following: Sequence[Frame] | None = None
    ) -> dict[int, ObjectLogits]:
        """Return logits and scores per object; frames before the first prompt cost nothing.

        following: the frames that come next, as `with_following` gives them; None if unknown.

        Raises as `track`.
        """
        self._order.check_next(frame, reverse=self.reverse)
        objects = self._decode_known(frame, following)
        if self.lookout is not None:
            objects |= self._look(self.lookout, frame, following, objects)
        return dict(sorted(objects.items()))

    def _decode_known(
        self, frame: Frame, following: Sequence[Frame] | None
    ) -> dict[int, ObjectLogits]:
        """Decode the objects that are tracked already, and those that are prompted here."""
        by_object = self._take_prompts(frame)
        if not self.banks and all(prompt.is_absent for prompt in by_object.values()):
            return {}
        room, engine = self._room(), self.engine
        at = StreamPosition(frame.frame_idx, self.reverse, self.frame_count)
        drawn = {i: prompt for i, prompt in by_object.items() if not prompt.is_absent}
        gone = {i: bank for i, bank in self.banks.items() if self._absences.hold(i, at.frame_idx)}
        banks = {i: bank for i, bank in self.banks.items() if i not in gone}
        # A prompt may be added after the frame before it was tracked, which then knew of no end.
        back = [i for i in drawn if i in banks and self._absences.hold(i, at.last_idx)]
        banks |= {i: banks[i].without_recent() for i in back}
        last = {i for i in gone if not self._absences.hold(i, at.next_idx)}

        def work() -> tuple[dict[int, Decoded], dict[int, MemoryBank]]:
            if not (banks or drawn or last):
                return {}, {i: remember_absent(engine, bank, None) for i, bank in gone.items()}
            encoded = self._encode(frame, following, at)
            prompts = {
                i: _to_model(engine, frame, prompt, is_new=i not in banks)
                for i, prompt in drawn.items()
            }
            decoded, remembered = track_frame(
                engine, encoded, room.place(banks), prompts, batch_size=room.objects_per_batch
            )
            for i, bank in room.place(gone).items():
                remembered[i] = remember_absent(engine, bank, encoded if i in last else None)
            return decoded, remembered

        with engine.autocast():
            decoded, remembered = room.run(
                work, objects=len({*self.banks, *drawn}), frame_idx=frame.frame_idx
            )
        self.banks = dict(sorted(room.place(remembered).items()))
        return detach_results(decoded) | {i: absent_logits(self.model) for i in gone}

    def _encode(
        self, frame: Frame, following: Sequence[Frame] | None, at: StreamPosition
    ) -> EncodedFrame:
        """Return the frame as the model and the refiner see it at this place of the stream."""
        if isinstance(frame.encoded, EncodedFrame) and frame.encoded.at == at:
            return frame.encoded
        features = self._encoder.encode(self.model, frame, following, self.look_ahead)
        double = to_double_input(frame.image, self.model, self.refiner)
        return look_at(self.engine, replace(features, image_2x=double), at)

    def _look(
        self,
        lookout: Lookout,
        frame: Frame,
        following: Sequence[Frame] | None,
        known: Mapping[int, ObjectLogits],
    ) -> dict[int, ObjectLogits]:
        """Decode the objects that are new on this frame, and remember them from now on."""
        if frame.is_corrupt or not self._seen.is_due(frame.frame_idx):
            return {}
        covered = label_map({i: one.logits for i, one in known.items()}, frame.size_hw) != 0
        in_use = {*self.banks, *(one.object_id for one in (*self.prompts, *self.found))}
        masks = lookout.find_masks(self.model, frame, self.dtype)
        self._seen, prompts = look(lookout, self._seen, frame, covered, in_use, masks)
        if not prompts:
            return {}
        # Prompted objects go through the model alone, so that nothing of the others changes.
        alone = replace(self.resume(SessionState({}), frame.size_hw), prompts=prompts, lookout=None)
        objects = alone.decode(frame, following)
        self.banks = dict(sorted({**self.banks, **alone.banks}.items()))
        return objects

    @property
    def found(self) -> tuple[Newcomer, ...]:
        """Return the objects that were found without a prompt so far, with frame and mask."""
        return self._seen.newcomers

    @property
    def lag(self) -> int:
        """Return how many frames to wait before `revise` is asked about a frame."""
        hypotheses = self.policy.hypotheses
        return 0 if hypotheses is None else hypotheses.lag

    def revise(
        self, frame_idx: int, objects: Mapping[int, ObjectLogits]
    ) -> dict[int, ObjectLogits]:
        """Return an earlier frame's objects as the hypotheses that are best by now have them.

        objects: what `decode` returned on that frame, at most `lag` frames ago.
        """
        revised = dict(objects)
        hypotheses = self.policy.hypotheses
        for object_id in revised.keys() & self.banks.keys():
            past = None
            if hypotheses is not None:
                past = hypotheses.find_past(self.banks[object_id], frame_idx)
            if past is not None:
                revised[object_id] = ObjectLogits(past.logits, past.score_pair)
        return revised

    def add_prompt(self, prompt: Prompt) -> None:
        """Add a prompt on a frame the stream has not reached yet; earlier prompts stay.

        Raises PromptError for a prompt on a frame that has passed, or one that does not fit;
        nothing has changed then.
        """
        check_prompt(prompt)
        last_idx = self._order.last_idx
        if last_idx is not None and has_passed(prompt.frame_idx, last_idx, reverse=self.reverse):
            raise PromptError(
                f"prompt on frame {prompt.frame_idx}: the stream has passed it and is at frame "
                f"{last_idx}; prompt a frame to come, or begin another session"
            )
        prompts = (*self.prompts, prompt)
        absences = Absences.of(prompts)
        size_hw = self._order.size_hw
        if self._ahead.by_frame is not None and size_hw is not None:
            same = [p for p in prompts if p.object_id == prompt.object_id]
            joined = self._collect(same, size_hw)[prompt.frame_idx][prompt.object_id]
            self._ahead.add(prompt.frame_idx, prompt.object_id, joined)
        self.prompts, self._absences = prompts, absences

    def remove_object(self, object_id: int) -> None:
        """Forget an object; later results no longer contain it.

        Raises PromptError for an object that is neither tracked nor prompted.
        """
        if object_id not in {*self.banks, *(prompt.object_id for prompt in self.prompts)}:
            raise PromptError(
                f"object {object_id!r} is not tracked here: give the id of one that is"
            )
        self.banks = {i: bank for i, bank in self.banks.items() if i != object_id}
        self.prompts = tuple(p for p in self.prompts if p.object_id != object_id)
        self._absences = Absences.of(self.prompts)
        self._ahead.remove(object_id)

    def forget_recent(self) -> None:
        """Remember of every object only its prompted frames: a new scene begins."""
        self.banks = {i: bank.without_recent() for i, bank in self.banks.items()}

    def check_all_used(self) -> None:
        """Raise PromptError if a prompted frame never came."""
        self._ahead.check_none_left(self.prompts)

    def snapshot(self) -> SessionState:
        """Return what the next frame depends on. Costs nothing: banks are immutable."""
        return SessionState(dict(self.banks), self._ahead.pairs(), self._seen)

    def resume(self, state: SessionState, size_hw: tuple[int, int]) -> Session:
        """Return a session that goes on where `snapshot` was taken, with this one's model, settings
        and prompts.

        size_hw: height and width of the frames in pixels.
        """
        resumed = replace(
            self,
            banks=dict(state.banks),
            _seen=state.seen,
            _ahead=PromptsAhead(),
            _order=FrameOrder(self._order.size_hw),
            _encoder=GroupEncoder(),
        )
        if state.waiting is not None:
            resumed._order.size_hw = size_hw
            joined = resumed._collect(self.prompts, size_hw)
            resumed._ahead = keep_pairs(joined, state.waiting)
        return resumed

    def state_bytes(self) -> int:
        """Return the bytes of tensors held between two frames."""
        return sum(bank.state_bytes() for bank in self.banks.values())

    def _room(self) -> Capacity:
        if self.capacity is None:
            self.capacity = Capacity.of(self.model)
        return self.capacity

    def _collect(
        self, prompts: Sequence[Prompt], size_hw: tuple[int, int]
    ) -> dict[int, dict[int, ObjectPrompt]]:
        direction = "backward" if self.reverse else "forward"
        return collect(prompts, size_hw, direction=direction, known=self.banks)

    def _take_prompts(self, frame: Frame) -> dict[int, ObjectPrompt]:
        if self._ahead.by_frame is None:
            self._ahead.by_frame = self._collect(self.prompts, frame.size_hw)
        taken = self._ahead.take(frame.frame_idx, reverse=self.reverse)
        self._order.advance(frame)
        return taken


def _to_model(engine: Engine, frame: Frame, prompt: ObjectPrompt, *, is_new: bool) -> ModelPrompt:
    """Return a prompt as the model takes it; a new object's box is answered on a cut-out first."""
    zoomed = zoom_in(engine, frame.image, prompt) if is_new else None
    if zoomed is not None:
        return to_prompt(zoomed, engine.model)
    return to_model_prompt(prompt, frame.size_hw, engine.model)
