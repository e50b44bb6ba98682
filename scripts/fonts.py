#!/usr/bin/env python3
"""The fonts of the printed report, cut to what is written with them, from the distribution's packages. `scripts/setup.sh` calls it.

What every report is written with (`sans-*`) holds the 8,105 characters of the standard list (kTGH of the Unihan database), the
frequent ones of Big5 (its first level) and what stands between them. `serif-bold` writes the one headline and holds what is usual in
one: the first level of GB 2312 and the traditional forms of its characters; a headline with any other is set in `sans-bold`. Every
other character of the same fonts is in `more-*`, which is opened only for a report that needs it, as are the scripts and pictures of
`other-*`. Beside the fonts lie the two lists, one character a line, for the test that writes each of them.

    scripts/fonts.py FOLDER
"""

import bz2
import shutil
import sys
from pathlib import Path

import uharfbuzz as hb

UNIHAN = Path("/usr/share/unicode")
CJK = Path("/usr/share/fonts/opentype/noto")
# In the collections the faces stand in the order JP, KR, SC, TC, HK; the forms of the others are in each, by language.
SIMPLIFIED = 2
NOTO = Path("/usr/share/fonts/truetype/noto")
# The first is Latin as the whole world writes it, Łódź too.
SCRIPTS = ["", "Arabic", "Hebrew", "Thai", "Devanagari", "Symbols2"]

# What stands between Chinese characters: Latin with its marks, Greek, Cyrillic, punctuation, signs, kana, full-width forms.
BETWEEN = [
    (0x20, 0x7E), (0xA0, 0x17F), (0x1CD, 0x1DC), (0x2C6, 0x2DD), (0x370, 0x3FF), (0x400, 0x45F), (0x1E00, 0x1EFF),
    (0x2010, 0x2027), (0x2030, 0x205E), (0x2070, 0x209F), (0x20A0, 0x20BF), (0x2100, 0x218F), (0x2190, 0x21FF),
    (0x2200, 0x22FF), (0x2460, 0x24FF), (0x2500, 0x257F), (0x25A0, 0x266F), (0x3000, 0x30FF), (0x3105, 0x312F),
    (0x3220, 0x3243), (0x3280, 0x32B0), (0x3300, 0x33FF), (0xFE30, 0xFE4F), (0xFF01, 0xFFEE),
]


def characters(field: str) -> dict[int, str]:
    """Code points that have this field in the Unihan database, with its value."""
    found = {}
    for path in sorted(UNIHAN.glob("Unihan_*.txt.bz2")):
        with bz2.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                parts = line.rstrip("\n").split("\t")
                if len(parts) == 3 and parts[1] == field:
                    found[int(parts[0][2:], 16)] = parts[2]
    return found


def cut(collection: Path, wanted, into: Path) -> None:
    """Writes the simplified face of `collection` with the characters that `wanted` takes out of those it has."""
    face = hb.Face(hb.Blob.from_file_path(str(collection)), SIMPLIFIED)
    asked = hb.SubsetInput()
    asked.unicode_set.update(wanted(set(face.unicodes)))
    asked.flags = hb.SubsetFlags.NO_HINTING
    for feature in (b"palt", b"pwid"):
        asked.layout_feature_tag_set.add(int.from_bytes(feature, "big"))
    part = into.with_suffix(".part")
    part.write_bytes(hb.subset(face, asked).blob.data)
    part.rename(into)


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    standard = set(characters("kTGH"))
    traditional = {code for code, place in characters("kBigFive").items() if place <= "C67E"}
    if len(standard) != 8105 or len(traditional) < 5401:
        sys.exit(f"the Unihan database of this system has {len(standard)} standard and {len(traditional)} traditional characters")
    for name, codes in (("standard.txt", standard), ("traditional.txt", traditional)):
        (folder / name).write_text("".join(f"{chr(code)}\n" for code in sorted(codes)), encoding="utf-8")
    between = {code for low, high in BETWEEN for code in range(low, high + 1)}
    usual = standard | traditional | between
    first = {code for code, place in characters("kGB0").items() if 16 <= int(place[:2]) <= 55}
    forms = characters("kTraditionalVariant")
    headlines = first | between | {int(form[2:], 16) for code in first & forms.keys() for form in forms[code].split()}
    for weight in ("Regular", "Bold"):
        collection = CJK / f"NotoSansCJK-{weight}.ttc"
        cut(collection, lambda there: there & usual, folder / f"sans-{weight.lower()}.otf")
        cut(collection, lambda there: there - usual, folder / f"more-{weight.lower()}.otf")
    cut(CJK / "NotoSerifCJK-Bold.ttc", lambda there: there & headlines, folder / "serif-bold.otf")
    for script in SCRIPTS:
        for weight in ("Regular", "Bold"):
            source = NOTO / f"NotoSans{script}-{weight}.ttf"
            if source.exists():
                shutil.copyfile(source, folder / f"other-{(script or 'Latin').lower()}-{weight.lower()}.ttf")
    shutil.copyfile(NOTO / "NotoColorEmoji.ttf", folder / "other-emoji.ttf")
    shutil.copyfile("/usr/share/doc/fonts-noto-cjk/copyright", folder / "LICENCE")


main()
