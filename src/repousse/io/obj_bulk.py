"""OBJ text of the usual kind, parsed all lines of a kind at once.

Usual means: no negative indices, no comments behind numbers, as many numbers in each line of a kind. That is
what programs write, and ten times as fast as line by line. For anything else `parse_bulk` gives up and says
nothing about it; the careful `parse_lines` then reads the file again and knows the line of each error.
"""

import warnings

import numpy as np

from .obj_text import ObjText, Statements

_V, _VT, _VN, _F, _SKIP = range(1, 6)  # kinds of lines; 0: any other
_KEYS = {_V: b"v", _VT: b"vt", _VN: b"vn"}
_WIDTHS = {_V: 3, _VT: 1, _VN: 3}  # numbers a line has at least
_BLANK = b" \t\r\n"
_TO_BLANK = bytes.maketrans(b"vtnf/", b"     ")


class _UnusualError(Exception):
    """To be read line by line."""


def parse_bulk(data: bytes) -> ObjText | None:
    """What `parse_lines` returns, or None if the file is unusual or broken."""
    try:
        return _parse(data)
    except _UnusualError:
        return None


def _parse(data: bytes) -> ObjText:
    lines = _Lines(data)
    statements, material = _statements(lines)
    rows = {key.decode(): _numbers(lines.of(kind), key, _WIDTHS[kind]) for kind, key in _KEYS.items()}
    rows["v"] = rows["v"][:, : 6 if rows["v"].shape[1] > 5 else 3]
    rows["vt"] = np.pad(rows["vt"], ((0, 0), (0, 1)))[:, :2]  # without v it is 0
    rows["vn"] = rows["vn"][:, :3]
    references, lengths = _polygons(lines.of(_F))
    return ObjText(rows, references, lengths, material, statements)


class _Lines:
    """The lines of a file by their kinds.

    starts, ends  int (L,)   where in the text each line lies
    kinds         int8 (L,)
    """

    def __init__(self, data: bytes) -> None:
        self.data = data + b"\n\n\n"  # every line has an end, and two letters after its first
        letters = np.frombuffer(self.data, np.uint8)
        self.ends = np.flatnonzero(letters == ord("\n"))[:-2] + 1
        self.starts = np.concatenate(([0], self.ends[:-1]))
        self.kinds = _kinds(letters, self.starts)
        changes = np.flatnonzero(np.diff(self.kinds)) + 1
        self._first = np.concatenate(([0], changes))  # first and last line of each run of lines of a kind
        self._last = np.concatenate((changes, [len(self.kinds)])) - 1

    def of(self, kind: int) -> bytes:
        """All lines of a kind, one after the other."""
        runs = self.kinds[self._first] == kind
        starts, ends = self.starts[self._first[runs]].tolist(), self.ends[self._last[runs]].tolist()
        return b"".join(self.data[start:end] for start, end in zip(starts, ends, strict=True))


def _statements(lines: _Lines) -> tuple[Statements, np.ndarray]:
    """What lines of other kinds say, and the number of the material of each line of f."""
    statements = Statements()
    switches, current = [-1], [-1]  # lines behind which another material holds, and which
    for number in np.flatnonzero(lines.kinds == 0).tolist():
        line = lines.data[lines.starts[number] : lines.ends[number]].decode("utf-8", errors="replace")
        words = line.partition("#")[0].split()
        if not words:
            continue
        if words[0] in ("v", "vt", "vn", "f"):  # indented, for instance
            raise _UnusualError
        try:
            statements.line(words[0], line)
        except ValueError:
            raise _UnusualError from None
        if statements.current != current[-1]:
            switches.append(number)
            current.append(statements.current)
    polygons = np.flatnonzero(lines.kinds == _F)
    return statements, np.array(current)[np.searchsorted(switches, polygons) - 1]


def _kinds(letters: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The kind of each line, from its first three letters."""
    first, second, third = (letters[starts + i] for i in range(3))
    kinds = np.zeros(len(starts), dtype=np.int8)
    blank_second = (second == ord(" ")) | (second == ord("\t"))
    blank_third = (third == ord(" ")) | (third == ord("\t"))
    vertex = first == ord("v")
    kinds[vertex & blank_second] = _V
    kinds[vertex & (second == ord("t")) & blank_third] = _VT
    kinds[vertex & (second == ord("n")) & blank_third] = _VN
    kinds[(first == ord("f")) & blank_second] = _F
    kinds[(first == ord("#")) | (first == ord("\n")) | ((first == ord("\r")) & (second == ord("\n")))] = _SKIP
    return kinds


def _numbers(text: bytes, key: bytes, least: int) -> np.ndarray:
    """Lines of `key` and numbers as float64 (N, C)."""
    count = text.count(b"\n")
    if not count:
        return np.zeros((0, least))
    if text.translate(None, b"0123456789+-.eE" + _BLANK) != key * count:
        raise _UnusualError
    letters = np.frombuffer(text, np.uint8)
    inside = letters > ord(" ")
    words = np.flatnonzero(inside[1:] & ~inside[:-1]) + 1  # all but the first key
    width, rest = divmod(len(words) + 1, count)
    starts = np.flatnonzero(letters[:-1] == ord("\n")) + 1
    if rest or width <= least or not np.array_equal(words[width - 1 :: width], starts):
        raise _UnusualError
    values = _all(text, np.float64)
    if len(values) != count * (width - 1):  # "1-2" is one word and two numbers
        raise _UnusualError
    return values.reshape(count, width - 1)


def _polygons(text: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Lines of f: references (C, 3) and lengths (P,) as in `ObjText`."""
    count = text.count(b"\n")
    if not count:
        return np.zeros((0, 3), dtype=np.int64), np.zeros(0, dtype=np.int64)
    if text.translate(None, b"0123456789/" + _BLANK) != b"f" * count:
        raise _UnusualError
    letters = np.frombuffer(text, np.uint8)
    slash = letters == ord("/")
    digit = letters - np.uint8(ord("0")) < 10  # letters before "0" wrap around
    numbers = np.flatnonzero(digit[1:] & ~digit[:-1]) + 1
    values = _all(text, np.int64)
    if len(values) != len(numbers) or values.min() < 1 or values.max() >= 2**31:
        raise _UnusualError
    if b"///" in text or (slash[1:] & (letters[:-1] <= ord(" "))).any():
        raise _UnusualError
    # A corner is a number after a blank and those that slashes join to it: v, v/vt, v//vn or v/vt/vn.
    joined = slash[numbers - 1]
    corner = np.cumsum(~joined) - 1
    slashes = np.cumsum(joined.astype(np.int64) + (joined & slash[numbers - 2]))
    place = slashes - slashes[~joined][corner]
    if place.max() > 2:
        raise _UnusualError
    references = np.full((corner[-1] + 1, 3), -1, dtype=np.int64)
    references[corner, place] = values - 1
    before = np.searchsorted(numbers[~joined], np.flatnonzero(letters == ord("\n")))
    lengths = np.diff(before, prepend=0)
    if lengths.min() < 3:
        raise _UnusualError
    return references, lengths


def _all(text: bytes, kind: type[np.generic]) -> np.ndarray:
    """All numbers of the text, whatever is between them."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return np.fromstring(text.translate(_TO_BLANK), dtype=kind, sep=" ")
        except (ValueError, DeprecationWarning):
            raise _UnusualError from None
