"""The measurements behind the table of models/README.md, each a function of the graphs that gives a dictionary of figures.

Seeds: training 100,000 and on, validation 200,000, calibration 300,000, all of these 400,000 and on.
"""

import os
import sys
import time

import numpy as np

import peaks as dog_peaks
from noise import rng_for
from skin_net import anatomy, capture, judge, labels, treat
from skin_net.capture import MARGIN, Settings, photograph
from skin_net.render import SIZE, sample, scene
from skin_net.surface import Surface

FIRST = 400_000
WINDOW = 5
WEAK = 0.04                     # the least centre probability that is kept as a peak


def tell(what, nth, count, every=25):
    if (nth + 1) % every == 0:
        print(f"{what}: {nth + 1} of {count}", file=sys.stderr, flush=True)


def held_out(net, thresholds, ridge, ridge_rule, dog, dog_rule, count=500, camera=capture.wild):
    """Objects, lines and areas on patches never seen. `wild` captures are of any quality, worse than gates let through too."""
    pores, rival, areas, lines, ridges = [], [], {"pore": 0, "spot": 0, "shine": 0}, 0, 0
    tones, found, true = [], [], []
    for nth in range(count):
        s = sample(FIRST + nth, captures=1, camera=camera)
        pixels = s.pictures[0]
        p = judge.sigmoid(net.maps(pixels))
        top = judge.local_maxima(p[labels.CENTRE], WINDOW, thresholds["centre"])
        pores.append(judge.pore_counts(top, s.truth, (SIZE, SIZE), [thresholds["centre"]])[0])
        response = dog.response(pixels)
        rival.append(judge.pore_counts(judge.local_maxima(response, WINDOW, dog_rule["threshold"]), s.truth, (SIZE, SIZE), [dog_rule["threshold"]])[0])
        for name, at in (("pore", labels.PORE), ("spot", labels.SPOT), ("shine", labels.SHINE)):
            areas[name] = areas[name] + judge.area_counts(p[at], s.truth.maps[at], s.truth.known[at], [thresholds[name]])[0]
        truth, known = s.truth.maps[labels.WRINKLE], s.truth.known[labels.WRINKLE]
        lines = lines + judge.line_counts(p[labels.WRINKLE], truth, known, s.truth.lines, [thresholds["wrinkle"]])[0]
        bent = ridge.all(pixels)[0][0]
        ridges = ridges + judge.line_counts(bent, truth, known, s.truth.lines, [ridge_rule["threshold"]], least=ridge_rule["least"], stride=2)[0]
        tones.append(s.surface.skin.tone)
        found.append(len(top))
        true.append(len(s.truth.centres))
        tell("held-out patches", nth, count)
    pores, tones = np.array(pores), np.array(tones)
    by_tone = {name: float(judge.f1(pores[tones == k].sum(axis=0))) for k, (name, _, _) in enumerate(anatomy.TONES)}
    return {
        "patches": count, "pores_f1": float(judge.f1(pores.sum(axis=0))), "pores_precision": float(pores[:, 0].sum() / max(1, pores[:, 1].sum())),
        "pores_recall": float(pores[:, 0].sum() / max(1, pores[:, 2].sum())), "count_r": float(np.corrcoef(found, true)[0, 1]),
        "pores_f1_dog": float(judge.f1(np.array(rival).sum(axis=0))), "count_r_dog": float(np.corrcoef(np.array(rival)[:, 1], true)[0, 1]),
        "by_tone": by_tone, "tone_spread": max(by_tone.values()) - min(by_tone.values()),
        **{f"{name}_f1": float(judge.f1(counts)) for name, counts in areas.items()},
        "wrinkle_f1": float(judge.line_f1(lines)), "wrinkle_f1_ridge": float(judge.line_f1(ridges))}


def tones(net, thresholds, count=60, camera=capture.salon):
    """Pore F1 by tone class on the same skins in every class: classes of different skins differ by their skins first."""
    totals = {name: 0 for name, _, _ in anatomy.TONES}
    for nth in range(count):
        for tone, name in enumerate(totals):
            s = sample(FIRST + 20_000 + nth, captures=1, camera=camera, tone=tone)
            top = judge.local_maxima(judge.sigmoid(net.maps(s.pictures[0])[labels.CENTRE]), WINDOW, thresholds["centre"])
            totals[name] = totals[name] + judge.pore_counts(top, s.truth, (SIZE, SIZE), [thresholds["centre"]])[0]
        tell("skins in every tone", nth, count)
    by_tone = {name: float(judge.f1(counts)) for name, counts in totals.items()}
    return {"skins": count, "by_tone": by_tone, "spread": max(by_tone.values()) - min(by_tone.values())}


