"""Measures the pore model on rendered pairs whose true change is known, and on an annotated photograph if given.

    evaluate_pores.py [--pairs 48] [--error 0.6] [--annotated DIR] [--demo DIR]

A pair is two independent captures of one patch of skin (24 × 24 mm after the border is cut, about a nose or a chin) with
a share of its pores removed in the second. Both captures are resampled to 13 px/mm. The place of a peak in the second
is known from the two poses; a random error of up to 1 px stands for what a registration leaves: up to 0.6 px shared by
the patch (`--error`) and up to 0.4 px for each peak. Real captures differ in more ways than rendered ones: take these
as the best case.
--demo judges a folder made by render_demo.py with its true anchors.
"""

import argparse
import json
import tomllib
from pathlib import Path

import numpy as np
from PIL import Image

from annotated import judge, scores
from build_pores import FOLDER
from camera import hand_capture, rig_capture
from geometry import area_cm2, inside, views
from noise import rng_for
from patch import PX_PER_MM, patch
from peaks import Model, find, kept_share
from pores import treated

SIZE = 384
FLOOR = 0.01            # least spread of the kept share to reckon with; one odd picture would break a limit of 0.3 %
EDGE = 36               # left out of the count: the other capture may not show it
FIRST_SEED = 5000       # the golden pictures and the choice of the threshold used lower ones


def resampled(pixels, scale):
    """The picture at the reference scale: (bytes, true factor across, true factor down)."""
    rows, cols = round(pixels.shape[0] / scale), round(pixels.shape[1] / scale)
    out = np.asarray(Image.fromarray(pixels).resize((cols, rows), Image.Resampling.BICUBIC))
    return out, cols / pixels.shape[1], rows / pixels.shape[0]


class Shot:
    """One capture at the reference scale: its response, its peaks, and the way from skin to picture and back."""

    def __init__(self, model, score, pixels, pose):
        self.pose = pose
        pixels, self.fx, self.fy = resampled(pixels, pose.scale)
        self.response = model.response(pixels)
        self.rows, self.cols = find(self.response, score["threshold"], score["window"])

    def to_picture(self, skin):
        return (self.pose.forward(skin) + 0.5) * (self.fx, self.fy) - 0.5

    def to_skin(self, picture):
        there = (np.asarray(picture) + 0.5) / (self.fx, self.fy) - 0.5
        turn = np.deg2rad(self.pose.degrees)
        matrix = self.pose.scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        origin = self.pose.forward(np.zeros((1, 2)))[0]
        return (there - origin) @ np.linalg.inv(matrix).T

    def peaks_on_skin(self, polygon):
        skin = self.to_skin(np.stack([self.cols, self.rows], axis=1))
        return skin[inside(polygon, skin[:, 0], skin[:, 1])]


def disc(rng, radius, n):
    angle, far = rng.uniform(0, 2 * np.pi, n), radius * np.sqrt(rng.random(n))
    return np.stack([far * np.cos(angle), far * np.sin(angle)], axis=1)


def kept(score, here, there, polygon, rng):
    """Paired share: the peaks of one shot inside the polygon that the other still shows."""
    skin = here.peaks_on_skin(polygon)
    at = there.to_picture(skin) + disc(rng, score["error_px"], 1) + disc(rng, 0.4, len(skin))
    limit = score["threshold"] * score["kept_threshold"]
    return kept_share(at[:, 1], at[:, 0], there.response, limit, score["search_px"])


