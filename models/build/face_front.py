"""The front view in units of the pupil distance: form, pigments and paint on a coarse grid; hairs and eyes fine.

Everything is symmetric apart from the light: the little asymmetry of a face is left to the mottling of the skin.
"""

import numpy as np

from eyes import brow, eye
from light import lit
from noise import blur, rng_for, smooth, spectral
from person import BACKDROP, ROBE
from shapes import Brush, bump, curve, over, step
from skin import density, mottling

STEP = 4

HALF_OUTLINE = [(0.0, 1.93), (0.17, 1.905), (0.38, 1.78), (0.64, 1.54), (0.86, 1.20), (0.99, 0.80), (1.055, 0.40),
                (1.08, 0.0), (1.08, -0.45), (1.04, -0.90), (0.90, -1.35), (0.52, -1.70), (0.0, -1.84)]
FACE = HALF_OUTLINE + [(-x, y) for x, y in HALF_OUTLINE[-2:0:-1]]
EAR = [(1.02, -0.14), (1.13, -0.20), (1.20, -0.05), (1.19, 0.22), (1.13, 0.48), (1.07, 0.62), (1.01, 0.60)]
BACK_HAIR = [(-0.98, 0.05), (-1.085, -0.20), (-1.105, -0.50), (-1.085, -0.85), (-0.80, -1.40), (0.80, -1.40), (1.085, -0.85), (1.105, -0.50),
             (1.085, -0.20), (0.98, 0.05)]
UPPER_LIP = [(-0.405, 1.130), (-0.24, 1.075), (-0.085, 1.025), (0.0, 1.050), (0.085, 1.025), (0.24, 1.075),
             (0.405, 1.130), (0.22, 1.165), (0.0, 1.180), (-0.22, 1.165)]
LOWER_LIP = [(-0.405, 1.130), (-0.22, 1.160), (0.0, 1.172), (0.22, 1.160), (0.405, 1.130), (0.25, 1.262), (0.0, 1.322), (-0.25, 1.262)]
MOUTH = [(-0.425, 1.120), (-0.34, 1.143), (-0.20, 1.163), (-0.06, 1.162), (0.0, 1.174), (0.06, 1.162), (0.20, 1.163), (0.34, 1.143), (0.425, 1.120)]


def mirrored(points):
    return [(-x, y) for x, y in points]


def both(x, y, cx, cy, sx, sy, degrees=0.0):
    return bump(x, y, cx, cy, sx, sy, degrees) + bump(x, y, -cx, cy, sx, sy, -degrees)


def relief(x, y):
    """Height of the face in units."""
    ball = np.clip(1 - (x / 1.16) ** 2 - ((y - 0.18) / 2.02) ** 2, 0.0, None)
    z = 0.98 * np.sqrt(ball + 0.004)
    below = 1 - step(y, 0.825, 0.105)
    nose = 0.115 * bump(x, y, 0, 0.30, 0.125, 0.26) + 0.19 * bump(x, y, 0, 0.645, 0.125, 0.135) + 0.085 * both(x, y, 0.190, 0.725, 0.075, 0.075)
    z += nose * below
    z += 0.045 * both(x, y, 0.48, -0.30, 0.34, 0.12) - 0.060 * both(x, y, 0.50, -0.03, 0.30, 0.14)
    z += 0.055 * both(x, y, 0.50, 0.00, 0.21, 0.125) - 0.050 * both(x, y, 0.21, 0.00, 0.08, 0.11)
    z += 0.055 * both(x, y, 0.70, 0.46, 0.32, 0.26) - 0.020 * both(x, y, 0.40, 0.80, 0.05, 0.20, -28)
    z += 0.060 * bump(x, y, 0, 1.12, 0.42, 0.28) + 0.030 * bump(x, y, 0, 1.095, 0.24, 0.045) + 0.045 * bump(x, y, 0, 1.235, 0.21, 0.062)
    z -= 0.025 * bump(x, y, 0, 1.165, 0.17, 0.016) + 0.035 * bump(x, y, 0, 1.40, 0.20, 0.065) + 0.010 * bump(x, y, 0, 0.945, 0.03, 0.07)
    z += 0.075 * bump(x, y, 0, 1.66, 0.25, 0.17) - 0.012 * both(x, y, 0.455, 1.13, 0.04, 0.06)
    return z


