"""A grey card held beside the face: three squares in a row, white, grey and black, of known reflectance.

Drawn into the scene's linear light before the camera sees it, so that whatever lamp, exposure and white balance do to the
skin they do to the card. Small prints of the real card's edge are left out.
"""

import numpy as np

from geometry import HEIGHT, MARGIN, WIDTH

WHITE, GREY, BLACK = 0.90, 0.18, 0.035          # as config/quality-gates.toml has them
EDGE = 0.06                                     # of a square: the dark line between two


def draw(planes, corner, side, light=1.0):
    """Paints the card with its upper left corner at (x, y) in canvas pixels; `side` is one square's."""
    x, y = (int(round(v)) for v in corner)
    side = int(round(side))
    edge = max(1, int(round(side * EDGE)))
    for plane in planes:
        plane[y - edge : y + side + edge, x - edge : x + 3 * side + edge] = 0.02 * light
        for nth, reflectance in enumerate((WHITE, GREY, BLACK)):
            left = x + nth * side + edge // 2
            plane[y : y + side, left : left + side - edge] = np.float32(reflectance * light)
    return planes


def beside(view):
    """Where the card goes in a view: low at the side of the picture that the face leaves free; (corner, side) in canvas pixels."""
    side = 12.0 * view.px_per_mm
    x, y = (0.05, 0.90) if view.id != "right" else (0.72, 0.90)
    return (x * WIDTH + MARGIN, y * HEIGHT + MARGIN), side
