"""The side views: one cheek facing the camera, painted for the left side and mirrored for the right.

Units are the distance from the outer corner of the eye to the corner of the mouth (70 mm). Only the drawing is mirrored:
the light stays where it is in the studio, and skin and pores are drawn anew, since no face is its own mirror image.
"""

from dataclasses import replace

import numpy as np

from eyes import brow, eye
from light import lit
from noise import blur, rng_for, smooth, spectral
from person import BACKDROP, ROBE
from shapes import Brush, bump, curve, over, step
from skin import density, mottling

STEP = 4
EYE_UNIT_MM = 63.0      # eyes and brows are drawn in the front view's unit

HEAD = [(-0.10, -1.86), (-0.36, -1.45), (-0.475, -1.10), (-0.505, -0.86), (-0.51, -0.73), (-0.455, -0.53), (-0.52, -0.34),
        (-0.63, -0.13), (-0.735, 0.06), (-0.765, 0.135), (-0.735, 0.205), (-0.63, 0.245), (-0.535, 0.275), (-0.515, 0.355),
        (-0.575, 0.435), (-0.575, 0.475), (-0.53, 0.508), (-0.555, 0.555), (-0.545, 0.625), (-0.475, 0.705), (-0.475, 0.80),
        (-0.50, 0.92), (-0.465, 1.05), (-0.36, 1.14), (-0.16, 1.165), (0.10, 1.12), (0.42, 1.00), (0.74, 0.78), (0.93, 0.50),
        (1.02, 0.20), (1.20, -0.10), (1.75, -0.30), (1.80, -1.60), (1.0, -2.1)]
NECK = [(0.30, 0.95), (0.02, 1.12), (0.00, 1.35), (0.03, 1.60), (-0.02, 2.1), (1.8, 2.1), (1.6, 0.0), (0.9, 0.0)]
ROBE_EDGE = [(-0.42, 2.1), (-0.20, 1.80), (0.02, 1.62), (0.30, 1.66), (0.75, 1.55), (1.20, 1.36), (1.70, 1.20), (1.8, 2.2), (-0.4, 2.2)]
EAR = [(0.965, -0.05), (0.955, -0.30), (1.02, -0.52), (1.17, -0.62), (1.32, -0.54), (1.385, -0.34), (1.36, -0.08), (1.25, 0.13),
       (1.13, 0.30), (1.03, 0.33), (0.985, 0.22)]
UPPER_LIP = [(-0.62, 0.435), (-0.535, 0.400), (-0.46, 0.408), (-0.28, 0.450), (-0.02, 0.497), (-0.24, 0.507), (-0.40, 0.514), (-0.60, 0.513)]
LOWER_LIP = [(-0.60, 0.507), (-0.40, 0.508), (-0.24, 0.503), (-0.02, 0.499), (-0.16, 0.560), (-0.34, 0.630), (-0.48, 0.648), (-0.62, 0.640)]
MOUTH = [(-0.62, 0.507), (-0.45, 0.512), (-0.25, 0.505), (-0.08, 0.497), (0.015, 0.484)]
HAIRLINE = [(-0.45, -1.06), (0.05, -1.06), (0.40, -0.98), (0.62, -0.82), (0.70, -0.60), (0.80, -0.46), (0.845, -0.20), (0.865, 0.06),
            (0.925, 0.08), (0.96, -0.10), (0.98, -0.45), (1.15, -0.66), (1.32, -0.60), (1.42, -0.30), (1.40, 0.10), (1.36, 0.55),
            (1.9, 0.60), (1.9, -2.2), (-0.6, -2.2)]


def inflated(mask, pitch):
    """A height from an outline: steep at its edge, flat inside, at three widths so that nose and skull both round off."""
    return sum(high * blur(mask, width / pitch) for width, high in ((0.022, 0.06), (0.085, 0.20), (0.30, 0.62)))


