"""One capture of a scene: pose, lens, light level, sensor noise, sRGB, JPEG.

Every capture is independent of every other, also of the one before it in the same visit. A rig places a head to about
one degree and one per cent, and its camera meters anew; a hand-held camera varies about three times as much.
"""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from geometry import CANVAS, HEIGHT, MARGIN, WIDTH
from noise import blur_small



@dataclass(frozen=True)
class Pose:
    """Where a canvas point lands in the photograph: turned and scaled about the middle, then shifted."""
    degrees: float
    scale: float
    shift: tuple
    canvas: tuple = CANVAS

    def forward(self, points):
        turn = np.deg2rad(self.degrees)
        matrix = self.scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        middle = np.array([self.canvas[1], self.canvas[0]]) / 2 - 0.5
        return (np.asarray(points) - middle) @ matrix.T + middle + np.array(self.shift) - MARGIN

    def backward(self):
        """The six numbers Pillow wants: photograph pixel (its corner at 0) to canvas pixel."""
        turn = np.deg2rad(-self.degrees)
        matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / self.scale
        middle = np.array([self.canvas[1], self.canvas[0]]) / 2
        offset = middle - matrix @ (middle + np.array(self.shift) - MARGIN)
        return (matrix[0, 0], matrix[0, 1], offset[0], matrix[1, 0], matrix[1, 1], offset[1])


@dataclass(frozen=True)
class Capture:
    pose: Pose
    gain: float
    tilt: tuple             # the light's slope over half the picture, right and down
    blur_px: float
    noise: float            # grey levels of 255, alike in light and shade (see `encode`)
    quality: int            # of the JPEG


def rig_capture(rng, canvas=CANVAS):
    pose = Pose(rng.uniform(-1, 1), 1 + rng.uniform(-0.01, 0.01), tuple(rng.uniform(-6, 6, 2)), canvas)
    return Capture(pose, 1 + rng.uniform(-0.03, 0.03), tuple(rng.uniform(-0.01, 0.01, 2)), rng.uniform(0.3, 0.5), 0.8, 95)


def hand_capture(rng, canvas):
    """A careless capture. Its turn may look past the margin of a whole face: for patches only."""
    pose = Pose(rng.uniform(-3, 3), 1 + rng.uniform(-0.04, 0.04), tuple(rng.uniform(-6, 6, 2)), canvas)
    return Capture(pose, 1 + rng.uniform(-0.1, 0.1), tuple(rng.uniform(-0.05, 0.05, 2)), rng.uniform(0.3, 0.9),
                   rng.uniform(0.8, 2.0), int(rng.integers(85, 96)))


def photograph(rng, scene, capture, size=(WIDTH, HEIGHT)):
    """The scene [rows, columns, 3] in linear light as sRGB bytes. `scene` is a list of three planes."""
    width, height = size
    coefficients = capture.pose.backward()
    across = 1 + capture.tilt[0] * np.linspace(-1, 1, width, dtype=np.float32)
    down = 1 + capture.tilt[1] * np.linspace(-1, 1, height, dtype=np.float32)
    light = (capture.gain * down[:, None] * across[None, :]).astype(np.float32)
    out = np.empty((height, width, 3), dtype=np.uint8)
    for channel in range(3):
        plane = Image.fromarray(scene[channel])
        turned = plane.transform(size, Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC)
        seen = blur_small(np.asarray(turned), capture.blur_px) * light
        value = encode(seen)
        value += capture.noise / 255 * rng.standard_normal(value.shape, dtype=np.float32)
        out[..., channel] = np.clip(value * 255 + 0.5, 0, 255)
    return out


_CURVE = np.linspace(0, 1, 65536)
_CURVE = np.where(_CURVE <= 0.0031308, 12.92 * _CURVE, 1.055 * _CURVE ** (1 / 2.4) - 0.055).astype(np.float32)


def encode(linear):
    """sRGB values 0..1 from linear light. Close to a square root, which makes shot noise nearly even."""
    return _CURVE[np.clip(linear * 65535, 0, 65535).astype(np.uint16)]


def jpeg(pixels, taken, quality):
    """JPEG bytes with the metadata a camera writes, so that stripping it has something to strip."""
    picture = Image.fromarray(pixels)
    exif = picture.getexif()
    exif[0x010F], exif[0x0110] = "skinlink", "rendered face"
    exif[0x0112] = 1                                    # orientation: upright
    exif[0x0131], exif[0x0132] = "render_demo", taken
    details = exif.get_ifd(0x8769)
    details[0x9003], details[0x9004] = taken, taken
    details[0x829A], details[0x829D], details[0x8827] = 1 / 125, 8.0, 100
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, subsampling=0, exif=exif, optimize=False)
    data = buffer.getvalue()
    return data, hashlib.sha256(data).hexdigest()
