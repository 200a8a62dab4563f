"""Numbers made of one object's scores over time: recall, decay, temporal stability.

NaN stands for "no value", as in the official tools.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RECALL_THRESHOLD = 0.5


def mean(values: np.ndarray | Sequence[float]) -> float:
    """Return the mean, NaN of no values."""
    return float(np.mean(values)) if len(values) else float("nan")


def recall(values: np.ndarray) -> float:
    """Return the share of frames strictly above 0.5 (DAVIS)."""
    return mean(np.asarray(values) > RECALL_THRESHOLD)


def decay(values: np.ndarray, *, wraps: bool = True) -> float:
    """Return the mean of the first quarter of the frames minus that of the last (DAVIS).

    wraps: the official tool keeps the quarters' edges in 8 bits, so with more than 256 frames
        they wrap and the result is NaN or silently wrong; False gives what was meant.
    """
    edges = (np.round(np.linspace(1, len(values), 5) + 1e-10) - 1).astype(np.int64)
    if wraps:
        edges %= 256
    return mean(values[edges[0] : edges[1] + 1]) - mean(values[edges[3] : edges[4] + 1])


def instability(j: np.ndarray, f: np.ndarray, *, rounds: bool = True) -> float:
    """Return V of LVOS: the standard deviation over time of J&F; lower is steadier.

    rounds: the official tool rounds the variance to 4 decimals before the square root, so V
        takes few values (0.01, 0.0141, 0.0173, ...); False gives the plain standard deviation.
    """
    jf = (np.asarray(j) + np.asarray(f)) / 2
    if not len(jf):
        return float("nan")
    variance = float(np.sum((np.mean(jf) - jf) ** 2) / len(jf))
    return float(np.sqrt(np.round(variance, 4) if rounds else variance))
