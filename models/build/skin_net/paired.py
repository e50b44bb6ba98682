"""Two photographs of one skin, laid onto one grid and brought to one sharpness, and what changed between them.

Each measure gives (change, noise): how much changed as a share of what was there, and how far chance alone moves that share in this
pair. Pores come from the difference of Gaussians, as in the gateway, but each weighs as much as the network is certain that it is
one, and one is gone when less than half of its response is left: a strong pore leaves texture behind that still passes the
gateway's threshold. Spots and lines are measured by how much darker than the skin round them the photograph is where the network
marks them in either picture, even faintly: the place is known, so a weak mark is enough, and the photograph says how much.
"""

import numpy as np
from PIL import Image

from noise import rng_for
from peaks import window_maximum
from skin_net import capture, judge
from skin_net.capture import MARGIN
from skin_net.fields import blur
from skin_net.render import SIZE

EDGE = 24               # px at the border that a turned photograph may not show
FINE, WIDE = (0.8, 1.3), (2.5, 4.0)     # bands of sharpness, px, as the gateway's
MOST_BLUR, LEAST_BLUR = 1.6, 0.15       # px: beyond is refused, below changes nothing
BESIDE = 0.1            # px by which a registration is off
DARK = 0.02             # added before the logarithm
GONE, STAYED = 0.5, 0.5  # of its response (of its contrast): less is gone, more has stayed
PEAK = 1.4              # a peak's least response; the network's certainty tells pores from texture
CHANCE = 0.01           # of the peaks of unchanged skin are gone by noise alone, reckoned high
EVERY = 4               # px between places of a mark; four of them, or nine of the wider band, say one thing
BAND = {"spots": (3.0, 25.0), "wrinkles": (2.0, 20.0)}     # blurs between which a mark is darker than its surroundings, px


def laid(pixels, settings, shift=(0.0, 0.0), turn=0.0, grow=0.0):
    """The photograph on the skin's own grid [SIZE, SIZE, 3], grey levels as floats; a registration is off by what is given."""
    pad, out, size = 24, SIZE, SIZE + 2 * MARGIN
    angle = np.deg2rad(settings.degrees) + turn
    scale = settings.scale * (1 + grow)
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    offset = matrix @ (np.full(2, MARGIN - size / 2) + shift) + out / 2 + np.array(settings.shift) + pad
    how = (matrix[0, 0], matrix[0, 1], offset[0], matrix[1, 0], matrix[1, 1], offset[1])
    padded = np.pad(pixels, ((pad, pad), (pad, pad), (0, 0)), mode="edge").astype(np.float32)
    moved = [Image.fromarray(plane).transform((SIZE, SIZE), Image.Transform.AFFINE, how, Image.Resampling.BICUBIC) for plane in padded.transpose(2, 0, 1)]
    return np.clip(np.stack([np.asarray(plane) for plane in moved], axis=-1), 0, 255)


def pair_of(surfaces, camera, *words):
    """Both captures, laid and at one sharpness, None where that fails: the second as far beside as the gateway's registration was
    measured to leave it (models/README.md: 95 of 100 within 0.04 px in a rig, 0.11 by hand)."""
    seed = surfaces[0].skin.seed
    shots = []
    for name, surface in zip(("before", "after"), surfaces):
        rng = rng_for(seed, "verdict", name, *words)
        settings = camera(rng)
        shots.append((capture.photograph(rng, surface.planes(), settings), settings))
    rng = rng_for(seed, "registration", *words)
    off = {"shift": rng.uniform(-BESIDE, BESIDE, 2), "turn": rng.uniform(-BESIDE, BESIDE) / 128, "grow": rng.uniform(-BESIDE, BESIDE) / 128}
    return equalised(laid(*shots[0]), laid(*shots[1], **off))


class Band:
    """The spectrum of a green plane: fine over wide energy after a further blur, without the noise. As pixels/src/parity.rs."""

    def __init__(self, plane):
        inner = plane[EDGE:-EDGE, EDGE:-EDGE]
        cross = 4 * inner[1:-1, 1:-1] - 2 * (inner[:-2, 1:-1] + inner[2:, 1:-1] + inner[1:-1, :-2] + inner[1:-1, 2:])
        cross = np.abs(cross + inner[:-2, :-2] + inner[:-2, 2:] + inner[2:, :-2] + inner[2:, 2:])
        self.noise = float((np.median(cross) / 0.6745 / 6) ** 2)
        mirrored = np.pad(inner, ((0, inner.shape[0]), (0, inner.shape[1])), mode="symmetric")
        rows, cols = mirrored.shape
        self.power = np.abs(np.fft.rfft2(mirrored)) ** 2 / (rows * cols) ** 2
        self.power[:, 1:-1] *= 2
        self.square = np.fft.fftfreq(rows)[:, None] ** 2 + np.fft.rfftfreq(cols)[None, :] ** 2

    def energy(self, band, sigma):
        narrow, broad = (np.hypot(s, sigma) for s in band)
        weight = (np.exp(-2 * (np.pi * narrow) ** 2 * self.square) - np.exp(-2 * (np.pi * broad) ** 2 * self.square)) ** 2
        share = (1 / narrow**2 + 1 / broad**2 - 4 / (narrow**2 + broad**2)) / (4 * np.pi)
        return float((self.power * weight).sum()) - self.noise * share

    def sharpness(self, sigma=0.0):
        wide = self.energy(WIDE, sigma)
        return max(0.0, self.energy(FINE, sigma)) / wide if wide > 1e-3 else None

    def blur_to(self, goal):
        low, high = 0.0, MOST_BLUR
        if not (self.sharpness() or 0) > goal:
            return 0.0
        for _ in range(6):
            middle = (low + high) / 2
            low, high = (middle, high) if (self.sharpness(middle) or 0) > goal else (low, middle)
        return (low + high) / 2


