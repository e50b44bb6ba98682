"""Outlines and brush strokes in a view's units, rastered by Pillow with supersampling."""

import numpy as np
from PIL import Image, ImageDraw

from noise import blur


def curve(points, per_span=16, closed=True):
    """A Catmull-Rom curve through the points."""
    p = np.asarray(points, dtype=float)
    if closed:
        p = np.concatenate([p[-1:], p, p[:2]])
    else:
        p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    t = np.linspace(0, 1, per_span, endpoint=False)[:, None]
    spans = []
    for a, b, c, d in zip(p, p[1:], p[2:], p[3:]):
        spans.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    out = np.concatenate(spans)
    return out if closed else np.concatenate([out, p[-2:-1]])


class Brush:
    """Draws on a grid of `shape` cells whose unit coordinates are (cell + 0.5) * pitch + corner."""

    def __init__(self, shape, pitch, corner):
        self.shape, self.pitch, self.corner = shape, pitch, np.asarray(corner)

    def cells(self, points):
        return (np.asarray(points) - self.corner) / self.pitch

    def fill(self, outline, soft=0.0):
        """0..1 mask of a closed outline; `soft` is the blur of its edge in units."""
        over = 3
        picture = Image.new("L", (self.shape[1] * over, self.shape[0] * over))
        ImageDraw.Draw(picture).polygon([tuple(p) for p in self.cells(outline) * over], fill=255)
        mask = np.asarray(picture.reduce(over), dtype=np.float32) / 255
        return blur(mask, soft / self.pitch) if soft else mask

    def strokes(self, lines, widths, soft=0.0):
        """0..1 mask of tapered lines: each a list of points in units, its width in units at the root."""
        over = 2
        picture = Image.new("L", (self.shape[1] * over, self.shape[0] * over))
        pen = ImageDraw.Draw(picture)
        for line, width in zip(lines, widths):
            at = self.cells(line) * over
            root = width / self.pitch * over
            for i, (a, b) in enumerate(zip(at, at[1:])):
                now = root * (1 - 0.85 * i / max(1, len(at) - 1))
                pen.line([tuple(a), tuple(b)], fill=255, width=max(1, round(now)))
        mask = np.asarray(picture.reduce(over), dtype=np.float32) / 255
        return blur(mask, soft / self.pitch) if soft else mask


def bump(x, y, cx, cy, sx, sy, degrees=0.0):
    """A Gaussian hill of height 1."""
    turn = np.deg2rad(degrees)
    dx, dy = x - cx, y - cy
    u, v = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
    return np.exp(-0.5 * ((u / sx) ** 2 + (v / sy) ** 2)).astype(np.float32)


def step(value, edge, width):
    """Smooth 0..1 step that rises round `edge`."""
    return (1 / (1 + np.exp(np.clip(-(value - edge) / width * 4, -40, 40)))).astype(np.float32)


def over(base, colour, mask):
    """Paints a linear-light colour (or picture) over a picture."""
    return base + (np.asarray(colour, dtype=np.float32) - base) * mask[..., None]
