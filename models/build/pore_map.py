"""Where on a face the pores are: expected number per 1000 px at 13 px/mm, on the coarse grid of the painters.

Densities follow the order of real faces (nose > inner cheek > forehead and chin > outer face); 1000 px at 13 px/mm are
5.9 mm². Truth is counted from the drawn list, never from this map.
"""

import numpy as np

from face_front import both
from noise import rng_for, smooth
from pores import scatter
from shapes import bump

STEP = 4

# The cheeks as the front view sees them: their treatment must show there too, though no measure is taken from them.
FRONT_CHEEKS = {
    "left_cheek": [(0.38, 0.42), (0.80, 0.32), (0.84, 0.75), (0.50, 1.02)],
    "right_cheek": [(-0.38, 0.42), (-0.80, 0.32), (-0.84, 0.75), (-0.50, 1.02)],
}


def expected(view):
    x, y = view.grid(STEP)
    if view.id == "front":
        map_ = 1.5 + 4.0 * bump(x, y, 0, 0.60, 0.26, 0.26) + 2.3 * both(x, y, 0.48, 0.55, 0.24, 0.28)
        map_ += 1.3 * bump(x, y, 0, -0.65, 0.70, 0.28) + 1.6 * bump(x, y, 0, 1.58, 0.34, 0.20)
        return map_ * (1 - both(x, y, 0.50, 0.02, 0.32, 0.16)) * (1 - 0.7 * (y > 1.98))
    x = x if view.id == "left" else -x
    map_ = 1.0 + 2.9 * bump(x, y, 0.18, 0.12, 0.42, 0.36) + 3.5 * bump(x, y, -0.58, 0.05, 0.18, 0.22)
    map_ += 1.5 * bump(x, y, -0.25, -0.95, 0.3, 0.2) + 1.5 * bump(x, y, -0.35, 0.92, 0.2, 0.15)
    return map_ * (1 - bump(x, y, -0.15, -0.48, 0.24, 0.16)) * (1 - 0.6 * (y > 1.15))


def person_pores(who, view, skin):
    """The person's pores seen from this view; `skin` is the painters' mask, since cloth and hair have none."""
    rng = rng_for(who.seed, "pores", view.id)
    own = np.exp(rng_for(who.seed, "own density").uniform(-0.25, 0.25))
    uneven = np.exp(0.30 * smooth(rng, skin.shape, 30))
    return scatter(rng, np.clip(expected(view), 0, None) * own * uneven * (skin > 0.8), STEP)


def zones(view):
    """Every region this view shows, as canvas polygons: the measured ones and, in front, the cheeks."""
    shown = dict(view.regions)
    if view.id == "front":
        shown |= {name: view.to_canvas(points) for name, points in FRONT_CHEEKS.items()}
    return shown
