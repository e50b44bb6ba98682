"""How far maps agree with the truth: pores as objects, wrinkles as lines, spots and shine as areas. numpy alone."""

import numpy as np

from annotated import matches
from peaks import window_maximum

NEAR_PX = 5             # a peak and a pore are the same within this
LINE_PX = 3             # a line's point counts as found within this
EDGE = 6                # cells at the border are not judged
GRID = np.arange(0.04, 0.97, 0.02)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.clip(x, -40, 40)))


def local_maxima(field, window, least):
    """(row, column, value) of the peaks above `least`, strongest first."""
    rows, cols = np.nonzero((field > least) & (field == window_maximum(field, window)))
    order = np.argsort(-field[rows, cols])
    return np.column_stack([rows[order], cols[order], field[rows, cols][order]])


def pore_counts(peaks, truth, shape, thresholds):
    """(hit, found, true) at each threshold. Peaks at doubtful pores count neither way, nor does the border."""
    high, wide = shape

    def inside(places):
        return (places[:, 0] >= EDGE) & (places[:, 1] >= EDGE) & (places[:, 0] < high - EDGE) & (places[:, 1] < wide - EDGE)

    true = truth.centres[:, 1::-1]
    true = true[inside(true)] if len(true) else true.reshape(0, 2)
    unsure = truth.doubtful[:, 1::-1] if len(truth.doubtful) else np.zeros((0, 2))
    out = []
    for threshold in thresholds:
        found = peaks[(peaks[:, 2] > threshold) & inside(peaks), :2]
        hit = matches(found, true, NEAR_PX) if len(found) and len(true) else 0
        excused = 0
        if len(found) and len(unsure):
            far = [np.inf if not len(true) else np.hypot(*(true - p).T).min() for p in found]
            near = [np.hypot(*(unsure - p).T).min() for p in found]
            excused = sum(1 for f, n in zip(far, near) if f > NEAR_PX and n <= NEAR_PX)
        out.append((hit, len(found) - excused, len(true)))
    return np.array(out, float)


def f1(counts):
    """Of (hit, found, true) summed over pictures."""
    return 2 * counts[..., 0] / np.maximum(1, counts[..., 1] + counts[..., 2])


def area_counts(p, truth, known, thresholds):
    """(hit, found, true) in cells."""
    t, p = (truth > 0.5) & known, p[known]
    inside = truth[known] > 0.5
    found = np.array([(p >= th).sum() for th in thresholds])
    hit = np.array([(p[inside] >= th).sum() for th in thresholds])
    return np.stack([hit, found, np.full(len(found), t.sum())], axis=1).astype(float)


def thinned(mask):
    """Middle lines, by Zhang and Suen (1984), as the gateway takes them."""
    out = np.pad(mask.astype(np.uint8), 1)
    while True:
        changed = False
        for odd in (0, 1):
            p = [np.roll(np.roll(out, -dy, 0), -dx, 1) for dy, dx in ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))]
            many = sum(p)
            turns = sum((p[k] == 0) & (p[(k + 1) % 8] == 1) for k in range(8))
            one, two = (p[0] * p[2] * p[4], p[2] * p[4] * p[6]) if not odd else (p[0] * p[2] * p[6], p[0] * p[4] * p[6])
            gone = (out == 1) & (many >= 2) & (many <= 6) & (turns == 1) & (one == 0) & (two == 0)
            if gone.any():
                out[gone] = 0
                changed = True
        if not changed:
            return out[1:-1, 1:-1].astype(bool)


def length(mask):
    """Cells along the middle lines: a step to a side counts 1, one to a corner the root of 2 where no sides lead there."""
    thin = np.pad(thinned(mask), 1)
    sides = (thin[:, 1:] & thin[:, :-1]).sum() + (thin[1:] & thin[:-1]).sum()
    corners = (thin[1:, 1:] & thin[:-1, :-1] & ~thin[1:, :-1] & ~thin[:-1, 1:]).sum()
    corners += (thin[1:, :-1] & thin[:-1, 1:] & ~thin[1:, 1:] & ~thin[:-1, :-1]).sum()
    return float(sides + corners * np.sqrt(2))


def long_pieces(mask, least):
    """The mask without connected pieces (sides and corners) of fewer cells."""
    label = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        grown = np.where(mask, window_maximum(label.astype(float), 3), 0).astype(label.dtype)
        # Follow the labels' own labels too: long lines settle in few rounds.
        grown = np.where(mask, np.maximum(grown, grown.ravel()[np.maximum(grown - 1, 0)]), 0)
        if np.array_equal(grown, label):
            break
        label = grown
    count = np.bincount(label.ravel(), minlength=mask.size + 1)
    return mask & (count[label] >= least)


def near(mask, px):
    """Cells within `px` of the mask."""
    reach = int(px)
    out = np.zeros_like(mask)
    padded = np.pad(mask, reach)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            if dy * dy + dx * dx <= px * px:
                out |= padded[reach + dy : reach + dy + mask.shape[0], reach + dx : reach + dx + mask.shape[1]]
    return out


def line_counts(p, truth, known, lines, thresholds, least=12, stride=1):
    """(found points right, found points, true points found, true points) at each threshold; F1 by `line_f1`."""
    true = np.zeros(truth.shape, bool)
    for line in lines:
        c, r = np.round(line[:, 0]).astype(int), np.round(line[:, 1]).astype(int)
        good = (c >= 0) & (r >= 0) & (c < truth.shape[1]) & (r < truth.shape[0])
        true[r[good], c[good]] = True
    true_near, judged = near(true, LINE_PX), known | near(true, LINE_PX)
    out = []
    for threshold in thresholds:
        found = thinned(long_pieces(p >= threshold, least))
        if stride > 1:
            found = np.kron(found, np.array([[1, 0], [0, 0]])).astype(bool)
        found &= judged
        out.append(((found & true_near).sum(), found.sum(), (true & near(found, LINE_PX)).sum(), true.sum()))
    return np.array(out, float)


def line_f1(counts):
    precision = counts[..., 0] / np.maximum(1, counts[..., 1])
    recall = counts[..., 2] / np.maximum(1, counts[..., 3])
    return 2 * precision * recall / np.maximum(1e-9, precision + recall)
