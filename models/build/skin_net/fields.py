"""Random fields of a patch, strokes and blurs. Float32, by FFT; a field has mean 0 and standard deviation 1."""

from functools import lru_cache

import numpy as np
from PIL import Image


@lru_cache(maxsize=8)
def _frequencies(shape):
    fy = np.fft.fftfreq(shape[0]).astype(np.float32)[:, None]
    fx = np.fft.rfftfreq(shape[1]).astype(np.float32)[None, :]
    return fy, fx


def oriented(rng, shape, long_px, short_px, radians):
    """Noise whose grains are ellipses: standard deviations `long_px` along the angle, `short_px` across.

    Drawn as a spectrum, which saves the transform of white noise; it wraps round, which no one sees behind a margin.
    """
    fy, fx = _frequencies(shape)
    cos, sin = np.float32(np.cos(radians)), np.float32(np.sin(radians))
    along, across = fx * cos + fy * sin, fy * cos - fx * sin
    weight = np.exp(np.maximum(-2 * np.pi**2 * ((long_px * along) ** 2 + (short_px * across) ** 2), -60))
    size = (shape[0], shape[1] // 2 + 1)
    spectrum = rng.standard_normal(size, dtype=np.float32) + 1j * rng.standard_normal(size, dtype=np.float32)
    spectrum = (spectrum * weight).astype(np.complex64)
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, s=shape).astype(np.float32)
    return field / field.std()


def slow(rng, shape, cell_px):
    """Slow noise from a small grid, enlarged."""
    rows, cols = int(shape[0] / cell_px) + 4, int(shape[1] / cell_px) + 4
    picture = Image.fromarray(rng.standard_normal((rows, cols), dtype=np.float32))
    box = (1.5, 1.5, 1.5 + shape[1] / cell_px, 1.5 + shape[0] / cell_px)
    field = np.asarray(picture.resize((shape[1], shape[0]), Image.Resampling.BICUBIC, box=box))
    return (field * np.float32(1.3)).astype(np.float32)


def blur(fields, sigma):
    """Gaussian blur of one field or a stack [..., rows, columns]; the border is mirrored."""
    if sigma <= 0:
        return np.asarray(fields, dtype=np.float32)
    pad = int(np.ceil(3.5 * sigma))
    rows, cols = fields.shape[-2:]
    high, wide = (-(rows + 2 * pad)) % 16, (-(cols + 2 * pad)) % 16
    around = [(0, 0)] * (fields.ndim - 2) + [(pad, pad + high), (pad, pad + wide)]
    padded = np.pad(fields, around, mode="symmetric").astype(np.float32)
    fy, fx = _frequencies(padded.shape[-2:])
    weight = np.exp(-2 * np.pi**2 * sigma**2 * (fx**2 + fy**2))
    out = np.fft.irfft2((np.fft.rfft2(padded) * weight).astype(np.complex64), s=padded.shape[-2:])
    return out[..., pad : pad + rows, pad : pad + cols].astype(np.float32)


def splat(points, weights, shape):
    """Adds each weight to the four cells round its (x, y)."""
    x, y = points[:, 0], points[:, 1]
    ix, iy = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = x - ix, y - iy
    total = np.zeros(shape[0] * shape[1])
    for dx, dy, share in ((0, 0, (1 - fx) * (1 - fy)), (1, 0, fx * (1 - fy)), (0, 1, (1 - fx) * fy), (1, 1, fx * fy)):
        cx, cy = ix + dx, iy + dy
        good = (cx >= 0) & (cx < shape[1]) & (cy >= 0) & (cy < shape[0])
        total += np.bincount((cy * shape[1] + cx)[good], weights=(share * weights)[good], minlength=total.size)
    return total.reshape(shape).astype(np.float32)


def at(field, points):
    """The field at (x, y), bilinear; points outside take the border's value."""
    x = np.clip(points[:, 0], 0, field.shape[1] - 1.001)
    y = np.clip(points[:, 1], 0, field.shape[0] - 1.001)
    ix, iy = x.astype(int), y.astype(int)
    fx, fy = x - ix, y - iy
    top = field[iy, ix] * (1 - fx) + field[iy, ix + 1] * fx
    return top * (1 - fy) + (field[iy + 1, ix] * (1 - fx) + field[iy + 1, ix + 1] * fx) * fy
