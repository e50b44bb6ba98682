"""Builds models/pores-dog/model.onnx: dark-blob response of the green channel. Fixed weights, nothing trained.

    image [1,3,H,W] RGB 0..1 ──▶ response [1,1,H,W], contrast [1,1,H,W]        H and W multiples of 8, 13 px/mm

Method, by published names: difference of Gaussians (Marr and Hildreth 1980; Lowe 2004 for the 1.6 ratio) as blob
detector, on log reflectance, divided by the local spread (local contrast normalisation, Jarrett et al. 2009).
Nodes in order:
  green    Slice + Add + Log   log of green: haemoglobin makes pores darkest there; a brighter exposure is an offset
  border   Pad (edge)          the border repeated, so that the picture's end is not a dark edge
  narrow   2 Conv              Gaussian, sigma 1.5 px: 0.3 of a pore's diameter of about 5 px
  wide     2 Conv              Gaussian, sigma 2.4 px
  blob     Sub                 wide - narrow: positive on dark blobs, zero on flat skin and on slopes
  spread   Abs, AveragePool 8, Conv (sigma 20 px), Resize: local mean of |blob|, times 1.2533 = the standard deviation
           if it were Gaussian. The mean of absolutes moves less than a root mean square when strong pores vanish.
  response Div                 blob / (spread + FLOOR): skin without texture must not turn sensor noise into pores
  contrast Relu, Mul           100 · blob where it is dark: per cent of log reflectance, undivided. Dividing by the spread
           hides that all pores have faded together; this does not, and pays with depending on the focus
"""

import hashlib
import re
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).resolve().parents[1] / "pores-dog"
NARROW, WIDE = 1.5, 2.4
SPREAD_PX, CELL = 20.0, 8
FLOOR = 0.002           # in log reflectance: a little above what sensor noise and JPEG leave in `blob`
DARK = 0.02             # added before the logarithm: black stays finite, shadows are not amplified without limit
BORDER = 12             # at least the reach of the wide Gaussian (10 px), in whole pixels


def gaussian(sigma, reach):
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return (taps / taps.sum()).astype(np.float32)


def graph():
    nodes, constants = [], []

    def constant(name, value, kind=np.float32):
        constants.append(numpy_helper.from_array(np.asarray(value, dtype=kind), name))
        return name

    def node(operator, inputs, output, **attributes):
        nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def gaussian_pair(source, name, sigma, reach):
        taps = gaussian(sigma, reach)
        column = constant(f"{name}_column", taps.reshape(1, 1, -1, 1))
        row = constant(f"{name}_row", taps.reshape(1, 1, 1, -1))
        down = node("Conv", [source, column], f"{name}_down", kernel_shape=[2 * reach + 1, 1])
        return node("Conv", [down, row], name, kernel_shape=[1, 2 * reach + 1])

    node("Slice", ["image", constant("one", [1], np.int64), constant("two", [2], np.int64), constant("axis", [1], np.int64)], "green")
    node("Add", ["green", constant("dark", DARK)], "lifted")
    node("Log", ["lifted"], "log_green")
    # Both Gaussians reach BORDER px so that they cut the same border off.
    pads = constant("border", [0, 0, BORDER, BORDER, 0, 0, BORDER, BORDER], np.int64)
    node("Pad", ["log_green", pads], "bordered", mode="edge")
    gaussian_pair("bordered", "narrow", NARROW, BORDER)
    gaussian_pair("bordered", "wide", WIDE, BORDER)
    node("Sub", ["wide", "narrow"], "blob")

    node("Abs", ["blob"], "size")
    node("AveragePool", ["size"], "cells", kernel_shape=[CELL, CELL], strides=[CELL, CELL])
    reach = 7                                            # 2.8 sigma of 2.5 cells
    pads = constant("cell_border", [0, 0, reach, reach, 0, 0, reach, reach], np.int64)
    node("Pad", ["cells", pads], "bordered_cells", mode="edge")
    gaussian_pair("bordered_cells", "slow_cells", SPREAD_PX / CELL, reach)
    scales = constant("enlarge", [1, 1, CELL, CELL])
    node("Resize", ["slow_cells", "", scales], "slow", mode="linear", coordinate_transformation_mode="half_pixel")
    node("Mul", ["slow", constant("to_deviation", 1.2533141)], "spread")
    node("Add", ["spread", constant("floor", FLOOR)], "divisor")
    node("Div", ["blob", "divisor"], "response")

    node("Relu", ["blob"], "dark_blob")
    node("Mul", ["dark_blob", constant("to_percent", 100.0)], "contrast")

    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "height", "width"])
    response = helper.make_tensor_value_info("response", TensorProto.FLOAT, [1, 1, "height", "width"])
    contrast = helper.make_tensor_value_info("contrast", TensorProto.FLOAT, [1, 1, "height", "width"])
    return helper.make_graph(nodes, "pores-dog", [image], [response, contrast], constants)


def model_bytes():
    """The file, byte for byte the same on every run: no times, no tool versions, nothing random."""
    model = helper.make_model(graph(), opset_imports=[helper.make_opsetid("", 17)], producer_name="skinlink")
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def set_digest(manifest, digest):
    text = manifest.read_text(encoding="utf-8")
    changed, times = re.subn(r'(?m)^sha256 = "[0-9a-f]*"', f'sha256 = "{digest}"', text)
    if times != 1:
        sys.exit(f"failed to set the digest: {manifest.name} has {times} lines `sha256 = …`, needs exactly one")
    if changed != text:
        manifest.write_text(changed, encoding="utf-8")


def main():
    data = model_bytes()
    digest = hashlib.sha256(data).hexdigest()
    (FOLDER / "model.onnx").write_bytes(data)
    set_digest(FOLDER / "manifest.toml", digest)
    print(f"model.onnx: {len(data)} bytes, sha256 {digest}")


if __name__ == "__main__":
    main()
