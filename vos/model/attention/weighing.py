"""Let the keys of some memories count more than those of others.

A memory's key is made of its tokens and their place; its values are the tokens alone. A place that
is moved so that both together are `weight` times as large scales the key and leaves the values.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from vos.model.host_memory import to_device
from vos.model.types import Recall


def weigh(
    tokens: Float[Tensor, "t b m"],
    places: Float[Tensor, "t _ m"],
    weights: Float[Tensor, "t _ 1"] | float,
) -> Float[Tensor, "t b m"]:
    """Return position encodings that make the keys of these tokens `weights` times as large."""
    return weights * (tokens + places) - tokens


def stack_weights(
    weights: Sequence[Sequence[float]], tokens_each: int, like: Tensor
) -> Float[Tensor, "t r 1"]:
    """Return a weight per token and object.

    weights: per object, of its memories. tokens_each: of one memory, which follow each other.
    """
    columns = to_device(like.new_tensor(weights, device="cpu"), like.device).transpose(0, 1)
    return columns.repeat_interleave(tokens_each, dim=0)[..., None]


def weigh_pointers(
    recalls: Sequence[Recall],
    pointers: Float[Tensor, "p r m"],
    places: Float[Tensor, "p r m"],
) -> Float[Tensor, "p r m"]:
    """Return position encodings that give pointer tokens the weights of the recalls."""
    weights = [recall.pointer_weights for recall in recalls]
    if not weights[0] or not len(pointers):
        return places
    each = len(pointers) // len(weights[0])
    return weigh(pointers, places, stack_weights(weights, each, pointers))
