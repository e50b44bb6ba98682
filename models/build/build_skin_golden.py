"""Writes models/candidates/skin-net/golden/: two rendered pictures and what the network says about them under ONNX Runtime 1.28.0.

The tolerances leave room for another processor's order of additions, which in 8 bits may tip a value by one step; a wrong
channel order, scale or file is far outside them.
"""

import tomllib

import numpy as np
from PIL import Image

from build_skin_net import FOLDER
from skin_net import judge, labels
from skin_net.capture import Settings
from skin_net.graph import MAPS
from skin_net.render import SIZE, sample
from skin_net.run import Graph

PX_PER_MM = 13.0
# Name, tone class and the first seed to look at; the first skin from there that has spots, lines and gloss is taken.
PICTURES = [("rendered-skin", 1, 500_000), ("rendered-dark", 5, 500_100)]
TOLERANCE = 0.15
STILL = Settings(blur_px=0.45, noise=0.8)


def picture(tone, first):
    for seed in range(first, first + 100):
        made = sample(seed, captures=1, camera=lambda rng: STILL, tone=tone)
        shown = made.truth.maps.mean(axis=(1, 2))
        if shown[labels.PORE] > 0.02 and shown[labels.SPOT] > 0.004 and 0.02 < shown[labels.SHINE] < 0.8:
            return made.pictures[0]
    raise SystemExit("failed to find a skin that shows everything: look at more seeds")


def value_of(score, p):
    plane = p[MAPS.index(score["channel"])]
    if score["reduce"] == "area-fraction":
        return 100 * float((plane >= np.float32(score["threshold"])).mean()), 0.4
    lines = judge.long_pieces(plane >= score["threshold"], score["min_cells"])
    mm, cm2 = judge.length(lines) / PX_PER_MM, plane.size / (PX_PER_MM * 10) ** 2
    return mm / cm2, max(1.5, 0.04 * mm / cm2)


def text_for(name, logits, scores):
    flat = [np.unravel_index(logits.argmax(), logits.shape), np.unravel_index(logits.argmin(), logits.shape)]
    flat += [(k, r, c) for k in range(5) for r, c in ((40, 200), (128, 128))]
    p = judge.sigmoid(logits)
    lines = [
        f"# What model.onnx answers to {name}.png fed whole. Made by models/build/build_skin_golden.py with ONNX Runtime 1.28.0,",
        "# CPU provider, one thread. A sample's index is [batch, channel, row, column].", "schema = 1", "", "[[output]]", 'name = "maps"',
        f"shape = [1, 5, {SIZE}, {SIZE}]", f"mean = {logits.mean(dtype=np.float64):.5f}",
        f"tolerance = {TOLERANCE}                   # absolute, of mean and every sample: a step of 8 bits and a little more", "samples = ["]
    lines += [f"  {{ index = [0, {k}, {r}, {c}], value = {logits[k, r, c]:.4f} }}," for k, r, c in flat] + ["]"]
    for score in scores:
        value, tolerance = value_of(score, p)
        lines += ["", "[[score]]", f'metric = "{score["metric"]}"', 'region = "whole picture"', f"px_per_mm = {PX_PER_MM}",
                  f"threshold = {score['threshold']}", f"value = {value:.4f}", f"tolerance = {tolerance:.3f}"]
    return "\n".join(lines) + "\n"


def main():
    scores = tomllib.loads((FOLDER / "manifest.toml").read_text(encoding="utf-8"))["score"]
    graph = Graph(FOLDER / "model.onnx")
    (FOLDER / "golden").mkdir(exist_ok=True)
    for name, tone, first in PICTURES:
        pixels = picture(tone, first)
        Image.fromarray(pixels).save(FOLDER / "golden" / f"{name}.png", optimize=True)
        (FOLDER / "golden" / f"{name}.toml").write_text(text_for(name, graph.maps(pixels), scores), encoding="utf-8")
        print(f"golden/{name}: written")


if __name__ == "__main__":
    main()
