import pytest
import torch
import torch.nn.functional as F

from vos.train.optimise import bf16_products

needs_tiles = pytest.mark.skipif(
    not torch.cpu._is_amx_tile_supported(), reason="this CPU has no bf16 matrix tiles"
)


def _attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> list[torch.Tensor]:
    q, k, v = (x.clone().requires_grad_() for x in (q, k, v))
    out = F.scaled_dot_product_attention(q, k, v)
    out.square().sum().backward()
    return [out.detach(), *(x.grad for x in (q, k, v) if x.grad is not None)]


def test_products_stay_close_and_the_setting_is_put_back():
    a, b = torch.randn(64, 96), torch.randn(96, 128)
    before = torch.get_float32_matmul_precision()
    with bf16_products(True):
        rounded = a @ b
    assert torch.get_float32_matmul_precision() == before
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, a @ b, atol=0.3, rtol=0.02)


def test_disabled_it_changes_nothing():
    a, b = torch.randn(64, 96), torch.randn(96, 128)
    with bf16_products(False):
        inside = a @ b
    assert torch.equal(inside, a @ b)


@needs_tiles
def test_products_are_rounded_where_the_cpu_can():
    a, b = torch.randn(256, 256), torch.randn(256, 256)
    with bf16_products(True):
        rounded = a @ b
    assert not torch.equal(rounded, a @ b)


def test_attention_keeps_every_bit_both_ways():
    q, k, v = torch.randn(3, 2, 4, 33, 16)
    plain = _attend(q, k, v)
    with bf16_products(True):
        inside = _attend(q, k, v)
    assert len(plain) == 4
    assert all(torch.equal(x, y) for x, y in zip(plain, inside, strict=True))


def test_the_setting_is_put_back_after_an_error():
    before = torch.get_float32_matmul_precision()
    with pytest.raises(ValueError, match="stop"), bf16_products(True):
        raise ValueError("stop")
    assert torch.get_float32_matmul_precision() == before