def pigments(rng, x, y, px, lips):
    """Melanin and haemoglobin over the face, added to the person's own."""
    melanin, blood = mottling(rng, x.shape, px)
    blood += 0.12 * both(x, y, 0.66, 0.48, 0.30, 0.24) + 0.070 * bump(x, y, 0, 0.66, 0.18, 0.14) + 0.03 * bump(x, y, 0, 1.65, 0.22, 0.15)
    blood += 0.040 * both(x, y, 0.50, -0.12, 0.24, 0.07) + 0.42 * lips
    melanin += 0.055 * both(x, y, 0.48, 0.15, 0.22, 0.05, 6) + 0.050 * both(x, y, 0.46, -0.13, 0.24, 0.06) + 0.06 * lips
    melanin += 0.10 * both(x, y, 0.095, 0.795, 0.045, 0.018, 12)
    return melanin, blood


def paint(who, view):
    """(picture [rows, columns, 3] in linear light, skin 0..1, cloth 0..1, details) on cells of STEP canvas pixels."""
    rng = rng_for(who.seed, "front")
    x, y = view.grid(STEP)
    pitch = STEP / view.unit
    brush = Brush(x.shape, pitch, (x[0, 0] - pitch / 2, y[0, 0] - pitch / 2))
    px = view.px_per_mm / STEP

    glow = 0.86 + 0.30 * bump(x, y, -0.2, 0.3, 1.5, 1.7)
    picture = BACKDROP * glow[..., None]

    lips = np.maximum(brush.fill(curve(UPPER_LIP)), brush.fill(curve(LOWER_LIP)))
    lips = blur(lips, 0.011 / pitch) * who.full_lips
    face = brush.fill(curve(FACE), 0.004)
    melanin, blood = pigments(rng, x, y, px, lips)
    albedo = np.exp(-density(melanin + who.melanin, blood + who.blood))

    # Neck and ears first: the face lies over them.
    neck = brush.fill(curve([(-0.64, 1.2), (-0.62, 1.75), (-0.68, 2.05), (-0.95, 2.5), (0.95, 2.5), (0.68, 2.05), (0.62, 1.75), (0.64, 1.2)]), 0.006)
    round_neck = 0.55 * np.sqrt(np.clip(1 - (x / 0.78) ** 2, 0.02, 1)) + 0.02 * both(x, y, 0.22, 2.2, 0.05, 0.5, 14)
    light, _ = lit(blur(round_neck, 4), pitch)
    shade = 1 - 0.52 * np.exp(-np.clip(y - 1.70 + 0.28 * x**2, 0, None) / 0.24)
    picture = over(picture, albedo * light * (0.86 * shade)[..., None], neck)
    hair = brush.fill(curve(BACK_HAIR), 0.012)
    swept = 0.5 * spectral(rng, x.shape, 30, 0.9, 82) + 0.5 * spectral(rng, x.shape, 30, 0.9, 98) + 0.4 * spectral(rng, x.shape, 40, 5, 90)
    strands = np.asarray(who.hair, dtype=np.float32) * (1.7 * np.clip(1 + 0.30 * swept, 0.4, 2))[..., None]
    picture = over(picture, strands, hair)
    ears = np.maximum(brush.fill(curve(EAR), 0.004), brush.fill(curve(mirrored(EAR)), 0.004))
    hollow = 1 - 0.34 * both(x, y, 1.105, 0.10, 0.035, 0.15, 8) - 0.2 * both(x, y, 1.03, 0.2, 0.03, 0.3)
    picture = over(picture, albedo * np.array([0.74, 0.66, 0.64], dtype=np.float32) * hollow[..., None], ears)

    light, sheen = lit(blur(relief(x, y), 1.5), pitch)
    under = 1 - 0.26 * bump(x, y, 0, 0.875, 0.19, 0.045) - 0.14 * bump(x, y, 0.0, 1.365, 0.17, 0.035) - 0.10 * both(x, y, 0.27, 0.70, 0.03, 0.09, -12)
    nostril = both(x, y, 0.088, 0.800, 0.042, 0.017, 10)
    under *= 1 - 0.80 * np.clip(1.25 * nostril, 0, 1)
    under *= 1 - 0.55 * blur(brush.fill(np.concatenate([curve(MOUTH, closed=False), curve(MOUTH, closed=False)[::-1] + (0, 0.014)])), 0.005 / pitch)
    oil = np.clip(0.35 + 0.65 * (bump(x, y, 0, 0.3, 0.22, 0.6) + bump(x, y, 0, -0.6, 0.5, 0.25) + 0.5 * both(x, y, 0.6, 0.35, 0.2, 0.15)) + 0.12 * smooth(rng, x.shape, 60), 0, 1)
    gloss = (0.13 * oil * sheen + 0.10 * lips * bump(x, y, -0.02, 1.245, 0.13, 0.022))[..., None]
    picture = over(picture, albedo * light * under[..., None] + gloss, face)

    # Short hair at the temples grows in softly, swept back under the band.
    temple = face * step(np.abs(x) + 0.10 * (y + 0.62) ** 2 + 0.016 * swept, 1.015, 0.13) * (1 - step(y, -0.22, 0.16))
    picture = over(picture, strands, 0.96 * temple)

    # A towelling band holds the hair; its lower edge throws a soft shadow on the forehead.
    edge = -1.015 + 0.13 * x**2
    band_light, _ = lit(0.9 * np.sqrt(np.clip(1 - (x / 1.22) ** 2, 0.01, 1)) + 0.16 * np.sqrt(np.clip(1 - ((y - edge + 0.23) / 0.25) ** 2, 0.02, 1)), pitch)
    picture *= (1 - 0.30 * np.exp(-np.clip(y - edge, 0, None) / 0.05) * face)[..., None]
    head = brush.fill(curve([(p[0] * 1.035, p[1] * 1.02 - 0.02) for p in FACE]), 0.004)
    hair_light = 0.9 + 1.3 * bump(x, y, -0.35, -1.64, 0.5, 0.07)
    picture = over(picture, strands * hair_light[..., None], head * (1 - step(y, edge - 0.46, 0.01)))
    band = head * (1 - step(y, edge, 0.008)) * step(y, edge - 0.46, 0.012)
    picture = over(picture, np.asarray(who.band, dtype=np.float32) * band_light, band)

    collar = [(-1.7, 2.22), (-1.25, 2.10), (-0.92, 2.02), (-0.665, 1.93), (-0.56, 2.12), (-0.36, 2.6), (-1.7, 2.6)]
    robe = np.maximum(brush.fill(collar, 0.006), brush.fill(mirrored(collar), 0.006))
    fold = 0.92 + 0.05 * smooth(rng, x.shape, 70) + 0.10 * both(x, y, 0.56, 2.22, 0.045, 0.30, -27) - 0.30 * both(x, y, 0.69, 2.22, 0.03, 0.30, -27)
    picture = over(picture, ROBE * fold[..., None], robe)

    cloth = np.maximum(band, robe)
    skin = np.clip(np.maximum(face, np.maximum(neck, ears)) - 0.75 * lips - temple, 0, 1) * (1 - cloth) * (1 - head * (1 - step(y, edge, 0.008)))
    details = []
    for side in (-1, 1):
        details += eye(who, view, rng, (0.5 * side, 0.0), side)
        details += brow(who, view, rng, side)
    return picture, skin, cloth, details
