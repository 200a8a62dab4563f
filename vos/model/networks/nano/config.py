"""The sizes of the embedded model: SAM 2's architecture at a few million parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TrunkName = Literal["hiera", "efficientnet-lite0"]


@dataclass(frozen=True, slots=True)
class NanoConfig:
    """Structure and sizes of a small SAM 2; a weight file carries its own in its header.

    The defaults are those of the embedded model, and of files older than a field.

    image_size: input side in pixels, a multiple of 32.
    embed_dim: width of a Hiera trunk at stride 4, doubled per stage.
    stages: blocks per stage of a Hiera trunk; the last two are global.
    d_model: width of embedding and decoder.
    mem_dim: width of a memory; divides d_model.
    memory_layers: layers of the memory attention.
    memory_mlp_dim: width of their feed-forward nets.
    memory_slots: places of spatial memories; SAM 2 has 7.
    memory_stride: of the recent ones, each so many-th is attended to (`Recall.thin_out`); 1 for all
        of them, as SAM 2 does.
    pointer_span: how many frames object pointers reach back; SAM 2 has 16.
    decoder_mlp_dim: width of the mask decoder's feed-forward nets.
    decoder_heads: attention heads of the mask decoder.
    trunk: a Hiera of three stages (strides 4, 8, 16), or EfficientNet-Lite0.
    key_dim: width of the keys by which masks are propagated (`propagation.py` beside this file); 0
        for none.
    box_zoom: side of the cut-outs that answer a box (`vos.track.zoom`), in longer sides of the box,
        on the average; 0 for the whole frame.
    """

    image_size: int = 256
    embed_dim: int = 48
    stages: tuple[int, int, int] = (1, 2, 6)
    d_model: int = 128
    mem_dim: int = 64
    memory_layers: int = 2
    memory_mlp_dim: int = 512
    memory_slots: int = 7
    memory_stride: int = 1
    pointer_span: int = 16
    decoder_mlp_dim: int = 512
    decoder_heads: int = 8
    trunk: TrunkName = "hiera"
    key_dim: int = 0
    box_zoom: float = 0.0
