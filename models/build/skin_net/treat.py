"""Planted change: the same skin after a treatment whose effect is known item by item. Nothing is ever added but redness.

    removed   a share of the pores is gone                faded    all pores lose a share of their contrast
    uneven    pores fade by 0 to twice the share, slowly varying over the skin
    redness   blood rises or falls                        spots    a share of the spots is gone, the rest fade
    wrinkles  all lines lose a share of their depth
"""

from dataclasses import dataclass, replace

import numpy as np

from noise import rng_for
from skin_net.fields import at, slow

KINDS = ["removed", "faded", "uneven", "redness", "spots", "wrinkles"]


@dataclass(frozen=True)
class Planted:
    kind: str
    amount: float
    gone: np.ndarray        # which of the pores before are not there after
    kept: np.ndarray        # share of its contrast that each pore keeps, 0 where it is gone


def after(skin, kind, amount):
    """The skin after the treatment, and what was planted. The same arguments give the same skin."""
    rng = rng_for(skin.seed, "treatment", kind, amount)
    n = len(skin.pores)
    gone, kept = np.zeros(n, bool), np.ones(n)
    if kind == "removed":
        gone[rng.permutation(n)[: round(n * amount)]] = True
        kept[gone] = 0
    elif kind == "faded":
        kept[:] = 1 - amount
    elif kind == "uneven":
        ease = np.clip(1 + slow(rng, (skin.size, skin.size), skin.size / 4), 0, 2)
        kept = 1 - amount * at(ease, np.stack([skin.pores.x, skin.pores.y], axis=1)) if n else kept
    elif kind == "redness":
        return replace(skin, blood=skin.blood + amount), Planted(kind, amount, gone, kept)
    elif kind == "spots":
        stay = np.ones(len(skin.spots), bool)
        stay[rng.permutation(len(skin.spots))[: round(len(skin.spots) * amount)]] = False
        spots = [replace(s, melanin=s.melanin * (1 - 0.5 * amount)) for s, here in zip(skin.spots, stay) if here]
        return replace(skin, spots=spots), Planted(kind, amount, gone, kept)
    elif kind == "wrinkles":
        lines = [replace(s, depth=s.depth * (1 - amount)) for s in skin.wrinkles]
        return replace(skin, wrinkles=lines), Planted(kind, amount, gone, kept)
    else:
        raise ValueError(f"no treatment is called {kind}; there are {', '.join(KINDS)}")
    pores = replace(skin.pores, contrast=skin.pores.contrast * kept).only(~gone)
    return replace(skin, pores=pores), Planted(kind, amount, gone, kept)