def pore_free(net, thresholds, dog, dog_rule, count=100):
    """False pores where there is none."""
    ours, theirs = [], []
    for nth in range(count):
        s = sample(FIRST + nth, captures=1, pores=False)
        ours.append(len(judge.local_maxima(judge.sigmoid(net.maps(s.pictures[0])[labels.CENTRE]), WINDOW, thresholds["centre"])))
        theirs.append(len(dog_peaks.find(dog.response(s.pictures[0]), dog_rule["threshold"])[0]))
        tell("patches without pores", nth, count)
    return {"patches": count, "false_pores": float(np.mean(ours)), "false_pores_dog": float(np.mean(theirs))}


def levels(p, thresholds, inside=slice(None)):
    """The measures of one picture: peaks per cm², and percent of the area."""
    p = p[:, inside, inside]
    cm2 = p[0].size / 130.0**2
    return {"pore-density": len(judge.local_maxima(p[labels.CENTRE], WINDOW, thresholds["centre"])) / cm2,
            "pore-area": 100 * float((p[labels.PORE] >= thresholds["pore"]).mean()),
            "pore-mean": 100 * float(p[labels.PORE].mean()),
            "spots": 100 * float((p[labels.SPOT] >= thresholds["spot"]).mean()),
            "shine": 100 * float((p[labels.SHINE] >= thresholds["shine"]).mean())}


PLAIN = Settings(blur_px=0.45, noise=0.7, quality=95)
CHANGED = {"gain 0.9": {"gain": 0.9}, "gain 1.1": {"gain": 1.1}, "blur 0.7": {"blur_px": float(np.hypot(0.45, 0.7))}, "JPEG 90": {"quality": 90},
           "JPEG 75": {"quality": 75}, "noise 3": {"noise": 3.0}}


def sensitivity(net, thresholds, count=60):
    """Change of each measure, summed over patches, when the same scene is taken otherwise; percent of its plain value."""
    sums = {}
    for nth in range(count):
        surface = scene(FIRST + nth)
        planes = surface.planes()
        for name, change in {"plain": {}, **CHANGED}.items():
            pixels = photograph(rng_for(FIRST + nth, "sensitivity"), planes, Settings(**{**vars(PLAIN), **change}))
            for metric, value in levels(judge.sigmoid(net.maps(pixels)), thresholds).items():
                sums[metric, name] = sums.get((metric, name), 0) + value
        tell("sensitivity", nth, count)
    metrics = {metric for metric, _ in sums}
    return {"patches": count, "change": {m: {name: 100 * (sums[m, name] / max(1e-9, sums[m, "plain"]) - 1) for name in CHANGED} for m in sorted(metrics)}}


def line_level(ridge, rule, pixels, edge):
    """Length of the lines in mm per cm², `edge` px left out on every side."""
    line = ridge.all(pixels)[0][0]
    inside = slice(edge // 2, line.shape[0] - edge // 2)
    found = judge.long_pieces(line[inside, inside] >= np.float32(rule["threshold"]), rule["least"])
    return judge.length(found) / 6.5 / (found.size / 65.0**2)


def retaken(net, thresholds, ridge, rule, camera, count=30, times=4):
    """SD of each level over retakes of one patch (turned, rescaled and resampled as in use), pooled; and as a share of the mean."""
    from PIL import Image
    squares, means, freedom = {}, {}, 0
    for nth in range(count):
        planes = scene(FIRST + nth).planes()
        taken = []
        for k in range(times):
            rng = rng_for(FIRST + nth, "retaken", camera.__name__, k)
            settings = camera(rng)
            pixels = photograph(rng, planes, settings)
            side = round(SIZE / settings.scale / 8) * 8
            pixels = np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))
            edge = (side - SIZE) // 2 + 20                      # the same skin, as near as a registration would have it
            found = levels(judge.sigmoid(net.maps(pixels)), thresholds, slice(edge, side - edge))
            taken.append({**found, "wrinkles": line_level(ridge, rule, pixels, edge)})
        freedom += times - 1
        for metric in taken[0]:
            values = np.array([t[metric] for t in taken])
            squares[metric] = squares.get(metric, 0) + ((values - values.mean()) ** 2).sum()
            means.setdefault(metric, []).append(values.mean())
        tell(f"retaken ({camera.__name__})", nth, count, 10)
    sd = {metric: float(np.sqrt(total / freedom)) for metric, total in squares.items()}
    return {"patches": count, "degrees_of_freedom": freedom, "sd": sd, "cv_percent": {m: 100 * sd[m] / max(1e-9, float(np.mean(means[m]))) for m in sd}}


