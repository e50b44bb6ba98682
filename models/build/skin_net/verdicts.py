"""Verdicts on rendered pairs whose true change is known, by the measures a comparison has: which pores went (difference of
Gaussians), how strong those are that stayed (the network), and the levels of lines and spots.

A pair is two captures of one skin, before and after a planted change or none. The limits come from unchanged pairs of other
seeds: 1.96 times their spread, split between the measures, and a floor. The place of a pore in the other picture is known
from the two poses, off by up to half a pixel, as a registration leaves it. A verdict is right when the measure the change
belongs to says so in the right direction, or, where nothing changed, when none says anything.
"""

import sys

import numpy as np
from PIL import Image

from noise import rng_for
from peaks import window_maximum
from skin_net import capture, judge, labels, treat
from skin_net.capture import MARGIN, photograph
from skin_net.render import SIZE, scene
from skin_net.surface import Surface
from skin_net.trials import FIRST, WINDOW

PLANTED = [("none", 0.0), ("removed", 0.1), ("removed", 0.2), ("faded", 0.25), ("uneven", 0.25), ("spots", 0.6), ("wrinkles", 0.4)]
SAYS = {"removed": "kept", "faded": "response", "uneven": "response", "spots": "spots", "wrinkles": "wrinkles"}
FLOOR = {"kept": 0.01, "response": 0.01, "spots": 0.05, "wrinkles": 0.05}
QUANTILE = 2.50                 # 5 % split between four measures, both sides
EDGE = 24


class Shot:
    """One capture resampled to the reference scale."""

    def __init__(self, net, dog, surface, camera, *words):
        rng = rng_for(surface.skin.seed, "verdict", *words)
        self.settings = camera(rng)
        pixels = photograph(rng, surface.planes(), self.settings)
        side = round(SIZE / self.settings.scale / 8) * 8
        self.zoom = side / SIZE
        pixels = np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))
        self.p = judge.sigmoid(net.maps(pixels))
        self.response = dog.response(pixels)[: side, : side]

    def place(self, points):
        return (capture.forward(self.settings, points, SIZE + 2 * MARGIN, SIZE) + 0.5) * self.zoom - 0.5

    def canvas(self, points):
        """Back: the forward map is affine, so three points tell it."""
        base = self.place(np.array([[0.0, 0], [1, 0], [0, 1]]))
        matrix = np.stack([base[1] - base[0], base[2] - base[0]], axis=1)
        return (np.asarray(points, float) - base[0]) @ np.linalg.inv(matrix).T


def logit(p):
    p = np.clip(p, 1e-4, 1 - 1e-4)
    return np.log(p / (1 - p))


def looked_up(field, points, reach):
    best = window_maximum(field, 2 * reach + 1)
    x = np.clip(np.round(points[:, 0]).astype(int), 0, field.shape[1] - 1)
    y = np.clip(np.round(points[:, 1]).astype(int), 0, field.shape[0] - 1)
    return best[y, x]


def compared(before, after, thresholds, rule, rng):
    """The four differences; below zero is less after than before."""
    def peaks(shot):
        found = judge.local_maxima(shot.response, WINDOW, rule["threshold"])
        canvas = shot.canvas(found[:, 1::-1])
        inside = (np.abs(canvas - (SIZE / 2 + MARGIN - 0.5)) < SIZE / 2 - EDGE).all(axis=1)
        return canvas[inside]

    def kept(one, other):
        places = peaks(one)
        if len(places) < 5:
            return np.nan, places
        at = other.place(places) + rng.uniform(-0.5, 0.5, (1, 2)) + rng.uniform(-0.3, 0.3, (len(places), 2))
        return (looked_up(other.response, at, rule["search_px"]) > rule["threshold"] * rule["kept_threshold"]).mean(), places

    forth, places = kept(before, after)
    back, _ = kept(after, before)
    out = {"kept": forth - back, "response": np.nan}
    if len(places) >= 5:
        one, two = (looked_up(s.p[labels.CENTRE], s.place(places), 1) for s in (before, after))
        stayed = (one > thresholds["centre"]) & (two > 0.4 * thresholds["centre"])
        if stayed.sum() >= 5:
            out["response"] = float((logit(two[stayed]) - logit(one[stayed])).mean())
    for name, nth in (("spots", labels.SPOT), ("wrinkles", labels.WRINKLE)):
        strong = [float((s.p[nth][EDGE:-EDGE, EDGE:-EDGE]).mean()) for s in (before, after)]
        out[name] = float(np.log((strong[1] + 0.003) / (strong[0] + 0.003)))
    return out


def has(skin, kind):
    if kind in ("removed", "faded", "uneven"):
        return len(skin.pores) >= 40
    return len(skin.spots) >= 2 if kind == "spots" else len(skin.wrinkles) >= 2 if kind == "wrinkles" else True


def pair(net, dog, thresholds, rule, camera, seed, kind, amount):
    before = scene(seed)
    skin = before.skin if kind == "none" else treat.after(before.skin, kind, amount)[0]
    words = (camera.__name__, kind, amount)
    one = Shot(net, dog, before, camera, "before", *words)
    two = Shot(net, dog, Surface(skin, before.light), camera, "after", *words)
    return compared(one, two, thresholds, rule, rng_for(seed, "registration", *words))


def run(net, dog, thresholds, rule, camera, pairs=140, calm=60):
    spread = {}
    for nth in range(calm):
        for name, value in pair(net, dog, thresholds, rule, camera, FIRST + 50_000 + nth, "none", 0.0).items():
            spread.setdefault(name, []).append(value)
    limits = {name: QUANTILE * max(FLOOR[name], float(np.nanstd(values, ddof=1))) for name, values in spread.items()}
    each, seed, result = max(1, pairs // len(PLANTED)), FIRST + 60_000, {}
    for kind, amount in PLANTED:
        right = done = 0
        while done < each:
            seed += 1
            if not has(scene(seed).skin, kind):
                continue
            found = pair(net, dog, thresholds, rule, camera, seed, kind, amount)
            said = {name: value for name, value in found.items() if np.isfinite(value) and abs(value) > limits[name]}
            right += not said if kind == "none" else said.get(SAYS[kind], 0) < 0
            done += 1
        result[f"{kind} {amount:.0%}" if amount else kind] = {"pairs": each, "right": int(right)}
        print(f"verdicts ({camera.__name__}): {kind} {amount:.0%}: {right} of {each}", file=sys.stderr, flush=True)
    total = sum(r["pairs"] for r in result.values())
    return {"pairs": total, "calm_pairs": calm, "limits": limits, "right_share": sum(r["right"] for r in result.values()) / total, "by_kind": result}