def pair(model, score, camera, seed, removed, fade=0.0):
    """Figures of one before/after pair: kept forward and backward, density before and after, truth before, F1."""
    skin = patch(seed, SIZE)
    rng = rng_for(seed, "evaluate", removed, fade)
    low, high = 64 + EDGE, 64 + SIZE - EDGE
    polygon = np.array([(low, low), (high, low), (high, high), (low, high)], dtype=float)
    after_pores = treated(rng, skin.pores, polygon, removed, fade)
    before = Shot(model, score, *skin.capture(skin.pores, "before", removed, fade, camera=camera))
    after = Shot(model, score, *skin.capture(after_pores, "after", removed, fade, camera=camera))
    area = area_cm2(polygon, PX_PER_MM)
    found = before.peaks_on_skin(polygon)
    there = inside(polygon, skin.pores.x, skin.pores.y)
    true = np.stack([skin.pores.x[there], skin.pores.y[there]], axis=1)
    return (kept(score, before, after, polygon, rng), kept(score, after, before, polygon, rng),
            len(found) / area, len(after.peaks_on_skin(polygon)) / area, len(true) / area, *scores(found, true))


def table(model, score, camera, pairs):
    """Runs and prints everything on patches."""
    half = pairs // 2
    calm = np.array([pair(model, score, camera, FIRST_SEED + i, 0.0) for i in range(pairs)])
    mean, spread = calm[:half, 0].mean(), calm[:half, 0].std(ddof=1)
    net = calm[:, 0] - calm[:, 1]
    change = (calm[:, 3] - calm[:, 2]) / calm[:, 2]
    level = (calm[:, 3] - calm[:, 2]).std(ddof=1) / np.sqrt(2)
    level_change = change[:half].std(ddof=1)
    print(f"{camera.__name__}: unchanged skin, seeds {FIRST_SEED}..{FIRST_SEED + pairs - 1}, {pairs} pairs of {SIZE} px patches")
    print(f"  kept share   mean {calm[:, 0].mean():.4f}  SD {calm[:, 0].std(ddof=1):.4f}  lowest {calm[:, 0].min():.4f}")
    print(f"  kept - kept backwards   mean {net.mean():+.4f}  SD {net.std(ddof=1):.4f}")
    print(f"  density /cm² mean {calm[:, 2].mean():.1f}  SD of one capture {level:.2f}  SD of relative change {change.std(ddof=1):.4f}")
    print(f"  true density mean {calm[:, 4].mean():.1f}; found against true over patches r {np.corrcoef(calm[:, 2], calm[:, 4])[0, 1]:.2f}")
    print(f"  object F1 at 5 px: precision {calm[:, 5].mean():.3f} recall {calm[:, 6].mean():.3f} F1 {calm[:, 7].mean():.3f}")
    limit = mean - 1.96 * max(spread, FLOOR)
    print(f"  limits from the first {half} pairs: kept below {limit:.4f}, density change beyond ±{1.96 * level_change:.3f}")
    print("removed  fade   pairs  seeds        kept mean    SD    flagged by kept  flagged by density")
    trials = [(0.0, 0.0, calm[half:], FIRST_SEED + half)]
    for k, (removed, fade) in enumerate([(0.05, 0), (0.10, 0), (0.20, 0), (0.30, 0), (0.0, 0.25)]):
        first = FIRST_SEED + 1000 * (k + 1)
        trials.append((removed, fade, np.array([pair(model, score, camera, first + i, removed, fade) for i in range(half)]), first))
    for removed, fade, rows, first in trials:
        by_kept = (rows[:, 0] < limit).mean()
        by_level = (np.abs(rows[:, 3] - rows[:, 2]) / rows[:, 2] > 1.96 * level_change).mean()
        print(f"  {removed:4.0%}  {fade:4.0%}   {len(rows):4d}  {first}..{first + len(rows) - 1}   {rows[:, 0].mean():.4f}   {rows[:, 0].std(ddof=1):.4f}   {by_kept:10.2f} {by_level:18.2f}")


