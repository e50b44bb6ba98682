"""What a patch of skin has: its tone, its light, and lists of pores, wrinkles, spots, papules and hairs. No pixels.

Everything is drawn from the seed, each thing from a generator of its own, so that a treatment of one leaves the others as
they were. Lengths are pixels at 13 px/mm, contrasts logarithms of linear reflectance.
"""

from dataclasses import dataclass, field

import numpy as np

from noise import rng_for
from pores import Pores, _spaced
from skin import BASE, HAEMOGLOBIN, MELANIN
from skin_net.fields import slow

# Individual typology angle, degrees: the usual six classes, lightest first.
TONES = [("very light", 55, 68), ("light", 41, 55), ("intermediate", 28, 41), ("tan", 10, 28), ("brown", -30, 10), ("dark", -60, -30)]


@dataclass(frozen=True)
class Stroke:
    """A line on the skin: points every half pixel, how deep at each, and the standard deviation across it."""
    points: np.ndarray
    depth: np.ndarray
    sigma: float
    lift: float             # height of the valley against its darkness


@dataclass(frozen=True)
class Spot:
    x: float
    y: float
    radius: float
    wobble: np.ndarray      # six Fourier coefficients of the outline
    soft: float
    melanin: float


@dataclass(frozen=True)
class Papule:
    x: float
    y: float
    sigma: float
    blood: float
    height: float


@dataclass(frozen=True)
class Skin:
    seed: int
    size: int               # of the canvas
    tone: int               # index into TONES
    melanin: float
    blood: float
    flush: float            # strength of slow redness
    pores: Pores
    wrinkles: list = field(default_factory=list)
    spots: list = field(default_factory=list)
    papules: list = field(default_factory=list)
    hairs: list = field(default_factory=list)


def typology_angle(melanin, blood=0.0):
    """ITA in degrees of even skin under daylight."""
    r, g, b = np.exp(-(BASE + melanin * MELANIN + blood * HAEMOGLOBIN))
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.0891

    def lightness(t):
        return np.cbrt(t) if t > 0.008856 else 7.787 * t + 16 / 116

    return float(np.degrees(np.arctan2(116 * lightness(y) - 66, 200 * (lightness(y) - lightness(z)))))


_MELANIN = np.linspace(-0.5, 5.5, 121)
_ANGLE = np.array([typology_angle(m) for m in _MELANIN])


def melanin_for(angle):
    return float(np.interp(-angle, -_ANGLE, _MELANIN))


def draw(seed, size, tone=None, pores=True):
    """The skin of a seed. `pores=False` leaves them out and everything else as it is."""
    rng = rng_for(seed, "person")
    nth = int(rng.integers(len(TONES)))
    tone = nth if tone is None else tone
    angle = rng.uniform(TONES[tone][1], TONES[tone][2])
    blood = rng.uniform(-0.03, 0.12)
    flush = rng.uniform(0.0, 0.06)
    none = rng.random() < 0.08
    found = _pores(rng_for(seed, "pores"), size)
    if none or not pores:
        found = found.only(slice(0, 0))
    return Skin(seed, size, tone, melanin_for(angle), blood, flush, found, _wrinkles(rng_for(seed, "wrinkles"), size),
                _spots(rng_for(seed, "spots"), size), _papules(rng_for(seed, "papules"), size), _hairs(rng_for(seed, "hairs"), size))


