"""Optimise: matrix products in bf16 tiles where CPUs have them (AMX), and groups of parameters.

Values stay fp32; oneDNN rounds a product's inputs to bf16 and sums in fp32. Attention keeps fp32
products: its own are too small for tiles, and three times slower in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.overrides import TorchFunctionMode


@contextmanager
def bf16_products(enabled: bool) -> Iterator[None]:
    """Send fp32 matrix products through bf16 tiles where the CPU has them.

    enabled: off does nothing.
    """
    if not (enabled and torch.cpu._is_amx_tile_supported()):
        yield
        return
    with _precision("medium"), _AttentionInFp32():
        yield


@contextmanager
def _precision(name: str) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


class _AttentionInFp32(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is F.scaled_dot_product_attention and not (kwargs or {}).get("dropout_p"):
            return _Attention.apply(*args[:3])
        return func(*args, **(kwargs or {}))


class _Attention(torch.autograd.Function):
    """An `scaled_dot_product_attention` without mask or dropout, in fp32 both ways."""

    @staticmethod
    def forward(ctx: FunctionCtx, q: Tensor, k: Tensor, v: Tensor) -> Tensor:  # pyright: ignore
        with _precision("highest"):
            out, log_sum = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v)
        ctx.save_for_backward(q, k, v, out, log_sum)
        return out

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # pyright: ignore
        q, k, v, out, log_sum = ctx.saved_tensors  # pyright: ignore
        with _precision("highest"):
            return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
                grad, q, k, v, out, log_sum, 0.0, False
            )


def parameter_groups(
    module: nn.Module, weight_decay: float, takes: Callable[[str], bool] = lambda _name: True
) -> list[dict[str, Any]]:
    """Group parameters: decay on convolutions, linear layers and embeddings, not on biases.

    takes: whether the parameter of this name belongs to them.
    """
    taken = [p for name, p in module.named_parameters() if takes(name)]
    return [
        {"params": [p for p in taken if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in taken if p.ndim < 2], "weight_decay": 0.0},
    ]
