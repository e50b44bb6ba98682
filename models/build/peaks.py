"""From a response map to pores: peaks, their density, and the paired share. Mirrors what the gateway does.

A peak is a cell above the threshold that equals the largest value of the window round it; the window is cut at the map's
edge. Two equal neighbours would count twice, which floating point makes rare enough to ignore.
"""

import numpy as np
import onnxruntime


class Model:
    """The graph under ONNX Runtime on one CPU thread."""

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def response(self, pixels):
        """Response [H, W] of sRGB bytes [H, W, 3]; H and W are cut to multiples of 8."""
        return self.maps(pixels)[0]

    def maps(self, pixels):
        """Response and contrast, [H, W] each."""
        rows, cols = pixels.shape[0] // 8 * 8, pixels.shape[1] // 8 * 8
        tensor = pixels[:rows, :cols].astype(np.float32).transpose(2, 0, 1)[None] * np.float32(0.003921569)
        return [found[0, 0] for found in self.session.run(["response", "contrast"], {"image": tensor})]


def window_maximum(field, window):
    """Largest value in the window round each cell."""
    half = window // 2
    padded = np.pad(field, half, constant_values=-np.inf)
    rows = np.max([padded[:, i : i + field.shape[1]] for i in range(window)], axis=0)
    return np.max([rows[i : i + field.shape[0]] for i in range(window)], axis=0)


def find(response, threshold, window=5):
    """Rows and columns of the peaks, in reading order."""
    return np.nonzero((response > threshold) & (response == window_maximum(response, window)))


def kept_share(rows, cols, after, limit, search=2):
    """Share of the peaks whose place in `after` still reaches `limit` within the search."""
    best = window_maximum(after, 2 * search + 1)
    r, c = np.round(rows).astype(int), np.round(cols).astype(int)
    there = (r >= 0) & (c >= 0) & (r < after.shape[0]) & (c < after.shape[1])
    return float((best[r[there], c[there]] > limit).mean()) if there.any() else float("nan")
