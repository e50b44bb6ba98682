"""Object F1 of the model on a photograph with annotated pores: a folder of input.png, label.png and mask.png.

Such a picture shows a real person. It is read where it lies and never becomes part of the project.
"""

import numpy as np
from PIL import Image

from noise import rng_for
from peaks import find

NEAR_PX = 5


def components(mask):
    """Centres (row, column) of the 8-connected blobs of a boolean picture."""
    rows, cols = mask.shape
    seen = np.zeros_like(mask)
    centres = []
    for r0, c0 in zip(*np.nonzero(mask)):
        if seen[r0, c0]:
            continue
        seen[r0, c0] = True
        todo, blob = [(r0, c0)], []
        while todo:
            r, c = todo.pop()
            blob.append((r, c))
            for rr in range(max(0, r - 1), min(rows, r + 2)):
                for cc in range(max(0, c - 1), min(cols, c + 2)):
                    if mask[rr, cc] and not seen[rr, cc]:
                        seen[rr, cc] = True
                        todo.append((rr, cc))
        centres.append(np.mean(blob, axis=0))
    return np.array(centres)


def matches(found, true, near=NEAR_PX):
    """How many of `found` pair off one to one with `true` within `near` px, nearest first. Both are [n, 2]."""
    pairs = []
    for i, place in enumerate(found):
        distance = np.hypot(*(true - place).T)
        for j in np.nonzero(distance <= near)[0]:
            pairs.append((distance[j], i, j))
    used_found, used_true = set(), set()
    for _, i, j in sorted(pairs):
        if i not in used_found and j not in used_true:
            used_found.add(i)
            used_true.add(j)
    return len(used_found)


def scores(found, true):
    """(precision, recall, F1)."""
    hit = matches(found, true)
    precision, recall = hit / max(1, len(found)), hit / max(1, len(true))
    return precision, recall, 2 * hit / max(1, len(found) + len(true))


def judge(model, folder, threshold, window):
    """(precision, recall, F1, F1 of as many random places, annotated pores) inside the mask, at the picture's own scale."""
    pixels = np.asarray(Image.open(folder / "input.png").convert("RGB"))
    region = np.asarray(Image.open(folder / "mask.png").convert("L")) > 128
    label = Image.open(folder / "label.png")
    marked = np.asarray(label.convert("RGBA"))
    marked = (marked[..., 3] > 128) & (marked[..., :3].max(axis=-1) > 128) & region
    true = components(marked)
    extra = [(-n) % 8 for n in pixels.shape[:2]]
    padded = np.pad(pixels, ((0, extra[0]), (0, extra[1]), (0, 0)), mode="edge")
    rows, cols = find(model.response(padded)[: region.shape[0], : region.shape[1]], threshold, window)
    there = region[rows, cols]
    found = np.stack([rows[there], cols[there]], axis=1)
    places = np.argwhere(region)
    random = places[rng_for(1, "chance").integers(len(places), size=len(found))]
    return (*scores(found, true), scores(random, true)[2], len(true))
