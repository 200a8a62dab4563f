"""SAM 3's tracker at small sizes: loaded, tracked with, and equal to a slow reference."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.unit.track.official import write_clip
from vos.errors import CheckpointError, ModelError, UsageError
from vos.model import registry
from vos.model.files.identify import identify
from vos.model.load import load_model, make_ready
from vos.model.networks.sam3 import Sam3Sizes, build_sam3, to_sam2_names
from vos.model.preprocess import MEAN_RGB, STD_RGB
from vos.model.sam2 import Sam2Model
from vos.model.types import MemoryInput
from vos.prompts import Box, MaskPrompt
from vos.track.policies.long import Long
from vos.track.session import Session

CPU = torch.device("cpu")
SIZES = Sam3Sizes(width=128, blocks=8, hidden=200, grid=4)
SIDE = 6
"""Of the test's image in tokens: no multiple of a window's."""
TRUNK = "detector.backbone.vision_backbone.trunk."
NECK = "detector.backbone.vision_backbone.sam2_convs."


def random_file(seed: int = 0) -> dict[str, Tensor]:
    """The tensors of a SAM 3 by the names of its file, with what the tracker does not need."""
    torch.manual_seed(seed)
    net = build_sam3(SIZES)
    for tensor in net.state_dict().values():
        if tensor.is_floating_point() and tensor.numel() > 1 and tensor.std() < 1e-3:
            tensor.normal_(0, 0.05)
    torch.nn.init.constant_(
        net.get_parameter("sam_mask_decoder.pred_obj_score_head.layers.2.bias"), 4.0
    )
    state: dict[str, Tensor] = {}
    for name, tensor in net.state_dict().items():
        old = name
        for new, was in (
            ("image_encoder.trunk.", TRUNK),
            ("image_encoder.neck.convs.", NECK),
            ("memory_attention.", "tracker.transformer.encoder."),
            ("memory_encoder.", "tracker.maskmem_backbone."),
        ):
            if name.startswith(new):
                old = was + name.removeprefix(new)
        if old == name:
            old = f"tracker.{name}"
        if old.startswith("tracker.sam_mask_decoder.transformer.layers."):
            old = re.sub(r"\.mlp\.layers\.([01])\.", lambda m: f".mlp.lin{int(m[1]) + 1}.", old)
        state[old] = tensor.clone()
    state[f"{TRUNK}blocks.0.attn.freqs_cis"] = torch.ones(4, 32, dtype=torch.complex64)
    state[f"{NECK}3.conv_1x1.weight"] = torch.zeros(256, 128, 1, 1)
    state["detector.backbone.vision_backbone.convs.0.conv_1x1.bias"] = torch.zeros(256)
    state["detector.backbone.language_backbone.encoder.ln_final.bias"] = torch.zeros(8)
    return state


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return random_file()


def small(state: dict[str, Tensor], *, exact: bool = True) -> Sam2Model:
    net = build_sam3(SIZES, image_size=14 * SIDE)
    net.load_state_dict(to_sam2_names(state))
    return make_ready(net, device=CPU, exact=exact)


# -- The image encoder, token by token -------------------------------------------------------------


def linear(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def norm(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    spread = (x - x.mean(-1, keepdim=True)).pow(2).mean(-1, keepdim=True)
    unit = (x - x.mean(-1, keepdim=True)) / (spread + 1e-5).sqrt()
    return unit * state[f"{name}.weight"] + state[f"{name}.bias"]


def turn(vector: Tensor, x: float, y: float) -> Tensor:
    """Rotate the pairs of one head's vector: the first half of them by x, the others by y."""
    turned, pairs = vector.clone(), len(vector) // 2
    for pair in range(pairs):
        place, k = (x, pair) if pair < pairs // 2 else (y, pair - pairs // 2)
        angle = place / 10000 ** (4 * k / len(vector))
        a, b = vector[2 * pair], vector[2 * pair + 1]
        turned[2 * pair] = a * math.cos(angle) - b * math.sin(angle)
        turned[2 * pair + 1] = a * math.sin(angle) + b * math.cos(angle)
    return turned


