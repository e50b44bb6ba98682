"""Views, anchors and regions, read from config/face-regions.toml: the one source of geometry.

A scene is drawn on a canvas that is larger than the photograph by MARGIN on every side, so that a slightly turned or
shifted capture never looks past its edge. Canvas pixels = nominal photograph pixels + MARGIN.
Units: one unit is the distance of a view's two anchors; origin at their midpoint; x to the viewer's right, y down.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

WIDTH, HEIGHT = 2448, 3264          # 8 megapixels, the least a pore measure asks for
MARGIN = 64                         # covers 1 degree, 1 % and 12 px together at the corner
CANVAS = (HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN)
CONFIG = Path(__file__).resolve().parents[2] / "config" / "face-regions.toml"


@dataclass(frozen=True)
class View:
    id: str
    anchors: tuple          # two (x, y) in canvas pixels
    unit: float             # canvas pixels per unit
    px_per_mm: float
    regions: dict           # id -> polygon in canvas pixels, float array [n, 2]

    @property
    def origin(self):
        return np.mean(np.array(self.anchors), axis=0)

    def to_canvas(self, points):
        """Units to canvas pixels (the guide holds the anchors straight, so there is no turn)."""
        return np.asarray(points, dtype=float) * self.unit + self.origin

    def grid(self, step):
        """x and y in units at the centres of `step`-pixel cells of the canvas."""
        rows, cols = CANVAS[0] // step, CANVAS[1] // step
        ox, oy = self.origin
        x = ((np.arange(cols, dtype=np.float32) + 0.5) * step - 0.5 - ox) / self.unit
        y = ((np.arange(rows, dtype=np.float32) + 0.5) * step - 0.5 - oy) / self.unit
        return np.meshgrid(x, y)


def views():
    """Every view of a face, by id; of its regions those that models read."""
    found = {}
    for entry in tomllib.loads(CONFIG.read_text(encoding="utf-8"))["view"]:
        if entry.get("whole"):
            continue
        anchors = [(u * WIDTH + MARGIN, v * HEIGHT + MARGIN) for u, v in entry["guide"]]
        (ax, ay), (bx, by) = anchors
        unit = float(np.hypot(bx - ax, by - ay))
        origin = np.mean(np.array(anchors), axis=0)
        regions = {r["id"]: np.array(r["polygon"], dtype=float) * unit + origin for r in entry["region"] if "only" not in r}
        found[entry["id"]] = View(entry["id"], tuple(anchors), unit, unit / entry["anchor_distance_mm"], regions)
    return found


def region_ids():
    return [region for view in views().values() for region in view.regions]


def inside(polygon, x, y):
    """Even-odd test of points against a polygon."""
    hit = np.zeros(np.shape(x), dtype=bool)
    px, py = polygon[:, 0], polygon[:, 1]
    for i in range(len(polygon)):
        j = i - 1
        crosses = (py[i] > y) != (py[j] > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            at = (px[j] - px[i]) * (y - py[i]) / (py[j] - py[i]) + px[i]
        hit ^= crosses & (x < at)
    return hit


def area_cm2(polygon, px_per_mm):
    x, y = polygon[:, 0], polygon[:, 1]
    square_px = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
    return square_px / (px_per_mm * 10) ** 2


def grown(polygon, share):
    """The polygon enlarged about its centre."""
    centre = polygon.mean(axis=0)
    return centre + (polygon - centre) * (1 + share)