def relief(x, y, mask, pitch):
    z = inflated(mask, pitch)
    z += 0.085 * bump(x, y, 0.30, -0.16, 0.30, 0.20, 12) + 0.030 * bump(x, y, -0.30, -0.76, 0.25, 0.09)
    z -= 0.085 * bump(x, y, -0.16, -0.52, 0.20, 0.12) + 0.02 * bump(x, y, 0.36, -0.68, 0.2, 0.2)
    z += 0.060 * bump(x, y, -0.16, -0.50, 0.14, 0.095)
    z += 0.075 * bump(x, y, -0.475, 0.165, 0.070, 0.070) - 0.016 * bump(x, y, -0.380, 0.155, 0.026, 0.085, -14)
    z -= 0.012 * bump(x, y, -0.22, 0.27, 0.040, 0.18, -38)
    z += 0.045 * bump(x, y, -0.36, 0.46, 0.18, 0.035, 4) + 0.055 * bump(x, y, -0.38, 0.585, 0.16, 0.042, -6)
    z -= 0.018 * bump(x, y, -0.30, 0.506, 0.14, 0.012) + 0.012 * bump(x, y, 0.02, 0.50, 0.040, 0.05) + 0.035 * bump(x, y, -0.36, 0.71, 0.13, 0.05)
    z += 0.050 * bump(x, y, -0.33, 0.93, 0.17, 0.14) + 0.025 * bump(x, y, 0.62, 0.60, 0.25, 0.10, -42)
    return z


def ear_relief(x, y):
    z = 0.16 * np.sqrt(np.clip(1 - ((x - 1.17) / 0.27) ** 2 - ((y + 0.14) / 0.52) ** 2, 0.01, 1))
    z -= 0.10 * bump(x, y, 1.13, -0.02, 0.065, 0.13, 12) + 0.05 * bump(x, y, 1.20, -0.38, 0.05, 0.12, 20)
    z += 0.05 * bump(x, y, 1.00, -0.02, 0.032, 0.065) + 0.04 * bump(x, y, 1.25, -0.05, 0.03, 0.20, 18)
    return z