def attend(tokens: dict[tuple[int, int], Tensor], state, name: str, step: float):
    """Attention among the tokens of one window, by their row and column in it."""
    places = list(tokens)
    x = torch.stack([tokens[place] for place in places])
    q, k, v = linear(x, state, f"{name}.qkv").chunk(3, dim=-1)
    heads = []
    for head in range(SIZES.width // 64):
        part = slice(64 * head, 64 * head + 64)
        at = list(enumerate(places))
        q2, k2 = (
            torch.stack([turn(m[i, part], c * step, r * step) for i, (r, c) in at]) for m in (q, k)
        )
        heads.append(torch.softmax(q2 @ k2.T / 8, dim=-1) @ v[:, part])
    out = linear(torch.cat(heads, dim=-1), state, f"{name}.proj")
    return dict(zip(places, out, strict=True))


def reference_trunk(image: Tensor, state: dict[str, Tensor]) -> Tensor:
    """image: 3 x s x s, 0 to 1. Returns c x h x w."""
    own = {name.removeprefix(TRUNK): t for name, t in state.items() if name.startswith(TRUNK)}
    x = F.conv2d((image[None] - 0.5) / 0.5, own["patch_embed.proj.weight"], stride=14)[0]
    x = x.permute(1, 2, 0)
    grid = own["pos_embed"][0, 1:].reshape(4, 4, -1)
    rows = torch.arange(SIDE) % 4
    x = norm(x + grid[rows][:, rows], own, "ln_pre")
    for block in range(SIZES.blocks):
        name, is_global = f"blocks.{block}", block % 2 == 1
        size = SIDE if is_global else 4
        step = 4 / SIDE if is_global else 1.0
        normed = norm(x, own, f"{name}.norm1")
        seen = torch.zeros_like(x)
        for top in range(0, SIDE, size):
            for left in range(0, SIDE, size):
                window = {
                    (r, c): normed[top + r, left + c]
                    if top + r < SIDE and left + c < SIDE
                    else torch.zeros(SIZES.width)
                    for r in range(size)
                    for c in range(size)
                }
                for (r, c), vector in attend(window, own, f"{name}.attn", step).items():
                    if top + r < SIDE and left + c < SIDE:
                        seen[top + r, left + c] = vector
        x = x + seen
        hidden = F.gelu(linear(norm(x, own, f"{name}.norm2"), own, f"{name}.mlp.fc1"))
        x = x + linear(hidden, own, f"{name}.mlp.fc2")
    return x.permute(2, 0, 1)


@torch.inference_mode()
def test_the_image_encoder_is_that_of_the_description(state):
    image = torch.rand(3, 14 * SIDE, 14 * SIDE, generator=torch.Generator().manual_seed(1))
    mean, std = (torch.tensor(v)[:, None, None] for v in (MEAN_RGB, STD_RGB))
    features = small(state).encode_image(((image - mean) / std)[None])
    x = reference_trunk(image, state)[None]
    neck = {name.removeprefix(NECK): t for name, t in state.items() if name.startswith(NECK)}

    def conv(x: Tensor, name: str, **kw) -> Tensor:
        return F.conv2d(x, neck[f"{name}.weight"], neck[f"{name}.bias"], **kw)

    def double(x: Tensor, name: str) -> Tensor:
        return F.conv_transpose2d(x, neck[f"{name}.weight"], neck[f"{name}.bias"], stride=2)

    fine = double(F.gelu(double(x, "0.dconv_2x2_0")), "0.dconv_2x2_1")
    for found, level, index in (
        (features.fpn4, fine, 0),
        (features.fpn8, double(x, "1.dconv_2x2"), 1),
        (features.s16, x, 2),
    ):
        assert found is not None
        wanted = conv(conv(level, f"{index}.conv_1x1"), f"{index}.conv_3x3", padding=1)
        assert found.shape[-1] == SIDE * 2 ** (2 - index)
        torch.testing.assert_close(found, wanted, atol=2e-4, rtol=1e-3)


@torch.inference_mode()
def test_masks_are_enlarged_before_they_are_remembered(state):
    model = small(state)
    seen: list[Tensor] = []
    first = model.net.memory_encoder.mask_downsampler.encoder[0]
    hook = first.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    features = model.encode_image(torch.rand(1, 3, 14 * SIDE, 14 * SIDE))
    logits = torch.randn(1, 1, 4 * SIDE, 4 * SIDE)
    one = torch.ones(1, 1)
    entry = model.encode_memory(
        features, MemoryInput(logits, one, one, torch.zeros(1, 256), False), 0
    )
    hook.remove()
    assert entry.spatial is not None
    assert entry.spatial.shape == (1, 64, SIDE, SIDE)
    size = (14 * SIDE, 14 * SIDE)
    wide = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
    mask = torch.sigmoid(wide) * 20 - 10
    wanted = F.interpolate(
        mask, size=(16 * SIDE, 16 * SIDE), mode="bilinear", align_corners=False, antialias=True
    )
    torch.testing.assert_close(seen[0], wanted)


# -- Tracking --------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [None, Long(certain_above=1e9)])
def test_it_tracks_boxes_and_masks_one_by_one_and_together(state, tmp_path: Path, policy):
    frames = write_clip(tmp_path, 4, (60, 80))
    whole = torch.zeros(60, 80, dtype=torch.bool)
    whole[10:40, 20:60] = True
    prompts = [Box(1, (10.0, 10.0, 50.0, 40.0)), MaskPrompt(2, whole.numpy())]
    more = {} if policy is None else {"policy": policy}
    together = Session(small(state, exact=False), prompts, **more)
    alone = [Session(small(state), [prompt], **more) for prompt in prompts]
    for frame in frames:
        found = together.decode(frame)
        for session, prompt in zip(alone, prompts, strict=True):
            own = session.decode(frame)[prompt.object_id]
            logits = found[prompt.object_id].logits
            assert logits.shape[-1] == 4 * SIDE
            assert logits.isfinite().all()
            torch.testing.assert_close(logits, own.logits, atol=5e-3, rtol=1e-3)


def save(state: dict[str, Tensor], path: Path) -> Path:
    torch.save(state, path)
    return path


def test_a_file_is_known_by_its_tensors_and_runs_at_1008_px(state, tmp_path: Path):
    path = save(state, tmp_path / "mine.pt")
    model, info = load_model(str(path), device=CPU)
    assert (info.architecture, info.image_size_px) == ("sam3", 1008)
    assert (model.embedding_size, model.mask_size) == (72, 288)
    assert torch.equal(model.net.maskmem_tpos_enc, state["tracker.maskmem_tpos_enc"])
    told = identify(registry.resolve(str(path)))
    assert (told.is_usable, told.architecture, told.licence) == (True, "sam3", "SAM License")
    with pytest.raises(UsageError, match="input side 512: SAM 3 takes multiples of 224"):
        load_model(str(path), device=CPU, image_size_px=512)
    assert load_model(str(path), device=CPU, image_size_px=448)[0].embedding_size == 32


def test_a_file_that_is_nearly_one_is_refused_by_what_it_lacks(state, tmp_path: Path):
    left = {n: t for n, t in state.items() if n != "tracker.no_obj_ptr"}
    path = save({**left, "tracker.more": torch.zeros(2)}, tmp_path / "fork.pt")
    told = identify(registry.resolve(str(path)))
    assert not told.is_usable
    assert any("1 tensors missing: no_obj_ptr" in note for note in told.notes)
    with pytest.raises(CheckpointError, match="missing 1 tensors, first 'no_obj_ptr'; 1 unknown"):
        load_model(str(path), device=CPU)
    odd = {**state, f"{TRUNK}pos_embed": torch.zeros(1, 16, 128)}
    path = save(odd, tmp_path / "odd.pt")
    with pytest.raises(CheckpointError, match="a SAM 3 that is incomplete or of other sizes"):
        load_model(str(path), device=CPU)
    assert "16 positions" in identify(registry.resolve(str(path))).what


def test_by_its_name_it_says_how_to_get_it():
    with pytest.raises(ModelError, match=r"gated: ask for access.*`hf download facebook/sam3"):
        load_model("sam3", device=CPU)
