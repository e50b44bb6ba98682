"""Soft studio light on a relief, computed on a coarse grid: a large key, a weak fill, a gentle sheen.

The relief is a height in units (towards the camera positive). Two diffuse lamps with a wrapped cosine stand for large
soft boxes, an even part for the white room; the sheen is a wide Blinn-Phong lobe.
"""

import numpy as np

KEY = np.array([-0.50, -0.50, 0.78])        # upper left, as the viewer sees it; y runs down
FILL = np.array([0.75, -0.10, 0.65])
WRAP = 0.35                                 # how far round the form a soft box reaches
KEY_COLOUR = np.array([1.00, 0.985, 0.96], dtype=np.float32)
FILL_COLOUR = np.array([0.94, 0.97, 1.00], dtype=np.float32)


def _unit(vector):
    return vector / np.linalg.norm(vector)


def lit(height, pitch):
    """(diffuse [rows, columns, 3], sheen [rows, columns]) of a relief with cells `pitch` units apart."""
    dy, dx = np.gradient(height, pitch)
    length = np.sqrt(dx**2 + dy**2 + 1)
    normal = np.stack([-dx / length, -dy / length, 1 / length], axis=-1)

    def lamp(direction):
        return np.clip((normal @ _unit(direction) + WRAP) / (1 + WRAP), 0, 1)

    key, fill = lamp(KEY), lamp(FILL)
    even = 0.62 + 0.38 * normal[..., 2]
    diffuse = 0.74 * key[..., None] * KEY_COLOUR + 0.27 * fill[..., None] * FILL_COLOUR + 0.22 * even[..., None]
    half = _unit(_unit(KEY) + np.array([0, 0, 1]))
    sheen = np.clip(normal @ half, 0, 1) ** 22
    return diffuse.astype(np.float32), sheen.astype(np.float32)
