"""What of a skin can be seen, from the clean scene at a reference blur. The capture has no say: a worse picture of the same
skin has the same labels, or a network would learn to count fewer pores in worse pictures.

A feature is *seen* where the log light it takes away reaches SEEN and 0.8 of the spread of the skin round it, *doubtful*
from half of that, and absent below. Doubtful cells count neither for nor against.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from skin_net.fields import at, blur

REFERENCE_BLUR = 0.6    # px: a good lens at 13 px/mm
SEEN = 0.02             # of log light
SPREAD_PX = 16.0        # over which the skin's own spread is taken
SPOT_SEEN = 0.05        # log light a spot must take away
SHINE_SEEN = 0.16       # share of the light that is gloss
EVIDENCE = 0.55         # a line is seen at a lower contrast than a dot, for it is long

PORE, CENTRE, WRINKLE, SPOT, SHINE = range(5)
NAMES = ["pore", "centre", "wrinkle", "spot", "shine"]


@dataclass
class Labels:
    """`maps` [5, rows, columns] float32 0..1; `known` likewise bool: where a map's truth counts."""
    maps: np.ndarray
    known: np.ndarray
    centres: np.ndarray         # (x, y, sigma) of the pores seen
    doubtful: np.ndarray        # (x, y, sigma) of the doubtful ones
    lines: list                 # [n, 2] points of the wrinkles seen, one array for each stretch


def of(surface):
    green = np.log(blur(_green(surface), REFERENCE_BLUR) + 0.004)
    maps, known = np.zeros((5, *surface.shape), np.float32), np.ones((5, *surface.shape), bool)
    bare = np.log(blur(_green(surface, pores=False), REFERENCE_BLUR) + 0.004)
    high = bare - blur(bare, 6)
    spread = np.sqrt(np.maximum(blur(high * high, SPREAD_PX), 0))
    centres, doubtful = _pores(surface, bare - green, spread, maps, known)
    lines = _wrinkles(surface, green, spread, maps, known)
    _spots(surface, maps, known)
    _shine(surface, maps, known)
    return Labels(maps, known, centres, doubtful, lines)


def _green(surface, **without):
    return surface.planes(channels=(1,), **without)[0]


def _pores(surface, taken, spread, maps, known):
    pores = surface.skin.pores
    places = np.stack([pores.x, pores.y], axis=1) if len(pores) else np.zeros((0, 2))
    peak = at(taken, places) if len(places) else np.zeros(0)
    need = np.maximum(SEEN, 0.8 * at(spread, places)) if len(places) else peak
    seen, half = peak >= need, (peak >= 0.5 * need) & (peak < need)
    found = np.column_stack([places, pores.sigma]) if len(places) else np.zeros((0, 3))
    mask, unsure = np.zeros(surface.shape, bool), np.zeros(surface.shape, bool)
    for (x, y, sigma), top, target in [(f, p, mask if s else unsure) for f, p, s, h in zip(found, peak, seen, half) if s or h]:
        reach = int(2.2 * sigma) + 2
        rows = slice(max(0, int(y) - reach), int(y) + reach + 2)
        cols = slice(max(0, int(x) - reach), int(x) + reach + 2)
        target[rows, cols] |= taken[rows, cols] > 0.5 * top
    maps[PORE] = mask
    known[PORE] = mask | ~unsure
    maps[CENTRE] = _heat(found[seen], surface.shape)
    known[CENTRE] = (_heat(found[half], surface.shape) < 0.2) | (maps[CENTRE] > 0.2)
    return found[seen], found[half]


def _heat(places, shape):
    """Gaussian hills of 0.55 sigma; where two meet, the higher."""
    heat = np.zeros(shape, np.float32)
    for x, y, sigma in places:
        reach = int(2 * sigma) + 2
        r0, c0 = max(0, int(y) - reach), max(0, int(x) - reach)
        r1, c1 = min(shape[0], int(y) + reach + 2), min(shape[1], int(x) + reach + 2)
        if r0 >= r1 or c0 >= c1:
            continue
        down = np.exp(-((np.arange(r0, r1) - y) ** 2) / (2 * (0.55 * sigma) ** 2))
        across = np.exp(-((np.arange(c0, c1) - x) ** 2) / (2 * (0.55 * sigma) ** 2))
        part = heat[r0:r1, c0:c1]
        np.maximum(part, np.outer(down, across), out=part)
    return heat


def _wrinkles(surface, green, spread, maps, known):
    lines = []
    if not surface.skin.wrinkles:
        return lines
    smooth = np.log(blur(_green(surface, wrinkles=False), REFERENCE_BLUR) + 0.004)
    taken = smooth - green
    sure, unsure = Image.new("L", surface.shape[::-1]), Image.new("L", surface.shape[::-1])
    for stroke in surface.skin.wrinkles:
        inside = (stroke.points >= 0).all(axis=1) & (stroke.points < surface.shape[0] - 1).all(axis=1)
        if inside.sum() < 16:
            continue
        points, width = stroke.points, max(2, int(round(2 * stroke.sigma)))
        depth = np.convolve(at(taken, points), np.ones(17) / 17, mode="same")
        need = np.maximum(SEEN, EVIDENCE * at(spread, points))
        seen, half = (depth >= need) & inside, (depth >= 0.5 * need) & inside
        for run in _runs(seen, 24):
            lines.append(points[run])
            ImageDraw.Draw(sure).line([tuple(p) for p in points[run][::4]], fill=255, width=width)
        for run in _runs(half, 4):
            ImageDraw.Draw(unsure).line([tuple(p) for p in points[run][::4]], fill=255, width=width + 4)
    maps[WRINKLE] = np.asarray(sure) > 127
    known[WRINKLE] = (maps[WRINKLE] > 0) | (np.asarray(unsure) < 128)
    return lines


def _runs(flags, least):
    """Stretches of true, as slices, of at least so many points."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [slice(a, b) for a, b in zip(edges[::2], edges[1::2]) if b - a >= least]


def _spots(surface, maps, known):
    for rows, cols, extra in surface.spots:
        top = float(extra.max())
        taken = 0.75 * top                                  # melanin's share in green
        inside = extra > 0.5 * top
        if taken >= SPOT_SEEN:
            maps[SPOT][rows, cols][inside] = 1
            edge = (extra > 0.25 * top) & (extra < 0.7 * top)
            known[SPOT][rows, cols] &= ~edge | (maps[SPOT][rows, cols] > 0)
        elif taken >= 0.5 * SPOT_SEEN:
            known[SPOT][rows, cols] &= ~(extra > 0.25 * top) | (maps[SPOT][rows, cols] > 0)


def _shine(surface, maps, known):
    if not surface.light.gloss:
        return
    shade, gloss = surface.lit(surface.relief())
    body = np.exp(-surface.density[1]) * shade
    gloss, body = blur(np.stack([gloss, body]), 2.5)
    share = gloss / (gloss + body + 1e-6)
    maps[SHINE] = share > SHINE_SEEN
    known[SHINE] = np.abs(np.log(np.maximum(share, 1e-6) / SHINE_SEEN)) > 0.12