def paint(who, view):
    """(picture [rows, columns, 3] in linear light, skin 0..1, cloth 0..1, details) on cells of STEP canvas pixels."""
    rng = rng_for(who.seed, view.id)
    side = 1 if view.id == "left" else -1
    seen_x, y = view.grid(STEP)
    x = seen_x * side
    pitch = STEP / view.unit
    brush = Brush(x.shape, pitch, (seen_x[0, 0] - pitch / 2, y[0, 0] - pitch / 2))
    px = view.px_per_mm / STEP

    def area(points, soft=0.0, rounded=True):
        points = np.array(points) * (side, 1)
        return brush.fill(curve(points) if rounded else points, soft)

    picture = BACKDROP * (0.80 + 0.34 * bump(x, y, -0.9, 0.1, 1.3, 1.6))[..., None]
    head = area(HEAD, 0.003)
    lips = blur(np.maximum(area(UPPER_LIP), area(LOWER_LIP)) * head, 0.010 / pitch) * who.full_lips
    melanin, blood = mottling(rng, x.shape, px)
    blood += 0.12 * bump(x, y, 0.22, 0.02, 0.32, 0.24) + 0.07 * bump(x, y, -0.68, 0.10, 0.14, 0.13) + 0.42 * lips
    blood += 0.05 * bump(x, y, -0.16, -0.60, 0.18, 0.06) + 0.10 * bump(x, y, 1.17, -0.14, 0.2, 0.4)
    melanin += 0.055 * bump(x, y, -0.12, -0.37, 0.18, 0.04, 8) + 0.05 * bump(x, y, -0.16, -0.61, 0.18, 0.05) + 0.06 * lips
    albedo = np.exp(-density(melanin + who.melanin, blood + who.blood))

    neck = area(NECK, 0.006)
    light, _ = lit(blur(0.5 * np.sqrt(np.clip(1 - ((x - 0.85) / 0.95) ** 2, 0.02, 1)) + 0.04 * bump(x, y, 0.75, 1.45, 0.08, 0.7, 24), 4), pitch)
    jaw = np.interp(x, [-0.5, -0.16, 0.10, 0.42, 0.74, 0.93, 1.2], [1.10, 1.165, 1.12, 1.00, 0.78, 0.50, 0.2])
    shade = 1 - 0.50 * np.exp(-np.clip(y - jaw, 0, None) / 0.22)
    picture = over(picture, albedo * light * (0.92 * shade)[..., None], neck)

    light, sheen = lit(blur(relief(x, y, area(HEAD), pitch), 2.0), pitch)
    under = 1 - 0.85 * np.clip(1.3 * bump(x, y, -0.585, 0.212, 0.050, 0.017, 12), 0, 1)
    under *= 1 - 0.20 * bump(x, y, -0.50, 0.285, 0.10, 0.03) - 0.12 * bump(x, y, -0.37, 0.69, 0.11, 0.03)
    line = curve(np.array(MOUTH) * (side, 1), closed=False)
    under *= 1 - 0.55 * blur(brush.fill(np.concatenate([line, line[::-1] + (0, 0.012)])), 0.005 / pitch)
    oil = np.clip(0.35 + 0.4 * bump(x, y, 0.2, -0.2, 0.3, 0.2) + 0.4 * bump(x, y, -0.6, 0.0, 0.15, 0.3) + 0.12 * smooth(rng, x.shape, 60), 0, 1)
    gloss = (0.12 * oil * sheen + 0.09 * lips * bump(x, y, -0.40, 0.585, 0.08, 0.02))[..., None]
    picture = over(picture, albedo * light * under[..., None] + gloss, head)

    strand = 0.8 * spectral(rng, x.shape, 34, 0.8, -24 * side) + 0.5 * spectral(rng, x.shape, 40, 4, -20 * side)
    shine = 1.7 + 1.6 * bump(x, y, 0.9, -0.85, 0.5, 0.10, -20)
    locks = np.asarray(who.hair, dtype=np.float32) * (shine * np.clip(1 + 0.24 * strand, 0.4, 2))[..., None]
    grown_in = area(HAIRLINE, 0.012) * head
    hair = np.clip(blur(grown_in, 0.030 / pitch) * (1 + 0.35 * strand) * 1.15, 0, 1) * head
    picture = over(picture, locks, np.maximum(hair, blur(grown_in, 0.03 / pitch) ** 3))

    ear = area(EAR, 0.004)
    cast = blur(ear, 0.03 / pitch) * (1 - ear)
    picture *= (1 - 0.45 * cast)[..., None]
    light, sheen = lit(blur(ear_relief(x, y), 1.5), pitch)
    hollow = 1 - 0.45 * bump(x, y, 1.12, 0.0, 0.05, 0.10, 12)
    picture = over(picture, albedo * light * np.array([0.98, 0.92, 0.91], dtype=np.float32) * hollow[..., None] + 0.04 * sheen[..., None], ear)

    edge = -1.075 - 0.11 * x
    bulge = np.sqrt(np.clip(1 - ((y - edge + 0.20) / 0.215) ** 2, 0.02, 1))
    light, _ = lit(0.9 * inflated(head, pitch) + 0.16 * bulge, pitch)
    band = area([(p[0] - 0.025, p[1]) for p in HEAD], 0.003) * (1 - step(y, edge, 0.008)) * step(y, edge - 0.40, 0.010)
    picture *= (1 - 0.30 * np.exp(-np.clip(y - edge, 0, None) / 0.04) * head)[..., None]
    picture = over(picture, np.asarray(who.band, dtype=np.float32) * light, band)

    robe = area(ROBE_EDGE, 0.006)
    fold = 0.92 + 0.05 * smooth(rng, x.shape, 70) - 0.22 * bump(x, y, 0.45, 1.80, 0.35, 0.03, -18) + 0.06 * bump(x, y, 0.45, 1.72, 0.35, 0.03, -18)
    picture *= (1 - 0.30 * blur(robe, 0.05 / pitch) * (1 - robe))[..., None]
    picture = over(picture, ROBE * fold[..., None], robe)

    cloth = np.maximum(band, robe)
    skin = np.clip(np.maximum(np.maximum(head, neck) - hair, ear) - 0.75 * lips, 0, 1) * (1 - cloth)
    in_eye_units = replace(view, unit=EYE_UNIT_MM * view.px_per_mm)
    ratio = view.unit / in_eye_units.unit
    squeeze = 0.66
    centre = (side * (-0.235 * squeeze), -0.5 * ratio + 0.015)      # the outer corner is the anchor
    details = eye(who, in_eye_units, rng, centre, side, squeeze, gaze=-0.055)
    spine = [(px_ * ratio, py_ * ratio) for px_, py_ in ((-0.455, -0.755), (-0.33, -0.820), (-0.17, -0.845), (-0.03, -0.800), (0.075, -0.730))]
    details += brow(who, in_eye_units, rng, side, spine, 700)
    return picture, skin, cloth, details
