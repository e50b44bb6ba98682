"""One seed -> a scene, its labels and two captures of it. The same seed gives the same bytes on the same machine."""

from dataclasses import dataclass

import numpy as np

from noise import rng_for
from skin_net import anatomy, labels
from skin_net.capture import MARGIN, photograph, wild
from skin_net.surface import Surface

SIZE = 256
PX_PER_MM = 13.0


@dataclass
class Sample:
    surface: Surface
    truth: labels.Labels        # without the margin
    pictures: list              # two arrays [size, size, 3] of bytes


def scene(seed, size=SIZE, **how):
    return Surface(anatomy.draw(seed, size + 2 * MARGIN, **how))


def inner(truth):
    """The labels of the photograph that is not turned: without the margin."""
    cut = (slice(None), slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    maps, known = truth.maps[cut], truth.known[cut]
    high = maps.shape[-1]

    def within(places):
        moved = places.copy()
        moved[:, :2] -= MARGIN
        return moved[(moved[:, :2] >= -0.5).all(axis=1) & (moved[:, :2] < high - 0.5).all(axis=1)]

    return labels.Labels(maps, known, within(truth.centres), within(truth.doubtful), [line for line in map(within, truth.lines) if len(line)])


def sample(seed, size=SIZE, camera=wild, captures=2, **how):
    surface = scene(seed, size, **how)
    planes = surface.planes()
    pictures = []
    for nth in range(captures):
        rng = rng_for(seed, "capture", nth)
        pictures.append(photograph(rng, planes, camera(rng)))
    return Sample(surface, inner(labels.of(surface)), pictures)


def packed(truth):
    """[2, rows, columns] bytes: the centre map, and two bits for each mask (1: there, 2: not known)."""
    bits = np.zeros(truth.maps.shape[1:], np.uint8)
    for nth, name in enumerate((labels.PORE, labels.WRINKLE, labels.SPOT, labels.SHINE)):
        bits |= (truth.maps[name] > 0.5).astype(np.uint8) << (2 * nth)
        bits |= (~truth.known[name]).astype(np.uint8) << (2 * nth + 1)
    heat = (truth.maps[labels.CENTRE] * 254).astype(np.uint8)
    heat[~truth.known[labels.CENTRE]] = 255
    return np.stack([heat, bits])
