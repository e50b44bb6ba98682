"""Renders patches of skin with their labels for training: two captures of each scene.

    render_patches.py --out DIR [--first 100000] [--count 5000] [--processes 2]

What is there already is not rendered again; the same seeds give the same bytes. 5,000 take under ten minutes on two cores.
"""

import argparse
import time
from pathlib import Path

from skin_net import shards


def main():
    parser = argparse.ArgumentParser(description="render patches of skin with labels")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--first", type=int, default=100_000)
    parser.add_argument("--count", type=int, default=5_000)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    started, cpu = time.monotonic(), time.process_time()
    paths = shards.make(arguments.out, arguments.first, arguments.count, arguments.processes)
    print(f"{arguments.count} patches in {len(paths)} shards, {time.monotonic() - started:.0f} s of the clock")


if __name__ == "__main__":
    main()
