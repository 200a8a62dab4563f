"""SAM 3's tracker: SAM 2.1's modules behind SAM 3's image encoder, at a stride of 14 pixels.

Of a SAM 3 file it takes the image encoder, the second of its two necks and the tracker; what finds
objects by words is left out. Sources: the tensors of `sam3.pt`, and facebookresearch/sam3 for
sizes and order of the layers; the names of modules here are those of the tensors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float
from sam2.modeling.backbones.image_encoder import ImageEncoder
from sam2.modeling.backbones.utils import PatchEmbed, window_partition, window_unpartition
from sam2.modeling.memory_encoder import CXBlock, Fuser, MaskDownSampler, MemoryEncoder
from sam2.modeling.position_encoding import PositionEmbeddingSine
from sam2.modeling.sam.transformer import RoPEAttention
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor, nn

from vos.model.networks.sam20 import CHOICES, D_MODEL, MEM_DIM, build_memory_attention
from vos.model.preprocess import MEAN_RGB, STD_RGB

STRIDE = 14
TRAINED_PX = 1008
SIZE_STEP_PX = 224
"""Sides of the input are multiples of it: of the stride, and of the 32 that `--size` asks for."""
PUBLISHED_SHA256 = "9999e2341ceef5e136daa386eecb55cb414446a00ac2b55eb2dfd2f7c3cf8c9e"

HEAD_WIDTH = 64
_THETA = 10000.0
_MEAN = _STD = 0.5
_STAGES = 4
"""The last block of each attends to the whole image, the others to windows."""
_MASK_STRIDE = 16
"""Of the memory encoder; masks are enlarged before, so that they fit the image's cells."""

_TRUNK = "detector.backbone.vision_backbone.trunk."
_BLOCK = re.compile(r"detector\.backbone\.vision_backbone\.trunk\.blocks\.\d+\.norm1\.weight")
_NECK = "detector.backbone.vision_backbone.sam2_convs."
_TRACKER = "tracker."
_RENAMED = (
    (re.compile(r"^transformer\.encoder\."), "memory_attention."),
    (re.compile(r"^maskmem_backbone\."), "memory_encoder."),
    (re.compile(r"\.mlp\.lin1\."), ".mlp.layers.0."),
    (re.compile(r"\.mlp\.lin2\."), ".mlp.layers.1."),
)
_COMPUTED = ".attn.freqs_cis"
_UNUSED_LEVEL = "3."
"""The neck's coarsest level."""


@dataclass(frozen=True, slots=True)
class Sam3Sizes:
    """The sizes of the image encoder.

    width: of its tokens.
    blocks: how many there are.
    hidden: width inside a block's MLP.
    grid: side of the learnt position embedding in tokens, which is that of a window too.
    """

    width: int = 1024
    blocks: int = 32
    hidden: int = 4736
    grid: int = 24

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Sam3Sizes:
        """Read the sizes off the tensors of a file. Raises ValueError where they fit no network."""
        positions, width = state[f"{_TRUNK}pos_embed"].shape[1:]
        blocks = sum(1 for name in state if _BLOCK.fullmatch(name))
        hidden = state[f"{_TRUNK}blocks.0.mlp.fc1.weight"].shape[0] if blocks else 0
        grid = round((positions - 1) ** 0.5)
        if grid**2 + 1 != positions or width % HEAD_WIDTH or blocks % _STAGES or not hidden:
            raise ValueError(
                f"an image encoder of width {width} with {blocks} blocks and {positions} positions"
            )
        return cls(width, blocks, hidden, grid)


def to_sam2_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tracker's tensors of a SAM 3 file by the names that SAM 2's modules have."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name.startswith(_TRUNK) and not name.endswith(_COMPUTED):
            renamed["image_encoder.trunk." + name.removeprefix(_TRUNK)] = tensor
        elif name.startswith(_NECK):
            level = name.removeprefix(_NECK)
            if not level.startswith(_UNUSED_LEVEL):
                renamed["image_encoder.neck.convs." + level] = tensor
        elif name.startswith(_TRACKER):
            own = name.removeprefix(_TRACKER)
            for pattern, new in _RENAMED:
                own = pattern.sub(new, own)
            renamed[own] = tensor
    return renamed


