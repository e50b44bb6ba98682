"""Pores: a list that belongs to the person, drawn into a map of lost log reflectance.

The list is drawn once per person and view. A treatment removes some of it or fades what is left, and never adds, so the
truth of a before/after pair is known pore by pore. Positions are canvas pixels; sizes are pixels at 13 px/mm.
"""

from dataclasses import dataclass, replace

import numpy as np

from geometry import area_cm2, inside

SPACING_PX = 5.0        # closest two centres, apart from the 12 % that are allowed to overlap
REACH = 10              # half width of the patch a pore is drawn in; 3 sigma of the largest


@dataclass(frozen=True)
class Pores:
    x: np.ndarray
    y: np.ndarray
    sigma: np.ndarray       # standard deviation of the dark disc, geometric mean of both axes
    stretch: np.ndarray     # ratio of the axes, at least 1
    angle: np.ndarray
    power: np.ndarray       # 1: a Gaussian; larger: flat floor, steep wall
    contrast: np.ndarray    # log of linear reflectance lost at the centre; a photograph shows a bit under half of it

    def __len__(self):
        return len(self.x)

    def only(self, keep):
        return Pores(**{name: value[keep] for name, value in vars(self).items()})


def scatter(rng, density_map, step):
    """Pores placed with the expected number per 1000 px that `density_map` (one cell per `step` px) gives."""
    per_cell = density_map.astype(np.float64) * step * step / 1000 * 1.25       # the spacing rule drops about a fifth
    count = rng.poisson(per_cell)
    rows, cols = np.nonzero(count)
    times = count[rows, cols]
    x = (np.repeat(cols, times) + rng.random(times.sum())) * step - 0.5
    y = (np.repeat(rows, times) + rng.random(times.sum())) * step - 0.5
    keep = _spaced(rng, x, y)
    x, y = x[keep], y[keep]
    n = len(x)
    sigma = np.exp(rng.uniform(np.log(1.1), np.log(2.6), n))
    contrast = np.clip(0.20 * np.exp(0.45 * rng.standard_normal(n)), 0.06, 0.7)
    return Pores(x, y, sigma, 1 + 0.5 * rng.random(n), rng.uniform(0, np.pi, n), rng.uniform(1.0, 1.8, n), contrast)


def _spaced(rng, x, y):
    """Drops the later one of two that are too close, except for the share that may overlap."""
    may_overlap = rng.random(len(x)) < 0.12
    cells, keep = {}, np.zeros(len(x), dtype=bool)
    cx, cy = (x // SPACING_PX).astype(int), (y // SPACING_PX).astype(int)
    for i, (a, b) in enumerate(zip(cx.tolist(), cy.tolist())):
        near = [j for da in (-1, 0, 1) for db in (-1, 0, 1) for j in cells.get((a + da, b + db), ())]
        if may_overlap[i] or all((x[i] - x[j]) ** 2 + (y[i] - y[j]) ** 2 >= SPACING_PX**2 for j in near):
            keep[i] = True
            cells.setdefault((a, b), []).append(i)
    return keep


def treated(rng, pores, polygon, removed_share, fade=0.0):
    """The list after a treatment: exactly the given share inside the polygon is gone, the rest there faded."""
    there = np.nonzero(inside(polygon, pores.x, pores.y))[0]
    gone = rng.permutation(there)[: round(len(there) * removed_share)]
    keep = np.ones(len(pores), dtype=bool)
    keep[gone] = False
    contrast = pores.contrast.copy()
    contrast[there] *= 1 - fade
    return replace(pores, contrast=contrast).only(keep)


def per_cm2(pores, polygon, px_per_mm):
    return float(inside(polygon, pores.x, pores.y).sum() / area_cm2(polygon, px_per_mm))


def draw(pores, shape):
    """The map of lost log reflectance, with a faint bright crescent where the lower rim catches the light."""
    rows, cols = shape
    total = np.zeros(rows * cols, dtype=np.float64)
    patch = np.arange(-REACH, REACH + 1)
    for start in range(0, len(pores), 4096):        # blocks keep the working set in the cache
        part = pores.only(slice(start, start + 4096))
        ix, iy = np.round(part.x).astype(int), np.round(part.y).astype(int)
        dx = patch[None, None, :] - (part.x - ix)[:, None, None]
        dy = patch[None, :, None] - (part.y - iy)[:, None, None]
        cos, sin = np.cos(part.angle)[:, None, None], np.sin(part.angle)[:, None, None]
        long = (part.sigma * np.sqrt(part.stretch))[:, None, None]
        short = (part.sigma / np.sqrt(part.stretch))[:, None, None]
        radius = ((dx * cos + dy * sin) / long) ** 2 + ((dy * cos - dx * sin) / short) ** 2
        pit = np.exp(-0.5 * radius ** part.power[:, None, None])
        rim = np.exp(-0.5 * (np.sqrt(radius) - 2.1) ** 2 / 0.16) * np.clip(dy / np.sqrt(dx**2 + dy**2 + 0.5), 0, 1)
        value = (pit - 0.16 * rim) * part.contrast[:, None, None]
        px, py = ix[:, None, None] + patch[None, None, :], iy[:, None, None] + patch[None, :, None]
        px, py = np.broadcast_arrays(px, py)
        good = (px >= 0) & (px < cols) & (py >= 0) & (py < rows)
        total += np.bincount((py * cols + px)[good], weights=value[good], minlength=rows * cols)
    return total.reshape(rows, cols).astype(np.float32)
