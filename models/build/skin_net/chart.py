"""A grey and colour card lying on the skin: a row of squares of known reflectance, in the same light, before any camera."""

import numpy as np

# Linear reflectance in R, G, B: white, grey and black as card.py has them, then red, green, blue and a light skin.
SQUARES = np.array([[0.90, 0.90, 0.90], [0.18, 0.18, 0.18], [0.035, 0.035, 0.035], [0.42, 0.06, 0.05], [0.08, 0.30, 0.09],
                    [0.04, 0.06, 0.28], [0.75, 0.48, 0.36]], dtype=np.float32)
LINE = 0.02


def lay(planes, corner, side):
    """Paints the card into linear light [3, rows, columns] with its upper left corner at (x, y); `side` is one square's."""
    out = planes.copy()
    x, y = corner
    edge = max(1, side // 12)
    out[:, y - edge : y + side + edge, x - edge : x + len(SQUARES) * side + edge] = LINE
    for nth, reflectance in enumerate(SQUARES):
        left = x + nth * side
        out[:, y : y + side, left : left + side - edge] = reflectance[:, None, None]
    return out


def read(pixels, corner, side):
    """Mean sRGB bytes [7, 3] of the middles of the squares in a picture [rows, columns, 3]."""
    x, y = corner
    inset = side // 4
    return np.stack([pixels[y + inset : y + side - inset, x + n * side + inset : x + (n + 1) * side - inset].reshape(-1, 3).mean(axis=0)
                     for n in range(len(SQUARES))])
