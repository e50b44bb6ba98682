"""Wrinkles without training: a multi-scale Hessian as a fixed-weight ONNX graph, to hold the network against.

    image [1, 3, H, W] RGB 0..1  ->  line [1, 1, H/2, W/2]: dark ridges, log light times scale squared

Method, by published names: second derivatives of a Gaussian (Lindeberg 1998), of their two eigenvalues the larger one less
the smaller one's size (after Frangi et al. 1998: a pore bends both ways, a line one), the largest of three scales; at
half resolution, since fine relief at full resolution answers everywhere; divided by its local mean. Then the support of
straight neighbours: the largest mean along 12 directions less the mean of all, which dots and grain lack.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper

from skin_net.graph import Builder

SCALES = (1.0, 1.7, 2.8)        # px at half resolution: lines of 2 to 6 px across
BLOB = 1.0                      # how strongly bending the other way counts against
DARK, FLOOR = 0.02, 0.004
DIRECTIONS, LENGTH, ACROSS = 12, 19, 0.8


def second_derivatives(sigma):
    """[3, 1, n, n]: along x, along y, mixed."""
    reach = int(np.ceil(3.2 * sigma))
    t = np.arange(-reach, reach + 1)
    g = np.exp(-0.5 * (t / sigma) ** 2)
    g /= g.sum()
    first, second = -t / sigma**2 * g, (t**2 / sigma**4 - 1 / sigma**2) * g
    second -= second.mean()
    kernels = np.stack([np.outer(g, second), np.outer(second, g), np.outer(first, first)])
    return (kernels * sigma**2)[:, None].astype(np.float32), reach


def directions():
    """[12, 1, n, n]: a mean along a short line in each direction."""
    reach = LENGTH // 2 + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(float)
    kernels = []
    for nth in range(DIRECTIONS):
        turn = np.pi * nth / DIRECTIONS
        along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        line = np.exp(-0.5 * (across / ACROSS) ** 2) * np.exp(-0.5 * (along / (LENGTH / 3)) ** 2)
        kernels.append(line / line.sum())
    return np.stack(kernels)[:, None].astype(np.float32), reach


def model():
    b = Builder()
    axis = b.constant("channel_axis", [1], np.int64)
    green = b.node("Slice", ["image", b.constant("n1", [1], np.int64), b.constant("n2", [2], np.int64), axis], "green")
    light = b.node("Log", [b.node("Add", [green, b.constant("dark", DARK)], "lifted")], "light")
    half = b.node("AveragePool", [light], "half", kernel_shape=[2, 2], strides=[2, 2])
    found = []
    for nth, sigma in enumerate(SCALES):
        kernels, reach = second_derivatives(sigma)
        pads = b.constant(f"border{nth}", [0, 0, reach, reach, 0, 0, reach, reach], np.int64)
        bent = b.node("Conv", [b.node("Pad", [half, pads], f"bordered{nth}", mode="edge"), b.constant(f"kernels{nth}", kernels)], f"bent{nth}")
        xx, yy, xy = (b.node("Slice", [bent, b.constant(f"n{k}", [k], np.int64), b.constant(f"n{k + 1}", [k + 1], np.int64), axis], f"h{k}.{nth}") for k in range(3))
        mean = b.node("Mul", [b.node("Add", [xx, yy], f"trace{nth}"), b.constant("a_half", 0.5)], f"mean{nth}")
        part = b.node("Mul", [b.node("Sub", [xx, yy], f"unlike{nth}"), b.constant("a_half", 0.5)], f"part{nth}")
        square = b.node("Add", [b.node("Mul", [part, part], f"part2{nth}"), b.node("Mul", [xy, xy], f"xy2{nth}")], f"square{nth}")
        radius = b.node("Sqrt", [b.node("Add", [square, b.constant("tiny", 1e-12)], f"positive{nth}")], f"radius{nth}")
        large = b.node("Add", [mean, radius], f"large{nth}")
        small = b.node("Abs", [b.node("Sub", [mean, radius], f"small{nth}")], f"size{nth}")
        line = b.node("Sub", [large, b.node("Mul", [small, b.constant("blob", BLOB)], f"other{nth}")], f"line{nth}")
        found.append(b.node("Relu", [line], f"ridge{nth}"))
    strongest = b.node("Max", found, "strongest")
    cells = b.node("AveragePool", [strongest], "cells", kernel_shape=[33, 33], strides=[1, 1], pads=[16] * 4, count_include_pad=0)
    relative = b.node("Div", [strongest, b.node("Add", [cells, b.constant("floor", FLOOR)], "divisor")], "relative")
    kernels, reach = directions()
    supports = b.node("Conv", [relative, b.constant("directions", kernels)], "supports", pads=[reach] * 4)
    best = b.node("ReduceMax", [supports], "best", axes=[1], keepdims=1)
    every = b.node("ReduceMean", [supports], "every", axes=[1], keepdims=1)
    b.node("Sub", [best, every], "line")
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "height", "width"])
    line = helper.make_tensor_value_info("line", TensorProto.FLOAT, [1, 1, "rows", "columns"])
    made = helper.make_model(helper.make_graph(b.nodes, "ridge", [image], [line], b.constants), opset_imports=[helper.make_opsetid("", 17)], producer_name="skinlink")
    made.ir_version = 8
    onnx.checker.check_model(made, full_check=True)
    return made
