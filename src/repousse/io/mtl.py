"""The text of material files of OBJ models (MTL), as it stands."""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

_NUMBERS = {"kd": 3, "ke": 3, "ks": 3, "d": 1, "tr": 1, "ns": 1, "pr": 1, "pm": 1, "illum": 1}
_MAPS = ("map_kd", "map_d", "map_ke", "map_pr", "map_pm", "norm", "map_bump")
_OTHER_MAPS = ("map_", "disp", "decal", "refl")
_LONGEST = 4096  # letters in a line; the time that options take grows with the square
# How many words follow an option of a map: (at least, at most); beyond the least only numbers count.
_OPTIONS = {
    "-s": (1, 3), "-o": (1, 3), "-t": (1, 3), "-mm": (2, 2), "-bm": (1, 1), "-boost": (1, 1), "-texres": (1, 1),
    "-clamp": (1, 1), "-blendu": (1, 1), "-blendv": (1, 1), "-cc": (1, 1), "-imfchan": (1, 1), "-type": (1, 1),
}  # fmt: skip


@dataclass(frozen=True)
class Map:
    """A picture, and how it lies on the surface.

    file      as the line names it
    scale     (u, v)  -s: uv are multiplied by it
    offset    (u, v)  -o: added to uv after that
    clamp     -clamp: the picture does not repeat
    strength  -bm
    channel   -imfchan: "r", "g", "b", "m" (matte: alpha), "l" (luminance), or "" for the usual one
    """

    file: str
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)
    clamp: bool = False
    strength: float = 1.0
    channel: str = ""


@dataclass
class Block:
    """What stands between one newmtl and the next.

    folder   of the file, which the names of pictures are relative to
    numbers  keyword in lower case -> its numbers
    maps     keyword in lower case -> the picture; "bump" is "map_bump"
    """

    name: str
    folder: Path
    numbers: dict[str, tuple[float, ...]] = field(default_factory=dict)
    maps: dict[str, Map] = field(default_factory=dict)


def parse_mtl(text: str, folder: Path) -> tuple[list[Block], list[str]]:
    """The materials of a file, and notes on lines that cannot be read or name a picture of no known use.

    Keywords count in any case; a line that comes twice counts the second time; a material that comes twice is
    completed. Comments need a blank before them. Lines of other lighting models (Ka, Ni, Tf, sharpness, ...)
    are passed over.
    """
    blocks: dict[str, Block] = {}
    block, notes = None, []
    for line in text.split("\n"):
        line = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()
        keyword, rest = _first(line)
        key = keyword.lower().replace("map_kn", "norm")
        key = "map_bump" if key == "bump" else key
        if key == "newmtl":
            block = blocks.setdefault(rest, Block(rest, folder))
        elif block is None or not key:
            continue
        elif key in _NUMBERS and (numbers := _numbers(rest, _NUMBERS[key])) is not None:
            block.numbers[key] = numbers
        elif key in _MAPS and (found := _map(rest)) is not None:
            block.maps[key] = found
        elif key in _NUMBERS or key in _MAPS:
            notes.append(f"{line[:80]!r} of material {block.name!r} was not understood")
        elif key.startswith(_OTHER_MAPS):
            notes.append(f"{keyword[:80]} of material {block.name!r} was not loaded")
    return list(blocks.values()), notes


def _numbers(text: str, count: int) -> tuple[float, ...] | None:
    words = text.split()
    if words[:1] == ["-halo"]:  # of d
        words = words[1:]
    try:
        numbers = tuple(float(word) for word in words[:count])
    except ValueError:
        return None
    if len(numbers) == 1:
        numbers *= count  # a single number is a grey
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None


def _map(text: str) -> Map | None:
    """Options, then the name of the picture, which may have blanks."""
    if len(text) > _LONGEST:
        return None
    options: dict[str, list[str]] = {}
    word, rest = _first(text)
    while word.lower() in _OPTIONS:
        option, values = word.lower(), []
        least, most = _OPTIONS[option]
        word, after = _first(rest)
        while word and len(values) < most and (len(values) < least or _is_number(word)):
            values.append(word)
            rest = after
            word, after = _first(rest)
        options[option] = values
        text = rest
        word, rest = _first(text)
    name = text.strip().strip('"')
    try:
        scale = [float(value) for value in options.get("-s", [])] + [1.0, 1.0]
        offset = [float(value) for value in options.get("-o", [])] + [0.0, 0.0]
        strength = float(options.get("-bm", ["1"])[0])
    except (ValueError, IndexError):
        return None
    if not name or not all(map(math.isfinite, (*scale, *offset, strength))):
        return None
    clamp = options.get("-clamp", [""])[:1] == ["on"]
    channel = "".join(options.get("-imfchan", [])).lower()
    return Map(name, (scale[0], scale[1]), (offset[0], offset[1]), clamp, strength, channel)


def _first(text: str) -> tuple[str, str]:
    """The first word, and what follows it."""
    words = [*text.split(None, 1), "", ""]
    return words[0], words[1]


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
