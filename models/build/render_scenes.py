"""Renders scenes for the comparison's campaign: people as they are, with pores removed, with pores faded.

    render_scenes.py --out DIR [--first 900] [--people 4]

Unlike render_demo.py nothing of a camera is in these pictures but its scale: no pose, no noise, next to no blur, JPEG of
quality 98. The campaign takes its own photographs of them (src/analysis/retake.rs). Writes
DIR/<seed>/<view>/<variant>.jpg, DIR/scenes.json and DIR/planted.json; what is there already is not rendered again.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from camera import Capture, Pose, jpeg, photograph
from geometry import MARGIN, views
from noise import rng_for
from person import person
from pore_map import zones
from pores import treated
from scene import Scene

# name, share of pores removed, share of contrast that those left lose; in every region of the view
VARIANTS = [("asis", 0.0, 0.0), ("removed05", 0.05, 0.0), ("removed10", 0.10, 0.0), ("faded25", 0.0, 0.25)]
STILL = Capture(Pose(0.0, 1.0, (0.0, 0.0)), 1.0, (0.0, 0.0), 0.3, 0.0, 98)


def render(out, seed, view):
    """The view's entry for scenes.json."""
    folder = out / str(seed) / view.id
    files = {name: f"{seed}/{view.id}/{name}.jpg" for name, _, _ in VARIANTS}
    if not all((out / file).exists() for file in files.values()):
        folder.mkdir(parents=True, exist_ok=True)
        scene = Scene(person(seed), view)
        for name, removed, fade in VARIANTS:
            pores = scene.pores
            if removed or fade:
                for region, polygon in zones(view).items():
                    pores = treated(rng_for(seed, "scene", name, view.id, region), pores, polygon, removed, fade)
            data, _ = jpeg(photograph(rng_for(seed), scene.planes(pores), STILL), "", STILL.quality)
            (out / files[name]).write_bytes(data)
        print(f"rendered {seed} {view.id}", flush=True)
    anchors = (np.asarray(view.anchors) - MARGIN).round(2).tolist()
    return {"person": seed, "view": view.id, "anchors": anchors, "px_per_mm": view.px_per_mm, "files": files}


def main():
    parser = argparse.ArgumentParser(description="render scenes for the comparison's campaign")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--first", type=int, default=900)
    parser.add_argument("--people", type=int, default=4)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    scenes = [
        render(arguments.out, seed, view)
        for seed in range(arguments.first, arguments.first + arguments.people)
        for view in views().values()
    ]
    # The same as render_demo.py lists, for `skinlink model eval --repeatability`.
    photos = [
        {"phase": "before", "view": scene["view"], "file": scene["files"]["asis"], "anchors": scene["anchors"], "px_per_mm": scene["px_per_mm"]}
        for scene in scenes
    ]
    listing = json.dumps({"photos": photos}, indent=1)
    (arguments.out / "planted.json").write_text(listing + "\n", encoding="utf-8")
    variants = [{"name": name, "removed": removed, "faded": fade} for name, removed, fade in VARIANTS]
    text = json.dumps({"variants": variants, "scenes": scenes}, indent=1)
    (arguments.out / "scenes.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
