"""The network: normalisation, then a U-Net at half resolution. Needs torch; only training does.

    image [n, 3, H, W] RGB 0..1, H and W multiples of 8, 13 px/mm  ->  logits [n, 5, H, W] (labels.NAMES)

Normalisation makes a brighter exposure vanish: differences of the logarithm to its local mean, and green also divided by
its local spread. Colour, which says where gloss lies, enters as two slow ratios at the lowest level alone.
`graph.py` builds the same thing as an ONNX file from the trained weights; `build_skin_net.py` holds the two together.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

WIDTHS = (24, 40, 72)
DARK = 0.02
SPREAD_FLOOR = 0.004
MAPS = 5
BINOMIAL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]).astype(np.float32) / 256


class Normal(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("taps", torch.from_numpy(BINOMIAL)[None, None], persistent=False)

    def slow(self, x):
        """Local mean over some 16 px, on the grid of 8 px cells."""
        cells = F.avg_pool2d(x, 8)
        channels = cells.shape[1]
        padded = F.pad(cells, (4, 4, 4, 4), mode="replicate")
        return F.conv2d(padded, self.taps.expand(channels, 1, 5, 5), groups=channels, dilation=2)

    @staticmethod
    def large(cells):
        return F.interpolate(cells, scale_factor=8, mode="bilinear", align_corners=False)

    def forward(self, image):
        light = torch.log(image + DARK)
        mean = self.slow(light)
        change = light - self.large(mean)
        green = change[:, 1:2]
        spread = torch.sqrt(self.slow(green * green) + 1e-8)
        relative = green / (self.large(spread) + SPREAD_FLOOR)
        colour = torch.cat([mean[:, 0:1] - mean[:, 1:2], mean[:, 1:2] - mean[:, 2:3]], 1)
        return torch.cat([4 * change, relative.clamp(-6, 6)], 1), colour


def step(inside, outside, **how):
    return nn.Sequential(nn.Conv2d(inside, outside, 3, bias=False, padding=how.get("dilation", 1), **how), nn.BatchNorm2d(outside), nn.ReLU(inplace=True))


class SkinNet(nn.Module):
    def __init__(self):
        super().__init__()
        a, b, c = WIDTHS
        self.normal = Normal()
        self.top = nn.Sequential(step(16, a), step(a, a))
        self.middle = nn.Sequential(step(a, b, stride=2), step(b, b), step(b, b))
        self.down = step(b, c, stride=2)
        self.colour = nn.Conv2d(2, c, 1)
        self.bottom = nn.Sequential(step(c, c, dilation=2), step(c, c))
        self.to_middle, self.to_top = nn.Conv2d(c, b, 1), nn.Conv2d(b, a, 1)
        self.middle_again, self.top_again = step(b, b), step(a, a)
        self.head = nn.Conv2d(a, MAPS * 4, 1)
        nn.init.constant_(self.head.bias, -2.5)

    def body(self, x, colour):
        top = self.top(F.pixel_unshuffle(x, 2))
        middle = self.middle(top)
        bottom = self.bottom(self.down(middle) + self.colour(colour))
        middle = self.middle_again(middle + F.interpolate(self.to_middle(bottom), scale_factor=2, mode="bilinear", align_corners=False))
        top = self.top_again(top + F.interpolate(self.to_top(middle), scale_factor=2, mode="bilinear", align_corners=False))
        return top

    def forward(self, image):
        with torch.autocast("cpu", enabled=False):
            x, colour = self.normal(image.float())
        top = self.body(x.contiguous(memory_format=torch.channels_last), colour)
        with torch.autocast("cpu", enabled=False):
            return F.pixel_shuffle(self.head(top.float()), 2)


def parameters(net):
    return sum(p.numel() for p in net.parameters())
