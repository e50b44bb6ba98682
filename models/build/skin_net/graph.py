"""The network of network.py as an ONNX graph, node by node from the averaged weights; batch normalisation folded in.

    image [1, 3, H, W] RGB 0..1  ->  maps [1, 5, H, W], logits; H and W multiples of 8

Written by hand so that the file is the same byte for byte on every run, carries names a person can read, and needs no
training library. The temperatures of the sigmoids are folded into the last convolution.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

DARK, SPREAD_FLOOR = 0.02, 0.004        # as in network.py
BINOMIAL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]).astype(np.float32) / 256
MAPS = ["pore", "centre", "wrinkle", "spot", "shine"]


class Builder:
    def __init__(self):
        self.nodes, self.constants, self.made = [], [], set()

    def constant(self, name, value, kind=np.float32):
        if name not in self.made:
            self.made.add(name)
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=kind), name))
        return name

    def node(self, operator, inputs, output, **attributes):
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def conv(self, source, output, weight, bias, **attributes):
        names = [source, self.constant(f"{output}.weight", weight), self.constant(f"{output}.bias", bias)]
        return self.node("Conv", names, output, kernel_shape=list(weight.shape[2:]), **attributes)

    def resize(self, source, output, times):
        scales = self.constant(f"times_{times}", [1, 1, times, times])
        return self.node("Resize", [source, "", scales], output, mode="linear", coordinate_transformation_mode="half_pixel")

    def slow(self, source, output, channels):
        cells = self.node("AveragePool", [source], f"{output}.cells", kernel_shape=[8, 8], strides=[8, 8])
        pads = self.constant("cell_border", [0, 0, 4, 4, 0, 0, 4, 4], np.int64)
        padded = self.node("Pad", [cells, pads], f"{output}.bordered", mode="edge")
        taps = np.repeat(BINOMIAL[None, None], channels, axis=0)
        names = [padded, self.constant(f"binomial_{channels}", taps)]
        return self.node("Conv", names, output, kernel_shape=[5, 5], dilations=[2, 2], group=channels)


def folded(weights, name):
    """Weight and bias of a convolution with the batch normalisation after it."""
    scale = weights[f"{name}.1.weight"] / np.sqrt(weights[f"{name}.1.running_var"] + 1e-5)
    return weights[f"{name}.0.weight"] * scale[:, None, None, None], weights[f"{name}.1.bias"] - weights[f"{name}.1.running_mean"] * scale


def normal(b):
    light = b.node("Log", [b.node("Add", ["image", b.constant("dark", DARK)], "normal.lifted")], "normal.light")
    mean = b.slow(light, "normal.mean", 3)
    change = b.node("Sub", [light, b.resize(mean, "normal.large", 8)], "normal.change")
    axis = b.constant("channel_axis", [1], np.int64)

    def channel(source, nth, output):
        return b.node("Slice", [source, b.constant(f"n{nth}", [nth], np.int64), b.constant(f"n{nth + 1}", [nth + 1], np.int64), axis], output)

    green = channel(change, 1, "normal.green")
    square = b.slow(b.node("Mul", [green, green], "normal.square"), "normal.power", 1)
    spread = b.node("Sqrt", [b.node("Add", [square, b.constant("tiny", 1e-8)], "normal.positive")], "normal.spread")
    divisor = b.node("Add", [b.resize(spread, "normal.spread_large", 8), b.constant("floor", SPREAD_FLOOR)], "normal.divisor")
    relative = b.node("Clip", [b.node("Div", [green, divisor], "normal.relative"), b.constant("low", -6), b.constant("high", 6)], "normal.clipped")
    four = b.node("Mul", [change, b.constant("four", 4)], "normal.change4")
    red, mid, blue = (channel(mean, k, f"normal.mean{k}") for k in range(3))
    colour = b.node("Concat", [b.node("Sub", [red, mid], "normal.warm"), b.node("Sub", [mid, blue], "normal.yellow")], "normal.colour", axis=1)
    return b.node("Concat", [four, relative], "normal.all", axis=1), colour


def by_place(weight):
    """SpaceToDepth orders by place first, the training's unshuffling by channel first: the weights are turned instead."""
    outside, inside, high, wide = weight.shape
    return weight.reshape(outside, inside // 4, 4, high, wide).transpose(0, 2, 1, 3, 4).reshape(weight.shape)


def graph(weights, temperature=(1, 1, 1, 1, 1), offset=(0, 0, 0, 0, 0)):
    b = Builder()
    x, colour = normal(b)
    x = b.node("SpaceToDepth", [x], "unshuffled", blocksize=2)
    weights = {**weights, "top.0.0.weight": by_place(weights["top.0.0.weight"])}

    def step(source, name, **how):
        weight, bias = folded(weights, name)
        pads = [how.get("dilations", [1, 1])[0]] * 4
        return b.node("Relu", [b.conv(source, f"{name}.conv", weight, bias, pads=pads, **how)], name)

    def plain(source, name):
        return b.conv(source, name, weights[f"{name}.weight"], weights[f"{name}.bias"])

    top = step(step(x, "top.0"), "top.1")
    middle = step(step(step(top, "middle.0", strides=[2, 2]), "middle.1"), "middle.2")
    down = b.node("Add", [step(middle, "down", strides=[2, 2]), plain(colour, "colour")], "coloured")
    bottom = step(step(down, "bottom.0", dilations=[2, 2]), "bottom.1")
    middle = step(b.node("Add", [middle, b.resize(plain(bottom, "to_middle"), "to_middle.large", 2)], "middle.sum"), "middle_again")
    top = step(b.node("Add", [top, b.resize(plain(middle, "to_top"), "to_top.large", 2)], "top.sum"), "top_again")
    times = np.repeat(1 / np.asarray(temperature, np.float32), 4)
    shift = np.repeat(np.asarray(offset, np.float32), 4)
    head = b.conv(top, "head", weights["head.weight"] * times[:, None, None, None], weights["head.bias"] * times + shift)
    b.node("DepthToSpace", [head], "maps", blocksize=2, mode="CRD")
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "height", "width"])
    maps = helper.make_tensor_value_info("maps", TensorProto.FLOAT, [1, len(MAPS), "height", "width"])
    return helper.make_graph(b.nodes, "skin-net", [image], [maps], b.constants)


def model(weights, **calibration):
    made = helper.make_model(graph(weights, **calibration), opset_imports=[helper.make_opsetid("", 17)], producer_name="skinlink")
    made.ir_version = 8
    onnx.checker.check_model(made, full_check=True)
    return made
