"""Temperatures and thresholds, from rendered patches that nothing was trained on. No photograph has a say."""

import numpy as np

from skin_net import judge, labels

FIRST, COUNT = 300_000, 120


def temperature(logits, truth, known, steps=25):
    """(temperature, offset) so that sigmoid(logit / temperature + offset) is a probability: logistic regression by Newton."""
    x, t = logits[known].astype(np.float64), truth[known].astype(np.float64)
    slope, offset = 1.0, 0.0
    for _ in range(steps):
        p = judge.sigmoid(slope * x + offset)
        w = p * (1 - p) + 1e-9
        gradient = np.array([((p - t) * x).sum(), (p - t).sum()])
        hessian = np.array([[(w * x * x).sum(), (w * x).sum()], [(w * x).sum(), w.sum()]])
        move = np.linalg.solve(hessian, gradient)
        slope, offset = slope - move[0], offset - move[1]
        if np.abs(move).max() < 1e-6:
            break
    return 1 / slope, offset


def of_maps(graph, samples):
    """A temperature and an offset for each of the five maps."""
    logits = [graph.maps(s.pictures[0]) for s in samples]
    found = []
    for nth in range(5):
        x = np.concatenate([m[nth].ravel()[::3] for m in logits])
        t = np.concatenate([s.truth.maps[nth].ravel()[::3] for s in samples])
        k = np.concatenate([s.truth.known[nth].ravel()[::3] for s in samples])
        found.append(temperature(x, t, k))
    return tuple(t for t, _ in found), tuple(o for _, o in found)


def thresholds(graph, samples, window=5):
    """The best threshold of each measure, with the F1 it reaches on these patches, and the curve."""
    pores, lines = 0, 0
    areas = {name: 0 for name in ("pore", "spot", "shine")}
    coarse = judge.GRID[::3]
    for s in samples:
        p = judge.sigmoid(graph.maps(s.pictures[0]))
        peaks = judge.local_maxima(p[labels.CENTRE], window, judge.GRID[0])
        pores = pores + judge.pore_counts(peaks, s.truth, p.shape[1:], judge.GRID)
        for name, nth in (("pore", labels.PORE), ("spot", labels.SPOT), ("shine", labels.SHINE)):
            areas[name] = areas[name] + judge.area_counts(p[nth], s.truth.maps[nth], s.truth.known[nth], judge.GRID)
        lines = lines + judge.line_counts(p[labels.WRINKLE], s.truth.maps[labels.WRINKLE], s.truth.known[labels.WRINKLE], s.truth.lines, coarse)
    curves = {"centre": (judge.GRID, judge.f1(pores)), "wrinkle": (coarse, judge.line_f1(lines))}
    curves |= {name: (judge.GRID, judge.f1(counts)) for name, counts in areas.items()}
    return {name: (round(float(grid[values.argmax()]), 2), float(values.max()), grid, values) for name, (grid, values) in curves.items()}
