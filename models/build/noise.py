"""Smooth random fields and blurs, all by FFT so that numpy alone is enough.

Fields are float32, mean 0, standard deviation 1. Every field comes from a generator the caller seeds.
"""

import numpy as np
from PIL import Image


def rng_for(seed, *words):
    """A generator of its own for each thing drawn, so that adding one thing leaves all others as they were."""
    key = [int(seed)]
    for word in words:
        key.extend(str(word).encode())
        key.append(256)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def _fast_length(n):
    """The next length whose only prime factors are 2, 3 and 5: odd primes make the FFT several times slower."""
    while True:
        rest = n
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return n
        n += 1


def spectral(rng, shape, long_px, short_px, angle_deg):
    """Gaussian noise whose grains are ellipses: standard deviations `long_px` along the angle, `short_px` across."""
    rows, cols = _fast_length(shape[0]), _fast_length(shape[1])
    white = rng.standard_normal((rows, cols), dtype=np.float32)
    spectrum = np.fft.rfft2(white)
    fy = np.fft.fftfreq(rows).astype(np.float32)[:, None]
    fx = np.fft.rfftfreq(cols).astype(np.float32)[None, :]
    cos, sin = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    along, across = fx * cos + fy * sin, fy * cos - fx * sin
    weight = -2 * np.pi**2 * ((long_px * along) ** 2 + (short_px * across) ** 2)
    spectrum *= np.exp(np.maximum(weight, -60)).astype(np.float32)
    field = np.fft.irfft2(spectrum, s=(rows, cols))[: shape[0], : shape[1]].astype(np.float32)
    return field / field.std()


def smooth(rng, shape, cell_px):
    """Slow noise from a small grid, enlarged: costs one enlargement, however slow the noise is."""
    rows, cols = int(shape[0] / cell_px) + 4, int(shape[1] / cell_px) + 4
    grid = rng.standard_normal((rows, cols)).astype(np.float32)
    return enlarge(grid, shape) * 1.3


def enlarge(field, shape):
    """Bicubic enlargement of one float field to rows × columns."""
    picture = Image.fromarray(np.ascontiguousarray(field, dtype=np.float32))
    return np.asarray(picture.resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def blur(field, sigma):
    """Gaussian blur with the border repeated, for small fields (it pads by four sigma)."""
    if sigma <= 0:
        return field.astype(np.float32)
    pad = int(np.ceil(4 * sigma))
    padded = np.pad(field.astype(np.float32), pad, mode="edge")
    rows, cols = _fast_length(padded.shape[0]), _fast_length(padded.shape[1])
    fy = np.fft.fftfreq(rows).astype(np.float32)[:, None]
    fx = np.fft.rfftfreq(cols).astype(np.float32)[None, :]
    weight = np.exp(-2 * np.pi**2 * sigma**2 * (fx**2 + fy**2)).astype(np.float32)
    padded = np.pad(padded, ((0, rows - padded.shape[0]), (0, cols - padded.shape[1])), mode="edge")
    out = np.fft.irfft2(np.fft.rfft2(padded) * weight, s=(rows, cols))
    return out[pad : pad + field.shape[0], pad : pad + field.shape[1]].astype(np.float32)


def blur_small(field, sigma):
    """Gaussian blur of a large field by a few taps; meant for sigma up to about 1 pixel. Works on any channels."""
    reach = max(1, int(np.ceil(3 * sigma)))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    for axis in (0, 1):
        width = [(0, 0)] * field.ndim
        width[axis] = (reach, reach)
        padded = np.pad(field, width, mode="edge")
        length = field.shape[axis]
        total = np.zeros_like(field)
        for i, tap in enumerate(taps):
            part = padded[i : i + length] if axis == 0 else padded[:, i : i + length]
            total += tap * part
        field = total
    return field
