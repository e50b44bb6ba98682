"""Renders the demonstration visit: one customer before and after, three views, with a known change in the pores.

    render_demo.py --out DIR --seed 1 [--no-change | --plan nose=0.3,left_cheek=0.3] [--fade 0.0] [--card]

Writes DIR/{before,after}/{front,left,right}.jpg and DIR/planted.json, which says what was planted and where the anchors
truly are. The same arguments give the same bytes on the same machine; nothing is done if DIR already holds them.
"""

import argparse
import hashlib
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

import card as grey_card
from camera import jpeg, photograph, rig_capture
from geometry import CONFIG, HEIGHT, WIDTH, region_ids, views
from noise import rng_for
from person import person
from pore_map import zones
from pores import per_cm2, treated
from scene import Scene

DEFAULT_PLAN = {"nose": 0.30, "left_cheek": 0.30}
TAKEN = {"before": "2026:03:02 10:05:00", "after": "2026:03:02 11:20:00"}
STAMP = ".rendered"


def plan_from(arguments):
    """Removed share by region, every region named."""
    known = region_ids()
    plan = dict.fromkeys(known, 0.0)
    if arguments.no_change:
        return plan
    if arguments.plan is None:
        return plan | DEFAULT_PLAN
    for item in filter(None, arguments.plan.split(",")):
        region, _, share = item.partition("=")
        if region not in known:
            sys.exit(f"failed to read --plan: no region `{region}`; there are {', '.join(known)}")
        try:
            plan[region] = float(share)
        except ValueError:
            sys.exit(f"failed to read --plan: `{item}` is not region=share")
        if not 0 <= plan[region] <= 1:
            sys.exit(f"failed to read --plan: the share of `{region}` must lie in 0..1")
    return plan


def digest_of(seed, plan, fade, card):
    """Of everything the photographs depend on: the scripts, the geometry, the libraries, the arguments."""
    sha = hashlib.sha256()
    folder = Path(__file__).resolve().parent
    files = {Path(m.__file__).resolve() for m in list(sys.modules.values()) if getattr(m, "__file__", None)}
    for path in sorted(f for f in files if f.parent == folder) + [CONFIG]:
        sha.update(path.name.encode() + b"\0" + path.read_bytes())
    sha.update(json.dumps([seed, plan, fade, card, version("numpy"), version("pillow")]).encode())
    return sha.hexdigest()


def already_there(out, digest):
    try:
        if (out / STAMP).read_text(encoding="utf-8") != digest:
            return False
        photos = json.loads((out / "planted.json").read_text(encoding="utf-8"))["photos"]
        return all(hashlib.sha256((out / p["file"]).read_bytes()).hexdigest() == p["sha256"] for p in photos)
    except (OSError, ValueError, KeyError):
        return False


def take(out, phase, view, scene, pores, rng, card):
    """Takes one photograph and returns its entry for planted.json."""
    settings = rig_capture(rng)
    planes = scene.planes(pores)
    if card:
        grey_card.draw(planes, *grey_card.beside(view))
    data, sha256 = jpeg(photograph(rng, planes, settings), TAKEN[phase], settings.quality)
    file = f"{phase}/{view.id}.jpg"
    (out / phase).mkdir(parents=True, exist_ok=True)
    (out / file).write_bytes(data)
    anchors = np.round(settings.pose.forward(view.anchors), 2).tolist()
    return {"phase": phase, "view": view.id, "file": file, "sha256": sha256, "width": WIDTH, "height": HEIGHT,
            "anchors": anchors, "px_per_mm": round(view.px_per_mm * settings.pose.scale, 4)}


def render(out, seed, plan, fade, card):
    started = time.monotonic()
    who = person(seed)
    photos, truth = [], []
    for view in views().values():
        scene = Scene(who, view)
        after = scene.pores
        for region, polygon in zones(view).items():
            if plan[region]:
                after = treated(rng_for(seed, "treatment", view.id, region), after, polygon, plan[region], fade)
        for phase, pores in (("before", scene.pores), ("after", after)):
            photos.append(take(out, phase, view, scene, pores, rng_for(seed, "capture", phase, view.id), card))
            for region, polygon in view.regions.items():
                density = per_cm2(pores, polygon, view.px_per_mm)
                truth.append({"phase": phase, "region": region, "pores_per_cm2": round(density, 2)})
            print(f"rendered {phase} {view.id} ({time.monotonic() - started:.0f} s)", flush=True)
    planted = [{"metric": "pores", "region": region, "removed_share": share} for region, share in plan.items()]
    photos.sort(key=lambda p: p["phase"], reverse=True)
    result = {"seed": seed, "photos": photos, "planted": planted, "truth": truth}
    (out / "planted.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description="render a demonstration visit with a known change")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plan", help="removed share of pores by region: nose=0.3,left_cheek=0.1")
    parser.add_argument("--no-change", action="store_true", help="an after picture of unchanged skin")
    parser.add_argument("--fade", type=float, default=0.0, help="share of contrast the remaining pores of a planned region lose")
    parser.add_argument("--card", action="store_true", help="a grey card beside the face")
    arguments = parser.parse_args()
    plan = plan_from(arguments)
    digest = digest_of(arguments.seed, plan, arguments.fade, arguments.card)
    if already_there(arguments.out, digest):
        print(f"{arguments.out}: already rendered")
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / STAMP).unlink(missing_ok=True)         # a broken-off run must not look finished
    render(arguments.out, arguments.seed, plan, arguments.fade, arguments.card)
    (arguments.out / STAMP).write_text(digest, encoding="utf-8")


if __name__ == "__main__":
    main()
