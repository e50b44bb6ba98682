"""What differs from one rendered customer to the next: tone, eyes, hair, cloth. Nobody real is meant."""

from dataclasses import dataclass

import numpy as np

from noise import rng_for

IRISES = [(0.060, 0.028, 0.012), (0.085, 0.045, 0.020), (0.070, 0.065, 0.035), (0.075, 0.095, 0.105)]
HAIRS = [(0.012, 0.008, 0.006), (0.026, 0.014, 0.008), (0.050, 0.026, 0.013)]
BANDS = [(0.62, 0.66, 0.64), (0.70, 0.62, 0.58), (0.55, 0.62, 0.68), (0.72, 0.69, 0.62)]


@dataclass(frozen=True)
class Person:
    seed: int
    melanin: float
    blood: float
    iris: tuple
    hair: tuple
    band: tuple
    full_lips: float


def person(seed):
    rng = rng_for(seed, "person")
    pick = lambda choices: choices[rng.integers(len(choices))]
    return Person(seed, rng.uniform(0.02, 0.30), rng.uniform(0.00, 0.06), pick(IRISES), pick(HAIRS), pick(BANDS), rng.uniform(0.9, 1.15))


BACKDROP = np.array([0.46, 0.49, 0.50], dtype=np.float32)
ROBE = np.array([0.74, 0.73, 0.71], dtype=np.float32)
