"""One photograph of a patch: pose, lamp level, lens, noise, what a telephone does to it, JPEG.

Two kinds: `wild` covers what a network must bear in training; `rig` and `hand` are the two ways a salon takes a picture
again, and say how far a level repeats itself.
"""

import io
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageFilter

from camera import encode
from skin_net.fields import blur

MARGIN = 16             # canvas pixels outside the photograph on every side


@dataclass(frozen=True)
class Settings:
    degrees: float = 0.0
    scale: float = 1.0
    shift: tuple = (0.0, 0.0)
    gain: float = 1.0
    white: tuple = (1.0, 1.0, 1.0)
    tilt: tuple = (0.0, 0.0)
    blur_px: float = 0.45
    noise: float = 0.8          # grey levels of 255
    grain: float = 0.0          # of it, how coarse: the blur of demosaicing
    gamma: float = 1.0
    median: bool = False
    halo: float = 0.0           # strength of sharpening
    smaller: float = 1.0        # enlarged again afterwards
    quality: int = 0            # of the JPEG; 0: none
    subsampling: int = 0


def wild(rng):
    white = np.exp(0.05 * rng.standard_normal(3))
    return Settings(
        gain=float(np.exp(rng.uniform(np.log(0.6), np.log(1.35)))), white=tuple(white / white[1]), tilt=tuple(rng.uniform(-0.2, 0.2, 2)),
        blur_px=float(rng.uniform(0.25, 1.15)), noise=float(np.exp(rng.uniform(np.log(0.3), np.log(4.0)))), grain=float(rng.uniform(0, 0.7)),
        gamma=float(rng.uniform(0.88, 1.14)), median=bool(rng.random() < 0.12), halo=float(rng.uniform(0.2, 1.1)) if rng.random() < 0.5 else 0.0,
        smaller=float(rng.uniform(0.6, 0.95)) if rng.random() < 0.25 else 1.0,
        quality=int(rng.integers(60, 99)) if rng.random() < 0.8 else 0, subsampling=int(rng.choice([0, 2])))


def rig(rng):
    return Settings(float(rng.uniform(-1, 1)), 1 + float(rng.uniform(-0.01, 0.01)), tuple(rng.uniform(-2, 2, 2)), 1 + float(rng.uniform(-0.03, 0.03)),
                    tilt=tuple(rng.uniform(-0.02, 0.02, 2)), blur_px=float(rng.uniform(0.3, 0.5)), noise=float(rng.uniform(0.4, 0.9)), quality=int(rng.integers(92, 98)))


def hand(rng):
    return Settings(float(rng.uniform(-3, 3)), 1 + float(rng.uniform(-0.04, 0.04)), tuple(rng.uniform(-3, 3, 2)), 1 + float(rng.uniform(-0.1, 0.1)),
                    tilt=tuple(rng.uniform(-0.05, 0.05, 2)), blur_px=float(rng.uniform(0.3, 0.9)), noise=float(rng.uniform(0.8, 2.0)), quality=int(rng.integers(85, 96)))


def salon(rng):
    """What the gates of a salon let through, held straight: as `hand` without its pose."""
    return replace(hand(rng), degrees=0.0, scale=1.0, shift=(0.0, 0.0))


def backward(settings, size, out):
    """The six numbers Pillow wants: photograph pixel to canvas pixel, about the middle."""
    turn = np.deg2rad(-settings.degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / settings.scale
    offset = np.array([size / 2, size / 2]) - matrix @ (np.array([out / 2, out / 2]) + np.array(settings.shift))
    return (matrix[0, 0], matrix[0, 1], offset[0], matrix[1, 0], matrix[1, 1], offset[1])


def forward(settings, points, size, out):
    """Where canvas points (x, y) land in the photograph; whole numbers are the middles of pixels."""
    turn = np.deg2rad(settings.degrees)
    matrix = settings.scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return (np.asarray(points) + 0.5 - size / 2) @ matrix.T + out / 2 + np.array(settings.shift) - 0.5


def warped(planes, settings, out):
    """Planes [n, size, size] as the photograph [n, out, out] frames them."""
    if settings.degrees == 0 and settings.scale == 1 and settings.shift == (0.0, 0.0):
        edge = (planes.shape[-1] - out) // 2
        return planes[:, edge : edge + out, edge : edge + out]
    how = backward(settings, planes.shape[-1], out)
    return np.stack([np.asarray(Image.fromarray(p).transform((out, out), Image.Transform.AFFINE, how, Image.Resampling.BICUBIC)) for p in planes])


def metered(planes):
    """What a camera's meter multiplies the light by: half way, on a logarithmic scale, to a middle grey."""
    return float(np.clip((0.35 / max(1e-4, float(np.median(planes[1])))) ** 0.5, 0.8, 3.0))


def photograph(rng, planes, settings):
    """Bytes [rows, columns, 3] of linear light [3, size, size], without the margin."""
    out = planes.shape[-1] - 2 * MARGIN
    seen = warped(blur(np.clip(planes, 0, None), settings.blur_px), settings, out)
    across = 1 + settings.tilt[0] * np.linspace(-1, 1, out, dtype=np.float32)
    down = 1 + settings.tilt[1] * np.linspace(-1, 1, out, dtype=np.float32)
    light = settings.gain * metered(planes) * down[:, None] * across[None, :]
    value = encode(seen * light * np.array(settings.white, np.float32)[:, None, None])
    if settings.gamma != 1:
        value = value ** np.float32(settings.gamma)
    noise = rng.standard_normal(value.shape, dtype=np.float32)
    if settings.grain > 0.2:
        noise = blur(noise, settings.grain)
        noise /= noise.std()
    value = value + settings.noise / 255 * noise
    if settings.halo:
        value = value + settings.halo * (value - blur(value, 1.2))
    pixels = (np.clip(value * 255 + 0.5, 0, 255)).astype(np.uint8).transpose(1, 2, 0)
    return _phone(pixels, settings)


def _phone(pixels, settings):
    picture = Image.fromarray(pixels)
    if settings.median:
        picture = picture.filter(ImageFilter.MedianFilter(3))
    if settings.smaller < 1:
        small = tuple(max(8, round(n * settings.smaller)) for n in picture.size)
        picture = picture.resize(small, Image.Resampling.BILINEAR, reducing_gap=None).resize(picture.size, Image.Resampling.BICUBIC)
    if settings.quality:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=settings.quality, subsampling=settings.subsampling)
        picture = Image.open(io.BytesIO(buffer.getvalue()))
    return np.asarray(picture)
