"""HDR frames as SDR: PQ and HLG, tone-mapped to BT.709 with the operator of ITU-R BT.2390.

The steps, per pixel:
1. light in nits, by SMPTE ST 2084 for PQ; by ITU-R BT.2100 for HLG, for a display of 1,000 nits
   (system gamma 1.2);
2. the largest channel goes through the EETF of BT.2390 (a knee and a Hermite spline in PQ's scale),
   from the peak of the mastering display (1,000 nits where the file does not say) to SDR's white;
   all channels are scaled by the same factor, so greys stay grey and hues stay;
3. BT.2020 primaries become BT.709's, what lies outside is clipped;
4. SDR's white is 203 nits, as ITU-R BT.2408 has it, and its curve that of BT.1886 (gamma 2.4).
"""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorTrc

DEFAULT_PEAK_NITS = 1000.0
SDR_WHITE_NITS = 203.0
_PQ_PEAK_NITS = 10_000.0
_HLG_PEAK_NITS = 1000.0
_HLG_GAMMA = 1.2
_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)
_SDR_GAMMA = 2.4

_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32

_WHITE_XY = (0.3127, 0.3290)
_BT709_XY = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
_BT2020_XY = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
_PRIMARIES_XY: dict[int, tuple[tuple[float, float], ...]] = {
    ColorPrimaries.BT709: _BT709_XY,
    ColorPrimaries.SMPTE432: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),  # Display P3
}
# AVMasteringDisplayMetadata: 8 rationals of chromaticities, those of the least and the most
# luminance, and two flags, the second of which says whether the luminances are known.
_MASTERING = struct.Struct("=64x8x2i4xi")

# Tables are looked up by 12 bits of a code value, and by 14 of the root of light.
_CODE_SHIFT = 4
_CODES = 2 ** (16 - _CODE_SHIFT)
_ROOTS = 2**14
_BAND_PIXELS = 2**16  # at once, so that what lies between the steps stays in the cache


def is_hdr(frame: VideoFrame) -> bool:
    """Tell whether a frame's transfer function is PQ or HLG."""
    return frame.color_trc in (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)


@dataclass(frozen=True, slots=True)
class HdrForm:
    """How an HDR frame's code values are meant.

    is_hlg: HLG, else PQ.
    primaries: FFmpeg's number; an unknown one counts as BT.2020's.
    peak_nits: of the display the footage was made on.
    """

    is_hlg: bool
    primaries: int = ColorPrimaries.BT2020
    peak_nits: float = DEFAULT_PEAK_NITS


def read_hdr_form(frame: VideoFrame) -> HdrForm:
    """Read the form of a frame for which `is_hdr` is true."""
    if frame.color_trc == ColorTrc.ARIB_STD_B67:
        return HdrForm(True, frame.color_primaries, _HLG_PEAK_NITS)
    return HdrForm(False, frame.color_primaries, _mastering_peak(frame) or DEFAULT_PEAK_NITS)


def tone_map(codes: np.ndarray, form: HdrForm) -> np.ndarray:
    """Convert full-range R'G'B' code values, uint16 H x W x 3, to SDR: uint8 H x W x 3."""
    out = np.empty(codes.shape, np.uint8)
    flat, flat_out = codes.reshape(-1, 3), out.reshape(-1, 3)
    for start in range(0, len(flat), _BAND_PIXELS):
        band = slice(start, start + _BAND_PIXELS)
        planes = np.ascontiguousarray(flat[band].T) >> _CODE_SHIFT  # NumPy is slow along threes
        flat_out[band] = _map_planes(planes, form).T
    return out


def _map_planes(codes: np.ndarray, form: HdrForm) -> np.ndarray:
    """Convert 3 x N codes of 12 bits to 3 x N codes of 8 bits."""
    matrix = _to_bt709(form.primaries)
    if form.is_hlg:
        scene = _hlg_scene().take(codes)
        gain = _HLG_PEAK_NITS * (_LUMA_2020 @ scene) ** np.float32(_HLG_GAMMA - 1)
        nits = scene.max(axis=0) * gain
        gain *= _gains(form.peak_nits).take(_root_index(nits / np.float32(form.peak_nits)))
        light = matrix @ scene
    else:
        gain = _pq_gains(form.peak_nits).take(codes.max(axis=0))
        light = matrix @ _pq_nits().take(codes)
    light *= gain / np.float32(SDR_WHITE_NITS)
    return _sdr_codes().take(_root_index(light))


