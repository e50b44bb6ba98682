"""A flat piece of skin: the same texture, pores and camera as the faces, at a fraction of the cost.

Serves the golden pictures and the measurement of the model, where whole faces would only be slow.
"""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from camera import jpeg, photograph, rig_capture
from geometry import MARGIN
from noise import rng_for, smooth
from pores import draw, scatter
from skin import PORE_TINT, density, mottling, texture

PX_PER_MM = 13.0


@dataclass
class Patch:
    skin: np.ndarray        # log linear light without pores [3, rows, columns]
    pores: object
    seed: int

    @property
    def shape(self):
        return self.skin.shape[1:]

    def planes(self, pores):
        """Linear light with these pores."""
        lost = draw(pores, self.shape)
        return [np.exp(self.skin[c] - PORE_TINT[c] * lost) for c in range(3)]

    def capture(self, pores, *words, camera=rig_capture):
        """An independent photograph without the margin, through JPEG: bytes [size, size, 3] and its pose."""
        rng = rng_for(self.seed, "capture", *words)
        settings = camera(rng, self.shape)
        size = (self.shape[1] - 2 * MARGIN, self.shape[0] - 2 * MARGIN)
        data, _ = jpeg(photograph(rng, self.planes(pores), settings, size), "", settings.quality)
        return np.asarray(Image.open(io.BytesIO(data))), settings.pose


def patch(seed, size, per_1000_px=None):
    """A person's patch of `size` px. Without a density one is drawn: 1.5 to 6 pores per 1000 px, even on a log scale."""
    rng = rng_for(seed, "patch")
    shape = (size + 2 * MARGIN, size + 2 * MARGIN)
    if per_1000_px is None:
        per_1000_px = np.exp(rng.uniform(np.log(1.5), np.log(6.0)))
    tone, redness = rng.uniform(0.0, 0.45), rng.uniform(-0.03, 0.10)
    melanin, blood = mottling(rng, shape, PX_PER_MM)
    light = 0.80 + 0.03 * smooth(rng, shape, 300)
    strength = rng.uniform(0.7, 1.3)
    fine = strength * texture(rng, shape)
    skin = np.log(light) - density(melanin + tone, blood + redness).transpose(2, 0, 1)
    skin = (skin + fine).astype(np.float32)
    step = 8
    cells = (shape[0] // step, shape[1] // step)
    pores = scatter(rng, per_1000_px * np.exp(0.35 * smooth(rng, cells, 12)), step)
    return Patch(skin, pores, seed)
