"""From lists to linear light: pigments, relief and two kinds of reflection. No camera here.

light = exp(-density) * shade + gloss, per channel. `density` holds tone, melanin and haemoglobin; `shade` is Lambert's
cosine on the relief with an even part; `gloss` is a Blinn-Phong lobe where the skin is oily, which is additive: on dark
skin it weakens every contrast, as it does in life. What a pore or a wrinkle takes away is a change of log reflectance
plus a pit in the relief.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from noise import rng_for
from pores import draw as draw_pores
from skin import BASE, HAEMOGLOBIN, MELANIN, PORE_TINT
from skin_net.fields import blur, oriented, slow, splat

PIT = 1.6               # pixels of depth for each unit of log reflectance a pore takes away
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)


@dataclass(frozen=True)
class Light:
    """The lamp and the lie of the patch."""
    ambient: float
    direction: np.ndarray       # towards the lamp; z towards the camera
    lie: np.ndarray             # slope at the middle and its change towards each side: [2], [2]
    gloss: float
    power: float
    oil: float                  # how large a share of the skin shines, as a threshold on noise


def light_of(seed):
    rng = rng_for(seed, "light")
    elevation, azimuth = np.deg2rad(rng.uniform(35, 85)), rng.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
    lie = np.array([rng.uniform(-0.22, 0.22, 2), rng.uniform(-0.22, 0.22, 2)])
    gloss = 0.0 if rng.random() < 0.25 else float(np.exp(rng.uniform(np.log(0.02), np.log(0.35))))
    return Light(float(rng.uniform(0.25, 0.8)), direction, lie, gloss, float(np.exp(rng.uniform(np.log(8), np.log(70)))), float(rng.uniform(-1.2, 0.9)))


class Surface:
    """One state of a skin. Fields that no treatment touches come from the seed, so before and after share them."""

    def __init__(self, skin, light=None):
        self.skin = skin
        self.light = light or light_of(skin.seed)
        self.shape = (skin.size, skin.size)

    @cached_property
    def ground(self):
        """Texture as log reflectance and as relief, slow pigments, and where it is oily."""
        seed, shape = self.skin.seed, self.shape
        rng = rng_for(seed, "texture")
        turn, cross = rng.uniform(0, np.pi), np.deg2rad(rng.uniform(50, 95))
        long, short = rng.uniform(6, 12), rng.uniform(1.8, 3.2)
        width = rng.uniform(0.25, 0.5)
        furrows = sum(-np.exp(-np.abs(oriented(rng, shape, long, short, turn + side * cross / 2)) / width) for side in (-1, 1))
        furrows -= furrows.mean()
        bumps = oriented(rng, shape, *[rng.uniform(3, 7)] * 2, 0)
        grain = oriented(rng, shape, *[rng.uniform(0.9, 1.6)] * 2, 0)
        own = np.exp(rng.uniform(np.log(0.45), np.log(1.9)))
        uneven = np.clip(1 + 0.15 * slow(rng, shape, 90), 0.6, 1.5)
        tone = own * (0.045 * furrows + 0.016 * bumps + 0.024 * grain) * uneven
        relief = own * (0.5 * furrows + 0.5 * bumps + 0.10 * grain) * uneven * rng.uniform(0.2, 0.8)
        melanin = 0.016 * slow(rng, shape, 110) + 0.014 * slow(rng, shape, 30)
        blood = self.skin.flush * (0.6 * slow(rng, shape, 140) + 0.4 * slow(rng, shape, 40))
        oil = 0.2 + 0.8 / (1 + np.exp(-2.5 * (slow(rng, shape, 70) - self.light.oil)))
        return tone.astype(np.float32), relief.astype(np.float32), melanin, blood, oil

    @cached_property
    def pores(self):
        return draw_pores(self.skin.pores, self.shape) if len(self.skin.pores) else np.zeros(self.shape, np.float32)

    @cached_property
    def wrinkles(self):
        """(log reflectance taken away, relief), strokes of like width drawn together."""
        taken, relief = np.zeros(self.shape, np.float32), np.zeros(self.shape, np.float32)
        groups = {}
        for stroke in self.skin.wrinkles:
            groups.setdefault(round(np.log(stroke.sigma) * 4), []).append(stroke)
        for group in groups.values():
            sigma = float(np.exp(np.mean([np.log(s.sigma) for s in group])))
            points = np.concatenate([s.points for s in group])
            depth = np.concatenate([s.depth for s in group])
            lift = np.concatenate([np.full(len(s.depth), s.lift) for s in group])
            lines = blur(np.stack([splat(points, depth, self.shape), splat(points, depth * lift, self.shape)]), sigma)
            lines *= sigma * np.sqrt(2 * np.pi) / 2         # a point every half pixel: a line of depth 1 comes out as 1
            taken += lines[0]
            relief -= lines[1]
        return taken, relief

    @cached_property
    def spots(self):
        """Melanin of each spot as (rows, columns, field)."""
        found = []
        for spot in self.skin.spots:
            reach = int(spot.radius * 1.8 + 4 * spot.soft) + 2
            rows = slice(max(0, int(spot.y) - reach), min(self.shape[0], int(spot.y) + reach + 1))
            cols = slice(max(0, int(spot.x) - reach), min(self.shape[1], int(spot.x) + reach + 1))
            y, x = np.mgrid[rows, cols].astype(np.float32)
            far, angle = np.hypot(x - spot.x, y - spot.y), np.arctan2(y - spot.y, x - spot.x)
            edge = 1 + sum(c * f(angle * (k + 2)) for k, (c, f) in enumerate(zip(spot.wobble, [np.cos, np.sin] * 3)))
            found.append((rows, cols, (spot.melanin / (1 + np.exp((far - spot.radius * edge) / spot.soft))).astype(np.float32)))
        return found

    @cached_property
    def papules(self):
        blood, relief = np.zeros(self.shape, np.float32), np.zeros(self.shape, np.float32)
        y, x = np.mgrid[: self.shape[0], : self.shape[1]].astype(np.float32)
        for p in self.skin.papules:
            hill = np.exp(-((x - p.x) ** 2 + (y - p.y) ** 2) / (2 * p.sigma**2))
            blood += p.blood * hill
            relief += p.height * hill
        return blood, relief

    def relief(self, pores=True, wrinkles=True):
        height = self.ground[1] + self.papules[1]
        if pores:
            height = height - PIT * self.pores
        return height + self.wrinkles[1] if wrinkles else height

    @cached_property
    def lie(self):
        slope, change = self.light.lie
        across = np.linspace(-1, 1, self.shape[1], dtype=np.float32)[None, :]
        down = np.linspace(-1, 1, self.shape[0], dtype=np.float32)[:, None]
        return slope[0] + change[0] * across + 0 * down, slope[1] + change[1] * down + 0 * across

    def lit(self, height):
        """(shade, gloss), both one plane; flat skin that faces the camera has shade 1."""
        light, (lie_x, lie_y) = self.light, self.lie
        dy, dx = np.gradient(height) if height is not None else (0, 0)
        dx, dy = dx + lie_x, dy + lie_y
        length = np.sqrt(dx * dx + dy * dy + 1)
        lx, ly, lz = light.direction
        cosine = np.clip((lz - lx * dx - ly * dy) / length, 0, None) / lz
        shade = light.ambient + (1 - light.ambient) * cosine
        if not light.gloss:
            return shade, np.zeros(self.shape, np.float32)
        hx, hy, hz = np.array([lx, ly, lz + 1]) / np.linalg.norm([lx, ly, lz + 1])
        lobe = np.clip((hz - hx * dx - hy * dy) / length, 0, 1) ** light.power
        return shade, light.gloss * lobe * self.ground[4]

    @cached_property
    def density(self):
        """[3, rows, columns] without relief, pores and wrinkles."""
        melanin = self.skin.melanin + self.ground[2]
        for rows, cols, extra in self.spots:
            melanin[rows, cols] += extra
        blood = self.skin.blood + self.ground[3] + self.papules[0]
        return (BASE[:, None, None] + MELANIN[:, None, None] * melanin + HAEMOGLOBIN[:, None, None] * blood).astype(np.float32)

    def planes(self, pores=True, wrinkles=True, channels=(0, 1, 2)):
        """Linear light [channels, rows, columns]; hairs lie over everything."""
        shade, gloss = self.lit(self.relief(pores, wrinkles))
        taken = self.wrinkles[0] if wrinkles else 0
        out = np.empty((len(channels), *self.shape), np.float32)
        for nth, c in enumerate(channels):
            lost = self.ground[0] - taken
            if pores:
                lost = lost - PORE_TINT[c] * self.pores
            out[nth] = np.exp(lost - self.density[c]) * shade + gloss
        return self._hairy(out)

    @cached_property
    def hairs(self):
        """[(opacity, log lightness against the skin)] of dark and of light hair."""
        found = []
        for group in ([h for h in self.skin.hairs if h.lift < 0], [h for h in self.skin.hairs if h.lift >= 0]):
            if group:
                line = sum(blur(splat(h.points, h.depth, self.shape), h.sigma) * (h.sigma * np.sqrt(2 * np.pi) / 2) for h in group[:4])
                found.append((np.clip(line, 0, 1), float(np.mean([h.lift for h in group]))))
        return found

    def _hairy(self, planes):
        for opacity, lift in self.hairs:
            planes = planes * (1 + opacity * (np.exp(lift) - 1))
        return planes