def demo(model, score, folder):
    """Kept share by region of a rendered visit, with the true anchors as registration."""
    planted = json.loads((folder / "planted.json").read_text(encoding="utf-8"))
    share = {p["region"]: p["removed_share"] for p in planted["planted"]}
    truth = {(t["phase"], t["region"]): t["pores_per_cm2"] for t in planted["truth"]}
    print(f"rendered visit, seed {planted['seed']}: region, removed, kept, density before and after, true before and after")
    for view in views().values():
        shots = {p["phase"]: p for p in planted["photos"] if p["view"] == view.id}
        for region, polygon in view.regions.items():
            seen = {phase: Cut(model, score, folder, view, polygon, photo) for phase, photo in shots.items()}
            rng = rng_for(planted["seed"], "registration", region)
            value = kept(score, seen["before"], seen["after"], polygon, rng)
            area = area_cm2(polygon, view.px_per_mm)
            level = [len(seen[phase].peaks_on_skin(polygon)) / area for phase in ("before", "after")]
            true = [truth[phase, region] for phase in ("before", "after")]
            print(f"  {region:12s} {share[region]:4.0%}  {value:.4f}   {level[0]:6.1f} {level[1]:6.1f}   {true[0]:6.1f} {true[1]:6.1f}")


class Cut(Shot):
    """A region cut from a whole photograph; the pose follows from the two anchors."""

    def __init__(self, model, score, folder, view, polygon, photo):
        (ax, ay), (bx, by) = view.anchors
        (px, py), (qx, qy) = photo["anchors"]
        turn = complex(qx - px, qy - py) / complex(bx - ax, by - ay)

        def corner(skin):
            z = (skin[:, 0] - ax + 1j * (skin[:, 1] - ay)) * turn
            return np.stack([z.real + px, z.imag + py], axis=1)

        at = corner(polygon)
        left, top = np.maximum(at.min(axis=0).astype(int) - 64, 0)
        right, bottom = np.minimum(at.max(axis=0).astype(int) + 64, (photo["width"], photo["height"]))
        pixels = np.asarray(Image.open(folder / photo["file"]).crop((left, top, right, bottom)))
        # 13 px/mm is the scale of the model; the canvas itself is a little finer.
        pixels, self.fx, self.fy = resampled(pixels, photo["px_per_mm"] / PX_PER_MM)
        self.forward = lambda skin: corner(skin) - (left, top)
        self.backward = lambda p: np.stack([((p[:, 0] + left - px + 1j * (p[:, 1] + top - py)) / turn + complex(ax, ay)).real,
                                            ((p[:, 0] + left - px + 1j * (p[:, 1] + top - py)) / turn + complex(ax, ay)).imag], axis=1)
        self.response = model.response(pixels)
        self.rows, self.cols = find(self.response, score["threshold"], score["window"])

    def to_picture(self, skin):
        return (self.forward(skin) + 0.5) * (self.fx, self.fy) - 0.5

    def to_skin(self, picture):
        return self.backward((np.asarray(picture) + 0.5) / (self.fx, self.fy) - 0.5)


def main():
    parser = argparse.ArgumentParser(description="measure the pore model")
    parser.add_argument("--pairs", type=int, default=48)
    parser.add_argument("--error", type=float, default=0.6, help="registration error shared by a patch, px")
    parser.add_argument("--annotated", type=Path)
    parser.add_argument("--demo", type=Path)
    arguments = parser.parse_args()
    score = tomllib.loads((FOLDER / "manifest.toml").read_text(encoding="utf-8"))["score"][0]
    score["error_px"] = arguments.error
    model = Model(FOLDER / "model.onnx")
    if arguments.pairs:
        table(model, score, rig_capture, arguments.pairs)
        table(model, score, hand_capture, arguments.pairs)
    if arguments.annotated:
        precision, recall, f1, chance, count = judge(model, arguments.annotated, score["threshold"], score["window"])
        print(f"annotated photograph, {count} pores: precision {precision:.3f} recall {recall:.3f} F1 {f1:.3f}, by chance {chance:.3f}")
    if arguments.demo:
        demo(model, score, arguments.demo)


if __name__ == "__main__":
    main()
