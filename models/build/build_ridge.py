"""Builds models/candidates/lines-ridge/: the fixed-weight graph of skin_net/ridge.py, its digest, and its golden picture."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from build_pores import set_digest
from build_skin_golden import PX_PER_MM, STILL
from skin_net import judge, labels, ridge
from skin_net.render import SIZE, sample
from skin_net.run import Graph

FOLDER = Path(__file__).resolve().parents[1] / "candidates" / "lines-ridge"
RULE = {"threshold": 0.58, "least": 40}         # as in the manifest
GOLDEN_FROM = 500_200


def picture():
    for seed in range(GOLDEN_FROM, GOLDEN_FROM + 100):
        made = sample(seed, captures=1, camera=lambda rng: STILL)
        if made.truth.maps[labels.WRINKLE].mean() > 0.03:
            return made.pictures[0]
    raise SystemExit("failed to find a skin with lines: look at more seeds")


def golden(name, line):
    found = judge.long_pieces(line >= np.float32(RULE["threshold"]), RULE["least"])
    mm_per_cm2 = judge.length(found) / (PX_PER_MM / 2) / (line.size / (PX_PER_MM * 5) ** 2)
    top = np.unravel_index(line.argmax(), line.shape)
    places = [top, (20, 100), (64, 64), (100, 30)]
    return "\n".join([
        f"# What model.onnx answers to {name}.png fed whole. Made by models/build/build_ridge.py with ONNX Runtime 1.28.0,",
        "# CPU provider, one thread. A sample's index is [batch, channel, row, column].", "schema = 1", "", "[[output]]", 'name = "line"',
        f"shape = [1, 1, {SIZE // 2}, {SIZE // 2}]", f"mean = {line.mean(dtype=np.float64):.6f}", f"max = {line.max():.5f}",
        "tolerance = 0.003                   # absolute, of mean, maximum and every sample", "samples = [",
        *(f"  {{ index = [0, 0, {r}, {c}], value = {line[r, c]:.5f} }}," for r, c in places), "]", "", "[[score]]", 'metric = "wrinkles"',
        'region = "whole picture"', f"px_per_mm = {PX_PER_MM}", f"threshold = {RULE['threshold']}", f"value = {mm_per_cm2:.3f}",
        f"tolerance = {max(0.5, 0.02 * mm_per_cm2):.2f}", ""])


def main():
    data = ridge.model().SerializeToString(deterministic=True)
    (FOLDER / "golden").mkdir(parents=True, exist_ok=True)
    (FOLDER / "model.onnx").write_bytes(data)
    set_digest(FOLDER / "manifest.toml", hashlib.sha256(data).hexdigest())
    pixels = picture()
    Image.fromarray(pixels).save(FOLDER / "golden" / "rendered-lines.png", optimize=True)
    text = golden("rendered-lines", Graph(data).all(pixels)[0][0])
    (FOLDER / "golden" / "rendered-lines.toml").write_text(text, encoding="utf-8")
    print(f"candidates/lines-ridge/model.onnx: {len(data)} bytes; golden/rendered-lines: written")


if __name__ == "__main__":
    main()
