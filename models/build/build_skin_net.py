"""Builds models/candidates/skin-net/model.onnx from the trained weights: calibrated, quantised, thresholds fixed on rendered patches.

    build_skin_net.py                     from skin_net/weights.npz, which training wrote
    build_skin_net.py --run DIR           takes DIR/weights.npz into the project first

The body runs in 8 bits (weights in 7, so that processors without VNNI do not overflow and give the same answer);
normalisation and the last convolution stay in 32. Needs no training library. The same weights give the same file.
"""

import argparse
import hashlib
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from skin_net import calibrate, graph
from skin_net.render import sample
from skin_net.run import Graph

FOLDER = Path(__file__).resolve().parents[1] / "candidates" / "skin-net"
WEIGHTS = Path(__file__).resolve().parent / "skin_net" / "weights.npz"
RANGES_FROM = 24        # patches whose activations set the ranges of the 8 bits


class Reader(CalibrationDataReader):
    def __init__(self, samples):
        self.left = iter(samples)

    def get_next(self):
        made = next(self.left, None)
        if made is None:
            return None
        return {"image": made.pictures[1].astype(np.float32).transpose(2, 0, 1)[None] * np.float32(0.003921569)}


def weights_of(path=WEIGHTS):
    with np.load(path) as kept:
        return {name: kept[name] for name in kept.files}


def quantised(model, samples):
    """The model with its body in 8 bits, as bytes."""
    outside = [n.name for n in model.graph.node if n.name.startswith(("normal.", "colour")) or n.name in ("head", "unshuffled", "maps")]
    with tempfile.TemporaryDirectory() as folder:
        plain, small = Path(folder) / "plain.onnx", Path(folder) / "small.onnx"
        plain.write_bytes(model.SerializeToString(deterministic=True))
        quantize_static(
            str(plain), str(small), Reader(samples), quant_format=QuantFormat.QDQ, op_types_to_quantize=["Conv", "Relu", "Add", "Resize"],
            per_channel=True, reduce_range=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, nodes_to_exclude=outside,
            extra_options={"ActivationSymmetric": False})
        made = onnx.load(str(small))
    made.producer_name, made.producer_version, made.ir_version = "skinlink", "", 8
    del made.metadata_props[:]
    return made.SerializeToString(deterministic=True)


def set_value(text, after, key, value):
    """The manifest with `key = value` in the first place behind `after`."""
    start = text.index(after)
    changed, times = re.subn(rf"(?m)^{key} = \S+", f"{key} = {value}", text[start:], count=1)
    if times != 1:
        sys.exit(f"failed to write the manifest: behind {after!r} there is no line `{key} = …`")
    return text[:start] + changed


def samples_for_calibration(count=calibrate.COUNT):
    made = []
    for seed in range(calibrate.FIRST, calibrate.FIRST + count):
        made.append(sample(seed))
        if (seed + 1) % 20 == 0:
            print(f"rendered {seed + 1 - calibrate.FIRST} of {count} patches", file=sys.stderr, flush=True)
    return made


def main():
    parser = argparse.ArgumentParser(description="build the skin network's file from its weights")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--count", type=int, default=calibrate.COUNT)
    arguments = parser.parse_args()
    if arguments.run:
        shutil.copyfile(arguments.run / "weights.npz", WEIGHTS)
    weights = weights_of()
    samples = samples_for_calibration(arguments.count)
    raw = Graph(graph.model(weights).SerializeToString())
    temperature, offset = calibrate.of_maps(raw, samples)
    print("temperatures " + " ".join(f"{t:.3f}" for t in temperature) + ", offsets " + " ".join(f"{o:+.3f}" for o in offset))
    data = quantised(graph.model(weights, temperature=temperature, offset=offset), samples[:RANGES_FROM])
    best = calibrate.thresholds(Graph(data), samples)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "model.onnx").write_bytes(data)
    manifest = FOLDER / "manifest.toml"
    text = manifest.read_text(encoding="utf-8")
    text = set_value(text, "\nfile = ", "sha256", f'"{hashlib.sha256(data).hexdigest()}"')
    for metric, name in (("pore-density", "centre"), ("pore-area", "pore"), ("wrinkles", "wrinkle"), ("spots", "spot"), ("shine", "shine")):
        threshold, value, _, _ = best[name]
        print(f"{metric}: threshold {threshold} (F1 {value:.3f} on these {len(samples)} patches)")
        if f'metric = "{metric}"' in text:
            text = set_value(text, f'metric = "{metric}"', "threshold", threshold)
    manifest.write_text(text, encoding="utf-8")
    kept = {"patches": len(samples), "temperature": [float(t) for t in temperature], "offset": [float(o) for o in offset], **{name: found[0] for name, found in best.items()},
            "f1_on_calibration": {name: round(found[1], 4) for name, found in best.items()}}
    (FOLDER / "thresholds.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(f"model.onnx: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
