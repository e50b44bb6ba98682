"""Verdicts on rendered pairs whose true change is known: which pores went, whether those that stayed are fainter, whether spots
and lines are fainter (`paired.py`).

A pair is two captures of one skin, before and after a planted change or none. A change counts beyond

    times × √(floor² + noise²)

where `noise` is the pair's own and `times`, at least 1, is what one in forty unchanged pairs of other seeds exceeds, for each measure
and camera by itself: the limits are what was measured of unchanged skin, and nothing else. A verdict is right when the measure the
change belongs to says so in the right direction, or, where nothing changed, when none of the four says anything. A pair that cannot
be brought to one sharpness gets no verdict and counts as wrong.

Some planted changes nobody could see: a tenth of forty faint pores. So the pairs are also counted whose clean scenes differ by
`labels.SEEN` of log light over at least AREA px.
"""

import sys

import numpy as np

from skin_net import judge, labels, paired, treat
from skin_net.capture import MARGIN
from skin_net.fields import blur
from skin_net.paired import EDGE
from skin_net.render import scene
from skin_net.surface import Surface
from skin_net.trials import FIRST, tell

PLANTED = [("none", 0.0), ("removed", 0.1), ("removed", 0.2), ("faded", 0.25), ("uneven", 0.25), ("spots", 0.6), ("wrinkles", 0.4)]
SAYS = {"removed": "kept", "faded": "contrast", "uneven": "contrast", "spots": "spots", "wrinkles": "wrinkles"}
FLOOR = {"kept": 0.014, "contrast": 0.03, "spots": 0.03, "wrinkles": 0.03}
ONE_IN = 40
MARK = 0.3                      # of the threshold: where either picture hints at a spot or a line
AREA = 64                       # px


def measured(net, dog, thresholds, search, pictures):
    maps = [judge.sigmoid(net.maps(p)) for p in pictures]
    found = paired.pores(*(dog.maps(p) for p in pictures), [m[labels.CENTRE] for m in maps], search)
    for name, nth, key in (("spots", labels.SPOT, "spot"), ("wrinkles", labels.WRINKLE, "wrinkle")):
        one = paired.marked(name, pictures, [m[nth] for m in maps], MARK * thresholds[key])
        if one:
            found[name] = one
    return found


def has(skin, kind):
    if kind in ("removed", "faded", "uneven"):
        return len(skin.pores) >= 40
    return len(skin.spots) >= 2 if kind == "spots" else len(skin.wrinkles) >= 2 if kind == "wrinkles" else True


def to_be_seen(before, after):
    """Whether the clean scenes differ, in a good lens, where the photograph is judged."""
    edge = EDGE + MARGIN
    one, two = (np.log(blur(s.planes(channels=(1,))[0], labels.REFERENCE_BLUR) + 0.004)[edge:-edge, edge:-edge] for s in (before, after))
    return int((two - one > labels.SEEN).sum()) >= AREA


def treated(before, kind, amount):
    return before if kind == "none" else Surface(treat.after(before.skin, kind, amount)[0], before.light)


def pair(net, dog, thresholds, search, camera, before, kind, amount):
    """(change, noise) by measure, None where the pair is refused."""
    pictures = paired.pair_of((before, treated(before, kind, amount)), camera, camera.__name__, kind, amount)
    return measured(net, dog, thresholds, search, pictures) if pictures else None


def beyond(name, change, noise):
    return abs(change) / np.hypot(FLOOR[name], noise)


def limits(calm):
    """How many times floor and noise together one in ONE_IN of these unchanged pairs exceeds, by measure."""
    out = {}
    for name in FLOOR:
        strongest = sorted((beyond(name, *found[name]) for found in calm if found and name in found), reverse=True)
        out[name] = float(max([1.0, *strongest[len(calm) // ONE_IN :][:1]]))
    return out


def said(found, times):
    return {name: one[0] for name, one in (found or {}).items() if beyond(name, *one) > times[name]}


def run(net, dog, thresholds, search, camera, pairs=140, calm=160):
    unchanged = []
    for nth in range(calm):
        unchanged.append(pair(net, dog, thresholds, search, camera, scene(FIRST + 50_000 + nth), "none", 0.0))
        tell(f"verdicts ({camera.__name__}): unchanged pairs for the limits", nth, calm)
    times = limits(unchanged)
    each, seed, result = max(1, pairs // len(PLANTED)), FIRST + 60_000, {}
    for kind, amount in PLANTED:
        count = dict.fromkeys(("pairs", "right", "to_be_seen", "right_of_seen", "refused"), 0)
        while count["pairs"] < each:
            seed += 1
            before = scene(seed)
            if not has(before.skin, kind):
                continue
            found = pair(net, dog, thresholds, search, camera, before, kind, amount)
            words = said(found, times)
            right = found is not None and (not words if kind == "none" else words.get(SAYS[kind], 0) < 0)
            seen = kind == "none" or to_be_seen(before, treated(before, kind, amount))
            for key, value in zip(count, (True, right, seen, right and seen, found is None)):
                count[key] += int(value)
        name = f"{kind} {amount:.0%}" if amount else kind
        result[name] = count
        print(f"verdicts ({camera.__name__}): {name}: {count['right']} of {each}", file=sys.stderr, flush=True)
    total = {key: sum(r[key] for r in result.values()) for key in ("pairs", "right", "to_be_seen", "right_of_seen")}
    return {"pairs": total["pairs"], "calm_pairs": calm, "times": times, "floor": FLOOR, "right_share": total["right"] / total["pairs"],
            "to_be_seen": total["to_be_seen"], "right_share_of_seen": total["right_of_seen"] / max(1, total["to_be_seen"]), "by_kind": result}
