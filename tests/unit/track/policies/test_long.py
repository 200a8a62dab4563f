"""`Long` against a slow description: three pathways one by one, each with its whole history."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from math import log

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scripted_frames import Frames, as_lists
from small_nano import choosing_nano
from vos.model.sam2 import Sam2Model
from vos.model.types import Candidates, Decoded, MemoryEntry
from vos.prompts import Box, Points
from vos.refine.base import NoRefiner
from vos.refine.memory_gate import at_side, attach
from vos.track.memory_bank import MemoryBank
from vos.track.policies.long import Long, LongNotes
from vos.track.policy import StreamPosition
from vos.track.session import Session
from vos.track.snapshot import SessionState, from_bytes, to_bytes

SCORES = (6.0, 3.5, 2.5, 1.5, 0.5, -0.5, -1.5, -4.0)
IOUS = (0.95, 0.9, 0.85, 0.62, 0.31, 0.05, 0.004)
BOX = (10.0, 8.0, 50.0, 40.0)

History = tuple[int, ...]
"""Which mask was taken on each frame so far; -1 where it followed from a prompt."""


def offer(seed: int, history: History) -> tuple[list[float], float]:
    """Return what the decoder predicts after a history: three IoUs, as float32 has them, and an
    object score.
    """
    rng = random.Random(f"{seed} {history}")
    return [float(np.float32(rng.choice(IOUS))) for _ in range(3)], rng.choice(SCORES)


# -- The published rule ---------------------------------------------------------------------------


@dataclass
class Frame:
    iou: float
    score: float
    is_prompted: bool = False


@dataclass
class Path:
    """One pathway with all it has ever seen."""

    history: History = ()
    frames: list[Frame] = field(default_factory=list)
    total: float = 0.0

    def lists(self) -> tuple[Frames, list[float], list[float]]:
        t = len(self.frames)
        prompted = [s for s in range(t) if self.frames[s].is_prompted]
        attended = [prompted[0], *prompted[1:][-3:]]
        kept: list[int] = []
        for s in range(t - 1, 0, -1):
            one = self.frames[s]
            if not one.is_prompted and one.iou > 0.1 and one.score > 0:
                kept.insert(0, s)
            if len(kept) == 15:
                break
        if t - 1 not in kept and t > 1:
            kept.append(t - 1)
        elif t == 1:
            kept.append(0)
        maps, pointers = [(0, s) for s in attended], [(t - s, s) for s in attended]
        for slot in range(1, 7):
            back = 7 - slot
            if back <= len(kept) and not self.frames[kept[-back]].is_prompted:
                maps.append((slot, kept[-back]))
        for rank in range(1, 16):
            if rank >= len(kept):
                break
            if not self.frames[kept[-rank]].is_prompted:
                pointers.append((rank, kept[-rank]))
        return (maps, pointers), self.weights(maps), self.weights(pointers)

    def weights(self, listed: list[tuple[int, int]]) -> list[float]:
        if len(listed) == 1:
            return []
        scores = [10 if self.frames[s].is_prompted else self.frames[s].score for _, s in listed]
        ranks = np.argsort(np.argsort(scores, kind="stable"), kind="stable")
        return np.linspace(0.95, 1.05, len(listed))[ranks].tolist()


def go_on(paths: list[Path], seed: int) -> list[Path]:
    """Return the three pathways after one more frame without a prompt."""
    offers = [offer(seed, path.history) for path in paths]

    def grow(p: int, j: int, total: float) -> Path:
        path, (ious, score) = paths[p], offers[p]
        frames = [*path.frames, Frame(ious[j], score)]
        return Path((*path.history, j), frames, total)

    if all(frame.is_prompted for frame in paths[0].frames):
        best = int(np.argmax(offers[0][0]))
        return [grow(0, best, 0.0) for _ in range(3)]
    totals = [[paths[p].total + log(iou + 1e-5) for iou in offers[p][0]] for p in range(3)]
    flat = [(p, j) for p in range(3) for j in range(3)]
    order = np.argsort([-totals[p][j] for p, j in flat], kind="stable")
    ranked = [flat[i] for i in order]
    if max(abs(score) for _, score in offers) > 2:
        return [grow(p, j, totals[p][j]) for p, j in ranked[:3]]
    chosen: list[tuple[int, int]] = []
    seen: list[float] = []
    for p, j in ranked:
        ious, score = offers[p]
        signed = round(ious[j] if score > 0 else -ious[j], 2)
        if signed in seen or len(chosen) == 3:
            continue
        seen.append(signed)
        chosen.append((p, j))
    for p in range(3):
        if len(chosen) < 3 and p not in [which for which, _ in chosen]:
            chosen.append(next((q, j) for q, j in ranked if q == p))
    return [grow(p, j, totals[p][j]) for p, j in chosen]


# -- The policy on scripted offers ----------------------------------------------------------------


def remember(frame_idx: int, number: int, iou: float, score: float) -> MemoryEntry:
    pointer = torch.full((1, 1), float(number))
    values = torch.tensor([[iou]]), torch.tensor([[score]])
    return MemoryEntry(frame_idx, torch.zeros(1, 2, 2, 2), pointer, *values)


def decoded_of(iou: float, score: float) -> Decoded:
    none = torch.zeros(1, 1, 2, 2)
    one = torch.tensor([[iou]])
    return Decoded(none, none, none, one, one, torch.tensor([[score]]), torch.zeros(1, 1), False)


class Player:
    """Lets a policy follow a script, and knows the history of each of its hypotheses."""

    def __init__(self, policy: Long, seed: int, *, first: int = 0, reverse: bool = False):
        self.policy, self.seed, self.first, self.reverse = policy, seed, first, reverse
        self.bank = MemoryBank()
        self.histories: list[History] = [()]
        self.looked = 0
        self._number = 0

    @property
    def at(self) -> StreamPosition:
        step = -self._number if self.reverse else self._number
        return StreamPosition(self.first + step, self.reverse)

    def prompt(self) -> None:
        entry = remember(self.at.frame_idx, self._number, 1.0, 10.0)
        self.bank = self.policy.admit(self.bank, entry, decoded_of(1.0, 10.0), prompted=True)
        self.histories = [(*self.histories[0], -1)]
        self._number += 1

    def go_on(self) -> None:
        offers = [offer(self.seed, history) for history in self.histories]
        none = torch.zeros(1, 3, 2, 2)
        seen = [Candidates(none, torch.tensor([i]), torch.tensor([[s]])) for i, s in offers]
        self.looked += len(seen)
        picks = self.policy.pick(self.bank, seen)
        made = {}
        for pick in picks:
            ious, score = offers[pick.parent]
            values = ious[pick.alternative], score
            entry = remember(self.at.frame_idx, self._number, *values)
            made[pick] = entry, decoded_of(*values)
        self.bank = self.policy.join(self.bank, picks, made)
        different = list(dict.fromkeys(picks))
        self.histories = [(*self.histories[one.parent], one.alternative) for one in different]
        self._number += 1

    @property
    def paths(self) -> tuple[int, ...]:
        notes = self.bank.policy_state
        return (isinstance(notes, LongNotes) and notes.paths) or (0, 0, 0)


@pytest.mark.parametrize("reverse", [False, True])
@settings(max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    script=st.lists(st.sampled_from("......" * 5 + "p"), min_size=25, max_size=50),
)
def test_pathways_go_on_and_attend_as_published(reverse, seed, script):
    player = Player(Long(), seed, first=900, reverse=reverse)
    player.prompt()
    paths = [Path((-1,), [Frame(1, 10, True)]) for _ in range(3)]
    for event in script:
        banks = player.policy.split(player.bank)
        assert len(banks) == len(player.histories) == len({p.history for p in paths})
        for path, which in zip(paths, player.paths, strict=True):
            assert player.histories[which] == path.history
            recall = player.policy.select(banks[which], player.at)
            lists, map_weights, pointer_weights = path.lists()
            assert as_lists(recall) == lists
            assert recall.map_weights == pytest.approx(tuple(map_weights))
            assert recall.pointer_weights == pytest.approx(tuple(pointer_weights))
        if event == "p":
            player.prompt()
            best = paths[0]
            frames = [*best.frames, Frame(1, 10, True)]
            paths = [Path((*best.history, -1), frames, best.total) for _ in range(3)]
        else:
            player.go_on()
            paths = go_on(paths, seed)


def test_scripts_make_pathways_part_and_meet():
    counts = []
    for seed in range(8):
        player = Player(Long(), seed)
        player.prompt()
        for _ in range(30):
            player.go_on()
            counts.append(len(player.policy.split(player.bank)))
    assert set(counts) == {1, 2, 3}


@pytest.mark.parametrize("count", [600, pytest.param(5000, marks=pytest.mark.slow)])
def test_many_frames_fill_no_more_than_a_hundred(count):
    player = Player(Long(lag=16), 1)
    player.prompt()
    sizes = []
    for t in range(count):
        player.go_on()
        player.histories = [history[-20:] for history in player.histories]
        if t < 100 or t % 20 == 0:
            banks = player.policy.split(player.bank)
            sizes.append((player.bank.state_bytes(), max(len(bank.recent) for bank in banks)))
    # At most: three hypotheses with 16 entries, 6 maps and 17 masks each, none in common.
    assert max(size for size, _ in sizes[100:]) <= 3 * 16 * 40 + 3 * 6 * 16 + 3 * 17 * 24
    assert max(kept for _, kept in sizes) <= 16
    assert len(to_bytes(SessionState({1: player.bank}))) < 100_000


def test_a_scene_cut_leaves_prompted_frames_alone():
    player = Player(Long(), 3)
    player.prompt()
    for _ in range(30):
        player.go_on()
    after = player.bank.without_recent()
    assert (after.policy_state, after.recent, after.branches) == (None, (), ())
    assert len(after.prompted) == 1


def test_the_past_is_that_of_the_best_hypothesis_by_now():
    player = Player(Long(lag=5), 3)
    player.prompt()
    wanted: dict[History, float] = {}
    changed = 0
    for t in range(1, 80):
        before = player.histories[0]
        player.go_on()
        history = player.histories[0]
        changed += history[: len(before)] != before
        for back in range(min(5, t - 1) + 1):
            done = history[: len(history) - back]
            ious, score = offer(player.seed, done[:-1])
            wanted[done] = ious[done[-1]]
            past = player.policy.find_past(player.bank, t - back)
            assert past is not None
            assert past.score_pair.tolist() == pytest.approx([wanted[done], score])
        assert player.policy.find_past(player.bank, t - 6) is None
    assert changed > 3


# -- A model with alternatives on tracked frames --------------------------------------------------


@pytest.fixture(scope="module")
def choosing_model() -> Sam2Model:
    return choosing_nano()


FORKING = Long(certain_above=1e9)
"""Every frame is uncertain."""


def run(model: Sam2Model, prompts, frames, policy: Long = FORKING):
    session = Session(model, prompts, policy=policy, reverse=frames[0].frame_idx > 0)
    found, states, forks = [], [], []
    for frame in frames:
        found.append(session.decode(frame))
        states.append(to_bytes(session.snapshot()))
        forks.append(1 + len(session.banks[prompts[0].object_id].branches))
    return found, states, forks


@pytest.mark.parametrize("reverse", [False, True])
def test_a_checkpoint_after_any_frame_changes_nothing(choosing_model, make_frames, reverse):
    frames = make_frames(12)
    frames = frames[::-1] if reverse else frames
    prompts = [Box(1, BOX, frames[0].frame_idx), Points(1, ((20.0, 20.0),), (1,), 6)]
    policy = replace(FORKING, lag=3)
    whole, states, forks = run(choosing_model, prompts, frames, policy)
    assert max(forks) == 3
    assert forks[0] == forks[5 if reverse else 6] == 1
    # The state after a frame decides the next one, and so all that follow.
    for done, data in enumerate(states[:-1]):
        state = from_bytes(data, torch.device("cpu"))
        fresh = Session(choosing_model, prompts, policy=policy, reverse=reverse)
        resumed = fresh.resume(state, frames[0].size_hw)
        found = resumed.decode(frames[done + 1])
        assert torch.equal(found[1].logits, whole[done + 1][1].logits)
        assert to_bytes(resumed.snapshot()) == states[done + 1]


def test_several_objects_are_as_one_by_one(choosing_model, make_frames):
    fast = Sam2Model(choosing_model.net, exact=False)
    boxes = [Box(i, (4.0 * i, 6.0, 30.0 + 4.0 * i, 40.0)) for i in (1, 2, 3)]
    frames = make_frames(6)
    together, _, _ = run(fast, boxes, frames)
    for one in boxes:
        alone, _, _ = run(choosing_model, [one], frames)
        for mine, its in zip(together, alone, strict=True):
            ours, theirs = mine[one.object_id].logits, its[one.object_id].logits
            assert (ours - theirs).abs().max() < 2e-3


class Alone(Long):
    """One pathway as any other policy has it, by the choice of the decoder."""

    __slots__ = ()

    @property
    def hypotheses(self):
        return None


@pytest.mark.parametrize("exact", [True, False])
def test_a_single_pathway_is_the_ordinary_step(choosing_model, make_frames, exact):
    model = Sam2Model(choosing_model.net, exact=exact)
    frames, prompts = make_frames(8), [Box(1, BOX)]
    one, _, forks = run(model, prompts, frames, Long(pathways=1))
    other, _, _ = run(model, prompts, frames, Alone())
    assert set(forks) == {1}
    for mine, its in zip(one, other, strict=True):
        assert torch.equal(mine[1].logits, its[1].logits)
        assert torch.equal(mine[1].score_pair, its[1].score_pair)


class Fusing(NoRefiner):
    """Changes what is decoded for the user, and the mask, but not what is remembered."""

    is_identity = False
    plain_memory = True

    def fuse(self, embedding, cache, prompts):
        return 1.5 * embedding

    def refine(self, decoded, features, cache, prompts):
        return attach(decoded, at_side(decoded.raw_logits, 32) - 0.1, features, gate=None)


def test_a_refiner_sees_each_pathway_as_it_sees_any_object(choosing_model, make_frames):
    def track(policy: Long):
        session = Session(choosing_model, [Box(1, BOX)], refiner=Fusing(), policy=policy)
        return [session.decode(frame)[1] for frame in make_frames(6)], session

    one, session = track(Long(pathways=1))
    other, _ = track(Alone())
    for mine, its in zip(one, other, strict=True):
        assert mine.logits.shape[-1] == 32
        assert torch.equal(mine.logits, its.logits)
        assert torch.equal(mine.score_pair, its.score_pair)
    _, session = track(FORKING)
    assert len(session.banks[1].branches) == 2


def test_what_is_the_same_is_computed_once(choosing_model, make_frames, monkeypatch):
    rows: list[int] = []
    real = Sam2Model.condition

    def spy(self, features, recalls, **kw):
        rows.append(len(recalls))
        return real(self, features, recalls, **kw)

    monkeypatch.setattr(Sam2Model, "condition", spy)
    model = Sam2Model(choosing_model.net, exact=False)
    run(model, [Box(1, BOX)], make_frames(6), Long(certain_above=0.0))
    assert rows == [0, 1, 1, 1, 1, 1]
    rows.clear()
    _, _, forks = run(model, [Box(1, BOX)], make_frames(6))
    assert sum(rows) == sum(forks[:-1])
    assert max(forks) > 1


def test_without_alternatives_there_is_one_hypothesis(tiny_model, make_frames):
    _, _, forks = run(tiny_model, [Box(1, BOX)], make_frames(6))
    assert set(forks) == {1}
