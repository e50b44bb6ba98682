"""The graphs under ONNX Runtime, on bytes as the gateway feeds them."""

import numpy as np
import onnxruntime

onnxruntime.set_default_logger_severity(3)


class Graph:
    def __init__(self, source, threads=1):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        source = source if isinstance(source, bytes) else str(source)
        self.session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])

    def all(self, pixels):
        """Every output [C, H, W] of sRGB bytes [H, W, 3]; sides that are no multiple of 8 repeat the border."""
        rows, cols = pixels.shape[:2]
        padded = np.pad(pixels, ((0, -rows % 8), (0, -cols % 8), (0, 0)), mode="edge")
        tensor = padded.astype(np.float32).transpose(2, 0, 1)[None] * np.float32(0.003921569)
        return [out[0] for out in self.session.run(None, {"image": tensor})]

    def maps(self, pixels):
        """The first output, cut to the picture."""
        return self.all(pixels)[0][:, : pixels.shape[0], : pixels.shape[1]]