class _Attention(nn.Module):
    """Rotary attention; tokens are `step` apart, in those of the pretrained grid."""

    def __init__(self, width: int):
        super().__init__()
        self._heads = width // HEAD_WIDTH
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "b h w c"], step: float) -> Float[Tensor, "b h w c"]:
        b, h, w, c = x.shape
        split = self.qkv(x).view(b, h * w, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
        table = _make_rotations(h, step, x.device)
        q, k = (_rotate(part, table) for part in split[:2])
        seen = F.scaled_dot_product_attention(q, k, split[2])
        return self.proj(seen.transpose(1, 2).reshape(b, h, w, c))


class _Mlp(nn.Module):
    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class _Block(nn.Module):
    """One transformer block. window: side in tokens, 0 for the whole image."""

    def __init__(self, sizes: Sam3Sizes, window: int):
        super().__init__()
        self._window, self._grid = window, sizes.grid
        self.norm1 = nn.LayerNorm(sizes.width)
        self.attn = _Attention(sizes.width)
        self.norm2 = nn.LayerNorm(sizes.width)
        self.mlp = _Mlp(sizes.width, sizes.hidden)

    def forward(self, x: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w c"]:
        size_hw = (x.shape[1], x.shape[2])
        normed = self.norm1(x)
        if self._window:
            windows, padded_hw = window_partition(normed, self._window)
            seen = self.attn(windows, 1.0)
            seen = window_unpartition(seen, self._window, padded_hw, size_hw)
        else:
            # The whole image spans the angles that the grid had in pretraining.
            seen = self.attn(normed, self._grid / size_hw[0])
        x = x + seen
        return x + self.mlp(self.norm2(x))


class Sam3Trunk(nn.Module):
    """A plain vision transformer whose tokens stay at stride 14."""

    def __init__(self, sizes: Sam3Sizes):
        super().__init__()
        self._sizes = sizes
        self.channel_list = [sizes.width]
        patch = (STRIDE, STRIDE)
        self.patch_embed = PatchEmbed(patch, patch, (0, 0), 3, sizes.width)
        self.patch_embed.proj.bias = None
        # The first position is that of a class token, which only pretraining had.
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + sizes.grid**2, sizes.width))
        self.ln_pre = nn.LayerNorm(sizes.width)
        every = sizes.blocks // _STAGES
        self.blocks = nn.ModuleList(
            _Block(sizes, 0 if index % every == every - 1 else sizes.grid)
            for index in range(sizes.blocks)
        )

    def forward(self, image: Float[Tensor, "b 3 s s"]) -> list[Float[Tensor, "b c h w"]]:
        """Return the features at stride 14, alone in a list as `ImageEncoder` wants it.

        image: normalised as SAM 2's, which is undone here.
        """
        x = self.patch_embed(_normalise_anew(image))
        x = self.ln_pre(x + self._positions(x.shape[1], x.shape[2]))
        for block in self.blocks:
            x = block(x)
        return [x.permute(0, 3, 1, 2)]

    def _positions(self, h: int, w: int) -> Float[Tensor, "1 h w c"]:
        """Return the learnt positions, laid out like tiles."""
        grid = self._sizes.grid
        learnt = self.pos_embed[:, 1:].reshape(1, grid, grid, -1)
        return learnt.tile(1, -(-h // grid), -(-w // grid), 1)[:, :h, :w]


class Sam3Neck(nn.Module):
    """Makes strides 3.5, 7 and 14 of the one level; as `FpnNeck`, it encodes positions too."""

    def __init__(self, width: int):
        super().__init__()
        self.d_model = D_MODEL
        self.backbone_channel_list = [width]
        self.position_encoding = PositionEmbeddingSine(num_pos_feats=D_MODEL)
        self.convs = nn.ModuleList([_make_level(width, up) for up in (2, 1, 0)])

    def forward(
        self, levels: list[Float[Tensor, "b c h w"]]
    ) -> tuple[list[Float[Tensor, "b d _ _"]], list[Float[Tensor, "_ d _ _"]]]:
        features = [level(levels[0]) for level in self.convs]
        return features, [self.position_encoding(one).to(one.dtype) for one in features]


class _EnlargingDownSampler(MaskDownSampler):
    """Downsamples masks by 16 that are first enlarged to 16 pixels per cell."""

    def forward(self, x: Float[Tensor, "b 1 s s"]) -> Float[Tensor, "b c h w"]:
        side = x.shape[-1] // STRIDE * _MASK_STRIDE
        enlarged = F.interpolate(
            x.float(), size=(side, side), mode="bilinear", align_corners=False, antialias=True
        )
        return super().forward(enlarged)


def build_sam3(sizes: Sam3Sizes, *, image_size: int = TRAINED_PX) -> SAM2Base:
    """Build SAM 3's tracker with random weights, in eval mode.

    image_size: input side in pixels, a multiple of 14.
    """
    encoder: Any = ImageEncoder(trunk=Sam3Trunk(sizes), neck=Sam3Neck(sizes.width))
    memory_encoder = MemoryEncoder(
        out_dim=MEM_DIM,
        position_encoding=PositionEmbeddingSine(num_pos_feats=MEM_DIM),
        mask_downsampler=_EnlargingDownSampler(kernel_size=3, stride=2, padding=1),
        fuser=Fuser(CXBlock(dim=D_MODEL), num_layers=2),
    )
    choices = {
        **CHOICES,
        "add_tpos_enc_to_obj_ptrs": True,
        "proj_tpos_enc_in_obj_ptrs": True,
        "use_signed_tpos_enc_to_obj_ptrs": True,
        "no_obj_embed_spatial": True,
    }
    return SAM2Base(
        image_encoder=encoder,
        memory_attention=build_memory_attention(4, RoPEAttention, image_size // STRIDE),
        memory_encoder=memory_encoder,
        image_size=image_size,
        backbone_stride=STRIDE,
        use_high_res_features_in_sam=True,
        **choices,
    ).eval()


def sam3_shapes(sizes: Sam3Sizes) -> dict[str, torch.Size]:
    """Return the shapes of the tracker's tensors by name; none is allocated."""
    with torch.device("meta"):
        net = build_sam3(sizes)
    return {name: tensor.shape for name, tensor in net.state_dict().items()}


def _make_level(width: int, doublings: int) -> nn.Sequential:
    """Make one level of the neck, `doublings` times as fine as the trunk."""
    level = nn.Sequential()
    if doublings == 2:
        level.add_module("dconv_2x2_0", nn.ConvTranspose2d(width, width // 2, 2, 2))
        level.add_module("gelu", nn.GELU())
        level.add_module("dconv_2x2_1", nn.ConvTranspose2d(width // 2, width // 4, 2, 2))
    elif doublings == 1:
        level.add_module("dconv_2x2", nn.ConvTranspose2d(width, width // 2, 2, 2))
    level.add_module("conv_1x1", nn.Conv2d(width >> doublings, D_MODEL, 1))
    level.add_module("conv_3x3", nn.Conv2d(D_MODEL, D_MODEL, 3, padding=1))
    return level


def _normalise_anew(image: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b 3 s s"]:
    """Turn SAM 2's normalisation of an image into SAM 3's."""
    mean, std = (image.new_tensor(values)[:, None, None] for values in (MEAN_RGB, STD_RGB))
    return image * (std / _STD) + (mean - _MEAN) / _STD


def _rotate(x: Float[Tensor, "b heads n c"], table: Complex[Tensor, "n pairs"]) -> Tensor:
    """Turn channel pairs by the angles of their tokens."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * table).flatten(-2).to(x.dtype)


@lru_cache(maxsize=8)
def _make_rotations(side: int, step: float, device: torch.device) -> Complex[Tensor, "n pairs"]:
    """Make the rotations of a square of tokens: x in the first half of the pairs, y in the other.

    step: from one token to the next.
    """
    with torch.inference_mode(False):
        rates = _THETA ** (-torch.arange(0, HEAD_WIDTH, 4).float() / HEAD_WIDTH)
        places = torch.arange(side).float() * step
        y, x = torch.meshgrid(places, places, indexing="ij")
        angles = torch.cat([x.reshape(-1, 1) * rates, y.reshape(-1, 1) * rates], dim=-1)
        return torch.polar(torch.ones_like(angles), angles).to(device)
