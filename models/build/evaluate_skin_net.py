"""Measures the skin network and writes the table of models/README.md.

    evaluate_skin_net.py [--only held,salon,tones,free,sensitivity,response,rig,hand,int8,fusion,verdicts-rig,verdicts-hand,time,face] [--share 0.1]
    evaluate_skin_net.py --table                     only the table again, from what was measured before
    evaluate_skin_net.py --annotated DIR --only face a look at the annotated photograph; every look is written down

Figures go to models/candidates/skin-net/measured.json, each part with the digest of the model it was measured on: a part of
another model is left out of the table. Thresholds are the manifest's, fixed on rendered patches.
"""

import argparse
import hashlib
import json
import sys
import tomllib
from pathlib import Path

import onnxruntime

import peaks as dog_peaks
from build_ridge import RULE
from build_skin_net import FOLDER, weights_of
from skin_net import face, graph, ridge, table, trials, verdicts
from skin_net.capture import hand, rig, salon
from skin_net.run import Graph

MEASURED = FOLDER / "measured.json"
LOOKS = FOLDER / "looks.tsv"
PARTS = ["held", "salon", "tones", "free", "sensitivity", "response", "rig", "hand", "int8", "fusion", "verdicts-rig", "verdicts-hand", "time", "face"]


def calibration():
    """Temperatures and thresholds as build_skin_net.py wrote them; the manifest holds the same thresholds."""
    return json.loads((FOLDER / "thresholds.json").read_text(encoding="utf-8"))


def main():
    parser = argparse.ArgumentParser(description="measure the skin network")
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of patches and pairs, for a quick look")
    parser.add_argument("--annotated", type=Path)
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    kept = json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.exists() else {}
    model = FOLDER / "model.onnx"
    digest = hashlib.sha256(model.read_bytes()).hexdigest()[:12]

    def many(usual):
        return max(2, round(usual * arguments.share))

    wanted = [] if arguments.table else arguments.only.split(",")
    unknown = [part for part in wanted if part not in PARTS]
    if unknown:
        sys.exit(f"failed to read --only: no part is called {unknown[0]}; there are {', '.join(PARTS)}")
    thresholds = {name: calibration()[name] for name in ("centre", "pore", "wrinkle", "spot", "shine")}
    dog_rule = tomllib.loads((FOLDER.parents[1] / "pores-dog" / "manifest.toml").read_text(encoding="utf-8"))["score"][0]
    net, dog = Graph(model), dog_peaks.Model(FOLDER.parents[1] / "pores-dog" / "model.onnx")
    lines = Graph(ridge.model().SerializeToString())

    def plain():
        fixed = calibration()
        return graph.model(weights_of(), temperature=fixed["temperature"], offset=fixed["offset"]).SerializeToString()

    measure = {
        "held": lambda: trials.held_out(net, thresholds, lines, RULE, dog, dog_rule, many(500)),
        "salon": lambda: trials.held_out(net, thresholds, lines, RULE, dog, dog_rule, many(500), salon),
        "tones": lambda: trials.tones(net, thresholds, many(60)),
        "free": lambda: trials.pore_free(net, thresholds, dog, dog_rule, many(100)),
        "sensitivity": lambda: trials.sensitivity(net, thresholds, many(60)),
        "response": lambda: trials.response(net, thresholds, many(60)),
        "rig": lambda: trials.retaken(net, thresholds, lines, RULE, rig, many(30)),
        "hand": lambda: trials.retaken(net, thresholds, lines, RULE, hand, many(30)),
        "int8": lambda: trials.same_as_plain(net, Graph(plain()), thresholds, many(80)),
        "fusion": lambda: trials.fusion(net, dog, many(100), many(120)),
        "verdicts-rig": lambda: verdicts.run(net, dog, thresholds, dog_rule["search_px"], rig, many(500), max(40, many(160))),
        "verdicts-hand": lambda: verdicts.run(net, dog, thresholds, dog_rule["search_px"], hand, many(500), max(40, many(160))),
        "time": lambda: trials.run_time({"int8": Graph(model, 2), "fp32": Graph(plain(), 2), "ridge": Graph(ridge.model().SerializeToString(), 2)}),
        "face": lambda: face.look(net, thresholds, arguments.annotated),
    }
    for part in wanted:
        if part == "face" and not arguments.annotated:
            print("face: left out, for no --annotated DIR was given")
            continue
        figures = measure[part]()
        if part == "face":
            face.write_down(LOOKS, model, thresholds["centre"], figures)
        kept[part] = {"model": digest, "runtime": onnxruntime.__version__, **figures}
        MEASURED.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        print(f"{part}: {json.dumps(figures)}", flush=True)
    table.write(FOLDER.parents[1] / "README.md", kept, digest)


if __name__ == "__main__":
    main()