def response(net, thresholds, count=60, removed=0.3):
    """What each level says when a share of the pores is gone, percent of its value, and how much of it bare skin shows. A level
    that moves little between retakes is worth nothing where it moves as little when the skin changes."""
    sums = {}
    for nth in range(count):
        before = scene(FIRST + nth)
        after = Surface(treat.after(before.skin, "removed", removed)[0], before.light)
        for name, surface in (("before", before), ("after", after), ("bare", scene(FIRST + nth, pores=False))):
            pixels = photograph(rng_for(FIRST + nth, "sensitivity"), surface.planes(), PLAIN)
            for metric, value in levels(judge.sigmoid(net.maps(pixels)), thresholds).items():
                sums[metric, name] = sums.get((metric, name), 0) + value
        tell("levels of treated skin", nth, count)
    pores = ("pore-density", "pore-area", "pore-mean")
    return {"patches": count, "removed": removed, "change": {m: 100 * (sums[m, "after"] / sums[m, "before"] - 1) for m in pores},
            "bare": {m: 100 * sums[m, "bare"] / sums[m, "before"] for m in pores}}


def same_as_plain(net, plain, thresholds, count=80):
    """8 bits against 32: loss of pore F1 and shift of each level, percent."""
    counts, sums = {0: 0, 1: 0}, {}
    for nth in range(count):
        s = sample(FIRST + nth, captures=1)
        for which, graph in enumerate((net, plain)):
            p = judge.sigmoid(graph.maps(s.pictures[0]))
            top = judge.local_maxima(p[labels.CENTRE], WINDOW, thresholds["centre"])
            counts[which] = counts[which] + judge.pore_counts(top, s.truth, (SIZE, SIZE), [thresholds["centre"]])[0]
            for metric, value in levels(p, thresholds).items():
                sums[metric, which] = sums.get((metric, which), 0) + value
        tell("8 bits against 32", nth, count)
    shift = {m: 100 * (sums[m, 0] / max(1e-9, sums[m, 1]) - 1) for m, w in sums if w == 0}
    return {"patches": count, "f1_loss": float(judge.f1(counts[1]) - judge.f1(counts[0])), "level_shift_percent": shift}


def run_time(graphs, times=5):
    """Least wall and processor milliseconds for 1024 × 1280, by name. A busy machine makes the wall worth little: its load is told."""
    pixels = scene(FIRST, 1024).planes()
    pixels = photograph(rng_for(1), pixels, PLAIN)
    pixels = np.concatenate([pixels, pixels[:, :256]], axis=1)
    out = {"load": os.getloadavg()[0]}
    for name, graph in graphs.items():
        wall, processor = [], []
        for _ in range(times):
            a, b = time.perf_counter(), time.process_time()
            graph.all(pixels)
            wall.append(time.perf_counter() - a)
            processor.append(time.process_time() - b)
        out[name] = {"wall_ms": 1000 * min(wall), "cpu_ms": 1000 * min(processor)}
    return out


FUSED = [0.0, 0.1, 0.2, 0.3, 0.5, 0.7]


def fusion(net, dog, count=100, chosen_on=120):
    """Pore F1 of (1 - w) * the network's logit + w * the difference of Gaussians as a logit, for several w.

    The weight, the threshold and the other's calibration come from the patches of calibration; the figures are of `count`
    others. w = 0 is the network alone.
    """
    from skin_net import calibrate
    kept = [sample(calibrate.FIRST + nth, captures=1) for nth in range(chosen_on)]

    def responses(s):
        return net.maps(s.pictures[0])[labels.CENTRE], dog.response(s.pictures[0])

    pairs = [responses(s) for s in kept]
    x = np.concatenate([d.ravel()[::3] for _, d in pairs])
    t = np.concatenate([s.truth.maps[labels.CENTRE].ravel()[::3] for s in kept])
    known = np.concatenate([s.truth.known[labels.CENTRE].ravel()[::3] for s in kept])
    temperature, offset = calibrate.temperature(x, t, known)

    def curve(s, pair, w, thresholds):
        p = judge.sigmoid((1 - w) * pair[0] + w * (pair[1] / temperature + offset))
        return judge.pore_counts(judge.local_maxima(p, WINDOW, thresholds[0]), s.truth, p.shape, thresholds)

    grid = judge.GRID[:35:3]
    rules = {}
    for w in FUSED:
        total = sum(curve(s, pair, w, grid) for s, pair in zip(kept, pairs))
        rules[w] = (float(grid[judge.f1(total).argmax()]), float(judge.f1(total).max()))
        print(f"fusion: w {w} reaches {rules[w][1]:.4f} where it was chosen", file=sys.stderr, flush=True)
    totals = {w: 0 for w in FUSED}
    for nth in range(count):
        s = sample(FIRST + nth, captures=1)
        pair = responses(s)
        for w in FUSED:
            totals[w] = totals[w] + curve(s, pair, w, [rules[w][0]])[0]
        tell("fusion", nth, count)
    best = max(rules, key=lambda w: rules[w][1])
    return {"patches": count, "chosen_weight": best, "by_weight": {str(w): {"threshold": rules[w][0], "f1_chosen_on": rules[w][1], "f1": float(judge.f1(totals[w]))} for w in FUSED}}
