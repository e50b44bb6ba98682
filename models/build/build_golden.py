"""Writes models/pores-dog/golden/: small rendered pictures and what the model says about them.

A gateway that runs the same file and gets other numbers has a wrong input chain or a wrong runtime. The figures come
from ONNX Runtime 1.28.0 on the CPU; the tolerances leave room for another order of additions, not for another method.
"""

import tomllib
from pathlib import Path

import numpy as np
from PIL import Image

from build_pores import FOLDER
from patch import PX_PER_MM, patch
from peaks import Model, find

SIZE = 256
# name, seed, whether the pores are drawn. The bare one shows what the model finds where there is nothing.
PICTURES = [("rendered-cheek", 11, True), ("rendered-bare", 12, False)]
SAMPLES = 8


def samples(response):
    """Eight places: the strongest peak, the deepest pit, the corners' neighbourhood and a fixed spread."""
    top = np.unravel_index(response.argmax(), response.shape)
    low = np.unravel_index(response.argmin(), response.shape)
    fixed = [(0, 0), (0, SIZE - 1), (SIZE - 1, SIZE - 1), (128, 128), (40, 200), (201, 77)]
    return [tuple(int(i) for i in place) for place in [top, low, *fixed]][:SAMPLES]


def figures(output, map_, tolerance, note):
    return [
        "",
        "[[output]]",
        f'name = "{output}"',
        f"shape = [1, 1, {map_.shape[0]}, {map_.shape[1]}]",
        f"mean = {map_.mean(dtype=np.float64):.6f}",
        f"min = {map_.min():.5f}",
        f"max = {map_.max():.5f}",
        f"tolerance = {tolerance}                    # absolute, of mean, min, max and every sample{note}",
        "samples = [",
        *(f"  {{ index = [0, 0, {r}, {c}], value = {map_[r, c]:.5f} }}," for r, c in samples(map_)),
        "]",
    ]


def text_for(name, response, contrast, threshold, window):
    rows, _ = find(response, threshold, window)
    area = response.size / (PX_PER_MM * 10) ** 2
    lines = [
        f"# What model.onnx answers to {name}.png fed whole. Made by models/build/build_golden.py with ONNX Runtime 1.28.0,",
        "# CPU provider, one thread. A sample's index is [batch, channel, row, column].",
        "schema = 1",
        *figures("response", response, 0.002, ""),
        *figures("contrast", contrast, 0.005, "; per cent of log reflectance"),
        "",
        "[[score]]",
        'metric = "pores"',
        'region = "whole picture"             # no polygon: every pixel counts, windows are cut at the edge',
        f"px_per_mm = {PX_PER_MM}",
        f"threshold = {threshold}                      # as in manifest.toml",
        f"peaks = {len(rows)}",
        f"value = {len(rows) / area:.3f}                      # peaks per cm²: peaks / (pixels / (px_per_mm × 10)²)",
        "tolerance_peaks = 1                  # a response within rounding of the threshold may fall on either side",
        "",
    ]
    return "\n".join(lines)


def main():
    score = tomllib.loads((FOLDER / "manifest.toml").read_text(encoding="utf-8"))["score"][0]
    model = Model(FOLDER / "model.onnx")
    folder = Path(FOLDER / "golden")
    folder.mkdir(exist_ok=True)
    for name, seed, with_pores in PICTURES:
        skin = patch(seed, SIZE, 4.0)
        pores = skin.pores if with_pores else skin.pores.only(slice(0, 0))
        pixels, _ = skin.capture(pores, "golden")
        Image.fromarray(pixels).save(folder / f"{name}.png", optimize=True)
        text = text_for(name, *model.maps(pixels), score["threshold"], score["window"])
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
        print(f"golden/{name}: written")


if __name__ == "__main__":
    main()
