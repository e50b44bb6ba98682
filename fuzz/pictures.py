"""Small pictures for the fuzzer's corpus, of every kind that the decoders know: fuzz/pictures.py, with Pillow (make setup)."""

from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).parent / "corpus" / "picture"
SIZE = (40, 32)


def drawn(channels):
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    planes = [128 + 90 * np.sin(x / (3 + c) + c) * np.cos(y / (5 - c % 3)) for c in range(channels)]
    return np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    rgb, grey, rgba = Image.fromarray(drawn(3)), Image.fromarray(drawn(1)[..., 0]), Image.fromarray(drawn(4))
    exif = rgb.getexif()
    exif[0x0112] = 6
    for name, picture, how in [
        ("rgb.jpg", rgb, {"quality": 80}),
        ("full.jpg", rgb, {"quality": 92, "subsampling": 0}),
        ("progressive.jpg", rgb, {"quality": 80, "progressive": True}),
        ("turned.jpg", rgb, {"quality": 60, "exif": exif}),
        ("grey.jpg", grey, {"quality": 70}),
        ("cmyk.jpg", rgb.convert("CMYK"), {"quality": 70}),
        ("rgb.png", rgb, {}),
        ("grey.png", grey, {}),
        ("rgba.png", rgba, {}),
        ("palette.png", rgb.convert("P", palette=Image.Palette.ADAPTIVE, colors=16), {}),
        ("one-bit.png", grey.convert("1"), {}),
        ("lossless.webp", rgb, {"lossless": True}),
        ("lossy.webp", rgb, {"quality": 70}),
        ("alpha.webp", rgba, {"quality": 70}),
        ("turned.webp", rgb, {"quality": 50, "exif": exif}),
    ]:
        picture.save(FOLDER / name, **how)


if __name__ == "__main__":
    main()
