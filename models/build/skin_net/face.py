"""A look at the annotated photograph of a real face. It is read where it lies; every look is written down, and nothing is
chosen by it."""

import hashlib
from datetime import date

import numpy as np
from PIL import Image

from annotated import components, scores
from noise import rng_for
from skin_net import judge, labels

CELL = 64


def truth_of(folder):
    region = np.asarray(Image.open(folder / "mask.png").convert("L")) > 128
    marked = np.asarray(Image.open(folder / "label.png").convert("RGBA"))
    marked = (marked[..., 3] > 128) & (marked[..., :3].max(axis=-1) > 128) & region
    return np.asarray(Image.open(folder / "input.png").convert("RGB")), region, components(marked)


def cells(places, region):
    """Places per cell of 64 px, of the cells that lie in the region by half or more, per 1000 px of it."""
    rows, cols = region.shape[0] // CELL, region.shape[1] // CELL
    size = region[: rows * CELL, : cols * CELL].reshape(rows, CELL, cols, CELL).sum(axis=(1, 3))
    count = np.zeros((rows, cols))
    for r, c in places.astype(int) // CELL:
        if r < rows and c < cols:
            count[r, c] += 1
    good = size >= CELL * CELL / 2
    return 1000 * count[good] / size[good]


def look(net, thresholds, folder):
    pixels, region, true = truth_of(folder)
    p = judge.sigmoid(net.maps(pixels)[labels.CENTRE])
    top = judge.local_maxima(p, 5, thresholds["centre"])
    found = top[region[top[:, 0].astype(int), top[:, 1].astype(int)], :2]
    places = np.argwhere(region)
    chance = places[rng_for(1, "chance").integers(len(places), size=len(found))]
    precision, recall, f1 = scores(found, true)
    return {"annotated": len(true), "found": len(found), "precision": precision, "recall": recall, "f1": f1,
            "f1_by_chance": scores(chance, true)[2], "density_r": float(np.corrcoef(cells(found, region), cells(true, region))[0, 1])}


def write_down(log, model, threshold, figures):
    digest = hashlib.sha256(model.read_bytes()).hexdigest()[:12]
    if not log.exists():
        log.write_text("date\tmodel\tthreshold\tF1\tdensity r\n", encoding="utf-8")
    with open(log, "a", encoding="utf-8") as file:
        file.write(f"{date.today()}\t{digest}\t{threshold}\t{figures['f1']:.4f}\t{figures['density_r']:.4f}\n")
