"""Skin without pores: colour as optical density, and the fine relief every skin has.

Reflectance in linear light = exp(-density) per channel. Three things absorb: a base tone, melanin and haemoglobin, each
with its own share in R, G and B. Fine texture is two crossed families of furrows, small bumps and grain, given as a
change of log reflectance that is nearly alike in all channels (it is shading, not pigment).
"""

import numpy as np

from noise import smooth, spectral

MELANIN = np.array([0.45, 0.75, 1.10], dtype=np.float32)
HAEMOGLOBIN = np.array([0.18, 1.00, 0.85], dtype=np.float32)
BASE = np.array([0.20, 0.62, 0.92], dtype=np.float32)      # a light warm tone; linear R 0.82, G 0.54, B 0.40

PORE_TINT = np.array([0.75, 1.0, 1.05], dtype=np.float32)   # a pore's shade is warm: red comes back, green does not


def density(melanin, haemoglobin):
    """Optical density [rows, columns, 3] from two pigment fields."""
    return BASE + melanin[..., None] * MELANIN + haemoglobin[..., None] * HAEMOGLOBIN


def mottling(rng, shape, px):
    """Slow melanin and haemoglobin unevenness; `px` is pixels per millimetre of the field asked for."""
    melanin = 0.012 * smooth(rng, shape, 9 * px) + 0.010 * smooth(rng, shape, 2.5 * px)
    blood = 0.016 * smooth(rng, shape, 12 * px) + 0.012 * smooth(rng, shape, 3 * px)
    return melanin, blood


def texture(rng, shape):
    """Log-reflectance texture at 13 px/mm: negative in furrows. About 0.06 standard deviation in linear light."""
    one = spectral(rng, shape, 9.0, 2.6, 32)
    two = spectral(rng, shape, 9.0, 2.6, -38)
    furrows = -np.exp(-np.abs(one) / 0.35) - np.exp(-np.abs(two) / 0.35)
    furrows -= furrows.mean()
    bumps = spectral(rng, shape, 4.2, 4.2, 0)
    grain = spectral(rng, shape, 1.0, 1.0, 0)
    strength = np.clip(1 + 0.12 * smooth(rng, shape, 160), 0.7, 1.35)
    return ((0.060 * furrows + 0.026 * bumps + 0.040 * grain) * strength).astype(np.float32)
