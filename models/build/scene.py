"""A person seen from one view: the painted form, the fine skin and the pores, as planes of linear light.

The costly parts (paint, texture) are made once; before and after differ in the pore list alone.
"""

import numpy as np

import face_front
import face_side
from geometry import CANVAS
from noise import enlarge, rng_for
from pore_map import person_pores
from pores import draw
from skin import PORE_TINT, texture

PAINTERS = {"front": face_front, "left": face_side, "right": face_side}


class Scene:
    def __init__(self, who, view):
        painter = PAINTERS[view.id]
        picture, skin, cloth, self.details = painter.paint(who, view)
        rng = rng_for(who.seed, "texture", view.id)
        fine = texture(rng, CANVAS)
        self.view = view
        self.pores = person_pores(who, view, skin)
        self.skin = np.clip(enlarge(skin, CANVAS), 0, 1)
        weight = self.skin + 1.1 * np.clip(enlarge(cloth, CANVAS), 0, 1)
        self.fine = fine * weight
        self.picture = [np.clip(enlarge(picture[..., c], CANVAS), 0.002, 1) for c in range(3)]

    def planes(self, pores):
        """Linear light [rows, columns] for R, G, B with these pores."""
        lost = draw(pores, CANVAS) * self.skin
        planes = []
        for c in range(3):
            plane = self.picture[c] * np.exp(self.fine - PORE_TINT[c] * lost)
            for row, column, colour, mask in self.details:
                part = plane[row : row + mask.shape[0], column : column + mask.shape[1]]
                part += (colour[..., c] - part) * mask
            planes.append(plane)
        return planes
