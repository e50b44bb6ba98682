"""Eyes and brows at full resolution, each in its own small box.

A detail is (row, column, colour [h, w, 3], mask [h, w]): painted over the scene at that canvas place.
`side` is +1 for the eye on the viewer's right, -1 for its mirror image.
"""

import numpy as np

from noise import blur
from shapes import Brush, bump, curve, over, step

UPPER = [(-0.235, 0.035), (-0.16, -0.036), (-0.04, -0.081), (0.08, -0.080), (0.17, -0.047), (0.235, -0.015)]
LOWER = [(0.235, -0.015), (0.13, 0.054), (0.0, 0.076), (-0.12, 0.064), (-0.235, 0.035)]
WHITE = np.array([0.62, 0.57, 0.55], dtype=np.float32)
LINER = np.array([0.030, 0.018, 0.014], dtype=np.float32)


def box(view, left, top, right, bottom):
    """A full-resolution grid over a box given in units: (row, column, x, y, brush)."""
    (c0, r0), (c1, r1) = np.round(view.to_canvas([(left, top), (right, bottom)])).astype(int)
    corner = (np.array([c0, r0]) - 0.5 - view.origin) / view.unit
    pitch = 1 / view.unit
    x, y = np.meshgrid(corner[0] + (np.arange(c1 - c0) + 0.5) * pitch, corner[1] + (np.arange(r1 - r0) + 0.5) * pitch)
    return r0, c0, x.astype(np.float32), y.astype(np.float32), Brush((r1 - r0, c1 - c0), pitch, corner)


def lid_line(points, centre, side, squeeze=1.0):
    return [(centre[0] + side * squeeze * px, centre[1] + py) for px, py in points]


def eye(who, view, rng, centre, side, squeeze=1.0, gaze=0.0):
    """An open eye. `squeeze` narrows it for a turned head, `gaze` moves the iris sideways."""
    row, column, x, y, brush = box(view, centre[0] - 0.34, centre[1] - 0.24, centre[0] + 0.34, centre[1] + 0.20)
    upper = curve(lid_line(UPPER, centre, side, squeeze), closed=False)
    lower = curve(lid_line(LOWER, centre, side, squeeze), closed=False)
    opening = brush.fill(np.concatenate([upper, lower]), 0.003)
    ix, iy = centre[0] + side * gaze, centre[1]
    far = np.sqrt(((x - ix) / squeeze) ** 2 + (y - iy) ** 2)

    ball = WHITE * (1 - 0.30 * (np.abs(x - centre[0]) / 0.24) ** 2)[..., None]
    ball = over(ball, (0.55, 0.30, 0.26), 0.8 * bump(x, y, centre[0] - side * squeeze * 0.225, centre[1] + 0.03, 0.022, 0.02))
    angle = np.arctan2(y - iy, x - ix)
    rays = 1 + 0.16 * np.sin(angle * 37 + 3 * np.sin(angle * 5)) + 0.10 * np.sin(angle * 71)
    iris = np.asarray(who.iris, dtype=np.float32) * (rays * (0.75 + 1.2 * np.clip((y - iy) / 0.095, -0.4, 1)))[..., None] * 1.5
    iris = over(iris, np.asarray(who.iris) * 0.25, step(far, 0.083, 0.02))
    ball = over(ball, iris, 1 - step(far, 0.099, 0.012))
    ball = over(ball, (0.004, 0.004, 0.004), 1 - step(far, 0.037, 0.008))
    lid_y = np.interp(x, upper[:, 0][:: side], upper[:, 1][:: side])
    ball *= (1 - 0.62 * np.exp(-np.clip(y - lid_y, 0, None) / 0.030))[..., None]
    ball = over(ball, (0.95, 0.97, 1.0), 0.9 * (1 - step(np.hypot((x - ix + 0.032) / 1.1, y - iy + 0.034), 0.018, 0.006)))
    details = [(row, column, ball, opening)]

    lashes, widths = [], []
    for t in np.linspace(0.10, 0.99, 74) + rng.uniform(-0.006, 0.006, 74):
        root = upper[int(np.clip(t, 0, 1) * (len(upper) - 1))] + (0, 0.004)
        long = 0.028 + 0.048 * t + rng.uniform(-0.008, 0.008)
        lean = side * (-0.30 + 1.35 * t) + rng.uniform(-0.15, 0.15)
        s = np.linspace(0, 1, 7)[:, None]
        tip = np.array([lean * squeeze, -0.85]) * long
        lashes.append(root + tip * s + np.array([0, -0.30 * long]) * s**2 + np.array([0, 0.22 * long]) * np.sin(np.pi * s))
        widths.append(0.0048)
    rim = np.concatenate([upper + (0, 0.006), (upper - (0, 0.011))[::-1]])
    line = brush.fill(rim, 0.003)
    mask = np.clip(0.92 * line + 0.75 * brush.strokes(lashes, widths, 0.0008), 0, 1)
    crease = curve([(p[0] * 1.02, p[1] - 0.050 + 0.012 * abs(q)) for p, q in zip(lid_line(UPPER[:-1], (0, 0), side, squeeze), (2, 1, 0, 0, 1))], closed=False) + centre
    fold = 0.75 * brush.strokes([crease], [0.016], 0.006)
    wet = 0.30 * brush.strokes([lower[::-1]], [0.012], 0.003)
    shade = np.broadcast_to(np.array([0.20, 0.085, 0.05], dtype=np.float32), ball.shape)
    details.append((row, column, shade, np.clip(fold + wet, 0, 1)))
    details.append((row, column, np.broadcast_to(LINER, ball.shape), mask))
    return details


def brow(who, view, rng, side, spine=((0.20, -0.285), (0.40, -0.345), (0.62, -0.375), (0.80, -0.335), (0.93, -0.275)), count=900):
    """A brow of single hairs along a spine, over a soft shadow of itself."""
    spine = [(side * px, py) for px, py in spine]
    xs, ys = [p[0] for p in spine], [p[1] for p in spine]
    row, column, x, y, brush = box(view, min(xs) - 0.09, min(ys) - 0.10, max(xs) + 0.09, max(ys) + 0.10)
    path = curve(spine, closed=False)
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    hairs, widths = [], []
    for t in rng.random(count):
        i = int(t * (len(path) - 1))
        thick = 0.052 * np.clip(1.15 - t, 0.18, 1) * min(1, 0.45 + 3 * t)
        off = rng.uniform(-1, 1) * thick
        across = np.array([-along[i][1], along[i][0]]) * side
        root = path[i] + across * off
        up = np.clip(0.95 - 1.3 * t, -0.05, 0.95) + 0.35 * off / thick * (1 if t > 0.2 else 0.2)
        way = along[i] - across * up * 0.8
        way /= np.linalg.norm(way)
        long = rng.uniform(0.05, 0.085) * (1.1 - 0.35 * t)
        s = np.linspace(0, 1, 5)[:, None]
        hairs.append(root + way * long * s + across * 0.010 * s**2)
        widths.append(rng.uniform(0.0022, 0.0042))
    mask = brush.strokes(hairs, widths, 0.0010)
    tint = np.asarray(who.hair, dtype=np.float32) * 1.8 + np.array([0.02, 0.012, 0.008], dtype=np.float32)
    soft = blur(mask, 12)
    colour = np.broadcast_to(tint, mask.shape + (3,))
    return [(row, column, colour, np.clip(0.45 * soft + 0.60 * mask, 0, 0.90))]
