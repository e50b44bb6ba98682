"""Batches from shards: two captures of each scene, cropped, turned, rescaled and brightened alike."""

import numpy as np
import torch
import torch.nn.functional as F

from noise import rng_for
from skin_net import shards

CROP, SCENES = 128, 8
ORDER = (0, 2, 3, 4)            # which map each pair of bits is


class Batches:
    def __init__(self, paths):
        self.pictures, self.labels, _ = shards.load(paths)

    def __len__(self):
        return len(self.pictures)

    @staticmethod
    def unpacked(labels):
        """(maps, known) [n, 5, rows, columns] of render.packed bytes."""
        heat, bits = labels[:, 0], labels[:, 1]
        maps = np.zeros((len(labels), 5, *labels.shape[2:]), np.float32)
        known = np.ones_like(maps)
        known[:, 1] = heat < 255
        maps[:, 1] = np.where(heat < 255, heat, 0) / np.float32(254)
        for nth, name in enumerate(ORDER):
            maps[:, name] = (bits >> (2 * nth)) & 1
            known[:, name] = 1 - ((bits >> (2 * nth + 1)) & 1)
        return torch.from_numpy(maps), torch.from_numpy(known)

    def batch(self, step):
        """Images [16, 3, 128, 128] 0..1, maps and known [16, 5, 128, 128]; captures of one scene follow each other."""
        rng = rng_for(step, "batch")
        scale = float(np.exp(rng.uniform(np.log(0.75), np.log(1.33)))) if rng.random() < 0.7 else 1.0
        side = int(round(CROP / scale))
        side = min(side, self.pictures.shape[2])
        images, labels = [], []
        for nth in rng.integers(len(self), size=SCENES):
            y, x = rng.integers(0, self.pictures.shape[2] - side + 1, 2)
            turn, flip = int(rng.integers(4)), bool(rng.random() < 0.5)
            for which in (0, 1):
                picture = np.rot90(self.pictures[nth, which, y : y + side, x : x + side], turn)
                images.append(np.ascontiguousarray(picture[:, ::-1] if flip else picture).transpose(2, 0, 1))
            truth = np.rot90(self.labels[nth, :, y : y + side, x : x + side], turn, axes=(1, 2))
            labels.append(np.ascontiguousarray(truth[:, :, ::-1] if flip else truth))
        images = torch.from_numpy(np.stack(images).astype(np.float32) / 255)
        maps, known = self.unpacked(np.stack(labels))
        if side != CROP:
            images = F.interpolate(images, (CROP, CROP), mode="bilinear", align_corners=False, antialias=side > CROP)
            maps = F.interpolate(maps, (CROP, CROP), mode="bilinear", align_corners=False)
            known = F.interpolate(known, (CROP, CROP), mode="nearest")
            maps[:, list(ORDER)] = (maps[:, list(ORDER)] > 0.5).float()
        gain = torch.from_numpy(np.exp(0.06 * rng.standard_normal((len(images), 3, 1, 1)) + 0.12 * rng.standard_normal((len(images), 1, 1, 1))).astype(np.float32))
        images = (images * gain).clamp(0, 1)
        noise = torch.from_numpy((rng.uniform(0, 0.006, (len(images), 1, 1, 1)) * rng.standard_normal(images.shape)).astype(np.float32))
        return (images + noise).clamp(0, 1), maps.repeat_interleave(2, 0), known.repeat_interleave(2, 0)

    def whole(self, size):
        """Whole patches, first captures, in order."""
        for start in range(0, len(self), size):
            pictures = self.pictures[start : start + size, 0].transpose(0, 3, 1, 2)
            maps, known = self.unpacked(self.labels[start : start + size])
            yield torch.from_numpy(pictures.astype(np.float32) / 255), maps, known > 0.5