def equalised(before, after):
    """The sharper one blurred to the other; None where they are too far apart."""
    bands = [Band(p[..., 1]) for p in (before, after)]
    sharp = [b.sharpness() for b in bands]
    if None in sharp:
        return (before, after) if sharp == [None, None] else None
    which = int(sharp[1] > sharp[0])
    sigma = bands[which].blur_to(sharp[1 - which])
    if sigma > 0.98 * MOST_BLUR:
        return None
    both = [before, after]
    if sigma >= LEAST_BLUR:
        both[which] = blur(both[which].transpose(2, 0, 1), sigma).transpose(1, 2, 0)
    return tuple(both)


def inside(places):
    return ((places >= EDGE) & (places < SIZE - EDGE)).all(axis=1)


def at(field, places):
    return field[places[:, 0], places[:, 1]]


def pores(before, after, sure, search):
    """The measures `kept` and `contrast` from (response, contrast) of pores-dog for each picture and the network's certainty that a
    place is the middle of a pore. Empty where there are too few."""
    lists = []
    for nth, (here, there) in enumerate(((before, after), (after, before))):
        peaks = judge.local_maxima(here[0], 5, PEAK)[:, :2].astype(int)
        peaks = peaks[inside(peaks)]
        weight = at(window_maximum(sure[nth], 3), peaks)
        own, other = ([at(here[k], peaks), at(window_maximum(there[k], 2 * search + 1), peaks)] for k in (0, 1))
        lists.append((weight, own[1] < GONE * own[0], other))
    if min(len(w) for w, _, _ in lists) < 5 or min(w.sum() for w, _, _ in lists) < 1:
        return {}
    all_of = lists[0][0].sum()
    lost, gained = ((w * gone).sum() for w, gone, _ in lists)
    by_chance = max(min((w**2 * gone).sum() for w, gone, _ in lists), CHANCE * (lists[0][0] ** 2).sum())
    found = {"kept": ((gained - lost) / all_of, np.sqrt(2 * by_chance) / all_of)}
    one, two, w = [], [], []
    for nth, (weight, _, strong) in enumerate(lists):
        there = strong[1] > STAYED * strong[0]
        one.append(strong[nth][there])
        two.append(strong[1 - nth][there])
        w.append(weight[there])
    one, two, w = map(np.concatenate, (one, two, w))
    if len(w) >= 10:
        mean, change = (w * one).sum() / w.sum(), (w * (two - one)).sum() / w.sum()
        # Most pores stand in both lists: half as many places as entries.
        places = w.sum() ** 2 / (w**2).sum() / 2
        scatter = np.sqrt((w * (two - one - change) ** 2).sum() / w.sum())
        found["contrast"] = (change / mean, scatter / np.sqrt(places) / mean)
    return found


def marked(name, pictures, maps, threshold):
    """(change, noise) of how dark the photograph is where either map reaches the threshold; the scatter of the difference on the
    rest of the skin says what noise, focus and registration do. None where nothing is marked."""
    narrow, wide = BAND[name]
    places = np.mgrid[EDGE : SIZE - EDGE : EVERY, EDGE : SIZE - EDGE : EVERY].reshape(2, -1).T
    there = at(window_maximum(np.maximum(*maps), 5), places) >= threshold
    if not there.any():
        return None
    lights = [np.log(p[..., 1] / 255 + DARK) for p in pictures]
    one, two = (at(blur(light, wide) - blur(light, narrow), places) for light in lights)
    rest = (two - one)[~there] if (~there).sum() >= 100 else two - one
    middle = np.median(rest)
    scatter = 1.4826 * np.median(np.abs(rest - middle))
    own = max(0.01, (one[there] + two[there]).mean() / 2)
    alike = 4 if narrow <= 2 else 9
    noise = np.hypot(scatter / np.sqrt(max(0.5, there.sum() / alike)), 0.001)
    return ((two - one)[there].mean() - middle) / own, noise / own