def _root_index(light: np.ndarray) -> np.ndarray:
    """Return the places in a table over the root of light from 0 to 1."""
    root = np.sqrt(np.clip(light, 0, 1))
    return (root * np.float32(_ROOTS - 1) + np.float32(0.5)).astype(np.intp)


@functools.cache
def _pq_nits() -> np.ndarray:
    return pq_to_nits(np.linspace(0, 1, _CODES)).astype(np.float32)


@functools.cache
def _hlg_scene() -> np.ndarray:
    """Scene light from 0 to 1, by code value: the inverse OETF of BT.2100."""
    signal = np.linspace(0, 1, _CODES)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    light = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return light.astype(np.float32)


@functools.cache
def _pq_gains(peak_nits: float) -> np.ndarray:
    """Return what the EETF scales a pixel by, by the code value of its largest channel."""
    return _gain(pq_to_nits(np.linspace(0, 1, _CODES)), peak_nits)


@functools.cache
def _gains(peak_nits: float) -> np.ndarray:
    """Return what the EETF scales a pixel by, by the root of its largest channel over the peak."""
    return _gain(np.linspace(0, 1, _ROOTS) ** 2 * peak_nits, peak_nits)


def _gain(nits: np.ndarray, peak_nits: float) -> np.ndarray:
    mapped = eetf(nits, peak_nits, SDR_WHITE_NITS)
    return np.divide(mapped, nits, out=np.ones_like(nits), where=nits > 0).astype(np.float32)


@functools.cache
def _sdr_codes() -> np.ndarray:
    light = np.linspace(0, 1, _ROOTS) ** 2
    return np.rint(255 * light ** (1 / _SDR_GAMMA)).astype(np.uint8)


def pq_to_nits(signal: np.ndarray) -> np.ndarray:
    """Turn PQ's signal, 0 to 1, into light: the EOTF of ST 2084."""
    root = signal ** (1 / _M2)
    return _PQ_PEAK_NITS * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1)


def nits_to_pq(nits: np.ndarray) -> np.ndarray:
    """Turn light into PQ's signal, 0 to 1: the inverse EOTF of ST 2084."""
    power = (nits / _PQ_PEAK_NITS) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def eetf(nits: np.ndarray, peak_nits: float, target_nits: float) -> np.ndarray:
    """Map light from 0 to `peak_nits` into 0 to `target_nits`, as BT.2390 does, black staying."""
    if peak_nits <= target_nits:
        return np.minimum(nits, target_nits)
    peak = nits_to_pq(np.array(peak_nits))
    signal = np.minimum(nits_to_pq(nits) / peak, 1)
    top = nits_to_pq(np.array(target_nits)) / peak
    knee = 1.5 * top - 0.5
    t = (signal - knee) / (1 - knee)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (-2 * t**3 + 3 * t**2) * top
    )
    return np.where(signal < knee, nits, pq_to_nits(np.where(signal < knee, 0, spline) * peak))


@functools.cache
def _to_bt709(primaries: int) -> np.ndarray:
    """Return the matrix that makes linear RGB columns BT.709's."""
    to_xyz = _rgb_to_xyz(_PRIMARIES_XY.get(primaries, _BT2020_XY))
    return (np.linalg.inv(_rgb_to_xyz(_BT709_XY)) @ to_xyz).astype(np.float32)


def _rgb_to_xyz(primaries_xy: tuple[tuple[float, float], ...]) -> np.ndarray:
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in primaries_xy]).T
    x, y = _WHITE_XY
    return columns * np.linalg.solve(columns, [x / y, 1, (1 - x - y) / y])


def _mastering_peak(frame: VideoFrame) -> float | None:
    """Return the most luminance of the mastering display, None where it is not said."""
    data = bytes(frame.side_data.get("MASTERING_DISPLAY_METADATA", b""))
    if len(data) < _MASTERING.size:
        return None
    numerator, denominator, is_known = _MASTERING.unpack_from(data)
    if not is_known or denominator <= 0 or numerator <= 0:
        return None
    return min(max(numerator / denominator, SDR_WHITE_NITS), _PQ_PEAK_NITS)
