"""Many rendered patches on disk: files of SHARD samples, made by as many processes as asked for, resumed where one ended.

    shard-00000.npz: pictures [n, 2, 256, 256, 3] bytes, labels [n, 2, 256, 256] bytes (render.packed), tones [n]
"""

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from skin_net.render import packed, sample

SHARD = 50


def _write(path, seeds):
    pictures, truths, tones = [], [], []
    for seed in seeds:
        made = sample(seed)
        pictures.append(np.stack(made.pictures))
        truths.append(packed(made.truth))
        tones.append(made.surface.skin.tone)
    part = path.with_suffix(f".{os.getpid()}.part")
    with open(part, "wb") as file:
        np.savez(file, pictures=np.stack(pictures), labels=np.stack(truths), tones=np.array(tones, np.uint8))
    part.rename(path)               # whole or not there
    return path


def make(folder, first, count, processes=2):
    """Paths of shards with `count` samples from seed `first` on; says how far it is."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    plan = [(folder / f"shard-{start:06d}.npz", range(start, min(start + SHARD, first + count))) for start in range(first, first + count, SHARD)]
    todo = [(path, seeds) for path, seeds in plan if not path.exists()]
    started = time.monotonic()
    with ProcessPoolExecutor(processes) as pool:
        for nth, _ in enumerate(pool.map(_write, *zip(*todo)) if todo else []):
            left = (time.monotonic() - started) / (nth + 1) * (len(todo) - nth - 1)
            print(f"rendered {nth + 1} of {len(todo)} shards of {SHARD} patches, about {left / 60:.0f} min left", file=sys.stderr, flush=True)
    return [path for path, _ in plan]


def load(paths):
    parts = [np.load(path) for path in paths]
    return tuple(np.concatenate([part[name] for part in parts]) for name in ("pictures", "labels", "tones"))