def _pores(rng, size):
    per_1000 = np.exp(rng.uniform(np.log(0.8), np.log(8.0)))
    cells = size // 8
    uneven = np.exp(0.7 * slow(rng, (cells, cells), 9)).ravel()
    n = rng.poisson(per_1000 * size * size / 1000 * 1.2)
    cell = rng.choice(cells * cells, n, p=uneven / uneven.sum())
    x = (cell % cells + rng.random(n)) * 8 - 0.5
    y = (cell // cells + rng.random(n)) * 8 - 0.5
    keep = _spaced(rng, x, y)
    x, y = x[keep], y[keep]
    n = len(x)
    sigma = np.clip(np.exp(rng.uniform(np.log(1.3), np.log(2.3)) + 0.22 * rng.standard_normal(n)), 1.0, 3.2)
    contrast = np.exp(rng.uniform(np.log(0.04), np.log(0.25)) + 0.45 * rng.standard_normal(n))
    return Pores(x, y, sigma, 1 + 0.6 * rng.random(n), rng.uniform(0, np.pi, n), rng.uniform(1.0, 1.8, n), np.clip(contrast, 0.03, 0.8))


def _path(rng, x, y, heading, length, bend):
    """Points every half pixel of a line that wanders."""
    n = max(8, int(length * 2))
    turn = np.cumsum(np.interp(np.arange(n), np.linspace(0, n, 7), rng.standard_normal(7)) * bend)
    angle = heading + turn - turn.mean()
    return np.stack([x + np.cumsum(np.cos(angle)) / 2, y + np.cumsum(np.sin(angle)) / 2], axis=1)


def _taper(rng, n, uneven):
    """1 in the middle, 0 at both ends, uneven along the way."""
    t = np.linspace(0, 1, n)
    ends = np.clip(np.minimum(t, 1 - t) / 0.25, 0, 1) ** 0.7
    return ends * np.clip(1 + uneven * np.interp(t, np.linspace(0, 1, 9), rng.standard_normal(9)), 0.15, 2)


def _wrinkles(rng, size):
    if rng.random() < 0.35:
        return []
    heading, spread = rng.uniform(0, np.pi), rng.uniform(0.04, 0.35)
    base = np.exp(rng.uniform(np.log(0.06), np.log(0.34)))
    width = np.exp(rng.uniform(np.log(0.9), np.log(3.2)))
    strokes = []
    for _ in range(int(rng.integers(1, 11))):
        length = np.exp(rng.uniform(np.log(45), np.log(320)))
        own = heading + spread * rng.standard_normal()
        middle = rng.uniform(0, size, 2)
        start = middle - length / 2 * np.array([np.cos(own), np.sin(own)])
        points = _path(rng, *start, own, length, 0.006)
        depth = base * np.exp(0.35 * rng.standard_normal()) * _taper(rng, len(points), 0.25)
        sigma = float(np.clip(width * np.exp(0.2 * rng.standard_normal()), 0.8, 4.5))
        strokes.append(Stroke(points, depth, sigma, float(rng.uniform(0.5, 3.0))))
    return strokes


def _spots(rng, size):
    if rng.random() < 0.4:
        return []
    freckled = rng.random() < 0.25
    n = int(rng.integers(10, 40)) if freckled else int(rng.integers(1, 9))
    radius = np.exp(rng.uniform(np.log(3), np.log(7 if freckled else 26), n))
    base = np.exp(rng.uniform(np.log(0.09), np.log(0.6)))
    return [Spot(rng.uniform(0, size), rng.uniform(0, size), float(r), rng.standard_normal(6) * np.array([0.09, 0.09, 0.06, 0.06, 0.035, 0.035]),
                 float(r * rng.uniform(0.08, 0.35)), float(base * np.exp(0.3 * rng.standard_normal()))) for r in radius]


def _papules(rng, size):
    n = int(rng.integers(1, 7)) if rng.random() < 0.35 else 0
    return [Papule(rng.uniform(0, size), rng.uniform(0, size), float(np.exp(rng.uniform(np.log(4), np.log(16)))),
                   float(rng.uniform(0.05, 0.35)), float(rng.uniform(0, 2.5))) for _ in range(n)]


def _hairs(rng, size):
    """Dark or light; `depth` is opacity."""
    n = int(rng.integers(1, 12)) if rng.random() < 0.3 else 0
    hairs = []
    for _ in range(n):
        length = rng.uniform(15, 130)
        points = _path(rng, *rng.uniform(0, size, 2), rng.uniform(0, 2 * np.pi), length, 0.012)
        hairs.append(Stroke(points, rng.uniform(0.2, 0.9) * np.linspace(1, 0.3, len(points)), float(rng.uniform(0.45, 0.9)), float(rng.uniform(-1.6, 0.8))))
    return hairs
