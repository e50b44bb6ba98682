"""Small pictures for the fuzzer's corpus, of every kind that the decoders know, and of some that the door must refuse or mend:
fuzz/pictures.py, with Pillow (make setup)."""

from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).parent / "corpus" / "picture"
SIZE = (40, 32)


def drawn(channels):
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    planes = [128 + 90 * np.sin(x / (3 + c) + c) * np.cos(y / (5 - c % 3)) for c in range(channels)]
    return np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)


def broken_exif(jpeg, block):
    """The JPEG with an EXIF block of these bytes behind its start."""
    content = b"Exif\0\0" + block
    return jpeg[:2] + b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content + jpeg[2:]


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
    Image.fromarray(drawn(1)[..., 0].astype(np.uint16) * 257).save(FOLDER / "sixteen-bit.png")
    moving = [rgb, rgb.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    for name in ("moving.png", "moving.webp"):
        moving[0].save(FOLDER / name, save_all=True, append_images=moving[1:], duration=100)
    jpeg = (FOLDER / "rgb.jpg").read_bytes()
    for name, block in [
        ("exif-loop.jpg", b"II*\0\x08\0\0\0\xff\xff"),
        ("exif-outside.jpg", b"MM\0*\xff\xff\xff\xff"),
        ("exif-short.jpg", b"MM\0"),
        ("exif-ninth.jpg", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x09\0\0\0\0\0\0"),
    ]:
        (FOLDER / name).write_bytes(broken_exif(jpeg, block))


if __name__ == "__main__":
    main()
