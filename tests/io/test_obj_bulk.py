"""The fast reader of OBJ text agrees with the careful one, or gives up."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repousse.io.obj_bulk import parse_bulk
from repousse.io.obj_text import parse_lines


def check_same(fast, careful):
    for key in ("v", "vt", "vn"):
        assert fast.rows[key].dtype == np.float64
        assert fast.rows[key].shape == careful.rows[key].shape
        assert np.array_equal(fast.rows[key], careful.rows[key])
    for name in ("references", "lengths", "material"):
        assert np.array_equal(getattr(fast, name), getattr(careful, name)), name
    assert fast.statements == careful.statements


def test_real_models_take_the_fast_way(shared_data):
    """Breaks if real files fall back to the slow reader, or are read as something else."""
    for path in sorted((shared_data / "meshes").glob("*.obj.gz")):
        data = gzip.decompress(path.read_bytes())
        fast = parse_bulk(data)
        assert fast is not None, path.name
        check_same(fast, parse_lines(data, "a"))


VERTICES = "v 0 0 0\nv 1 0 -1e-3\nv 1.5E+2 .5 5.\nv +0 -0 1\n"


@pytest.mark.parametrize(
    "text",
    [
        VERTICES + "f 1 2 3\nf 1 2 3 4\nf 4 3 2",  # polygons, no line end
        VERTICES + "vt .5 .5\nvn 0 0 1\nf 1/1/1 2/1/1 3/1/1\nf 1//1 2//1 4//1\nf 1/1 2/1 3/1\nf 1 2/1 3//1 4/1/1\n",
        VERTICES + "f 1/ 2/ 3/\nf\t1\t2   3 \r\n\r\n# f 9 9 9\n\nf 1/// 2 3\n".replace("///", "//"),
        VERTICES + "usemtl a b\nf 1 2 3\nusemtl c\nusemtl a b\nf 1 2 4\nusemtl\nf 1 3 4\nusemtl c # x\nf 1 3 4\n",
        "mtllib a.mtl my b.MTL\nmtllib c\n" + VERTICES + "g x\ns 1\no y\nf 1 2 3\nl 1 2\np 1\nwhat is this\n",
        "v 0 0 0 1 0 0\nv 1 1 1 0 1 0\nvt 1\nvt 2\nvn 0 0 1 9\nf 1/1 2/2 1/1\n",
        "vt 1 2 3\nvt 4 5 6\n" + VERTICES,
        "",
        "\n\n",
    ],
)
def test_usual_text(text):
    """Breaks if the fast reader gives up on what programs write, or misreads it."""
    fast = parse_bulk(text.encode())
    assert fast is not None
    check_same(fast, parse_lines(text.encode(), "a"))


@pytest.mark.parametrize(
    "line",
    [
        "f 1 2 -1", "f 1 2 3 # c", "  f 1 2 3", "f 1 2", "f", "f 1 2 0", "f 1 2 99999999999999999999", "f 1/1/1/1 2 3",
        "f 1 2 /3", "f 1 2 3.0", "f 1 2 +3", "f 1///2 2 3", "v 0 0 0 1", "v 0 0 nan", "v 0 0 1_0", "v 0 0 1-2",
        "v 0 0 1.2.3", "v 0 0 1e", "v 0 0", "v 0 0 0 0 0 0", "v\u00a00 0 0", "vt", "vn 0 0", "mtllib", "v 0 1-2 .",
    ],
)  # fmt: skip
def test_unusual_text(line):
    """Breaks if what only the careful reader understands, or refuses, is read by the fast one."""
    fast = parse_bulk((VERTICES + line + "\nf 1 2 3\n").encode())
    if fast is not None:
        check_same(fast, parse_lines((VERTICES + line + "\nf 1 2 3\n").encode(), "a"))
        assert line.startswith("v\u00a0") or line in ("f", "vt")


WORDS = st.sampled_from(
    ["1", "2", "3", "1/1", "2//2", "3/1/2", "1/", "-1", "0", "/1", "1.5", "-2e-3", "nan", "x", "#", "1-2", ".", "+1"]
)
KEYS = st.sampled_from(["v", "v", "vt", "vn", "f", "f", "f", "usemtl", "#", "", "g", " f", "mtllib", "p", "vp", "fo"])
LINES = st.builds(lambda key, words, end: " ".join([key, *words]) + end, KEYS, st.lists(WORDS, max_size=5),
                  st.sampled_from(["\n", "\r\n", " \n"]))  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES, max_size=8))
def test_any_text(lines):
    """Breaks if there is a text that both readers understand differently, or that only the fast one accepts."""
    data = "".join(lines).encode()
    if (fast := parse_bulk(data)) is not None:
        check_same(fast, parse_lines(data, "a"))


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=5), st.sampled_from(["%r", "%.9g", "%.17g"]))
def test_numbers_are_read_exactly(rows, form):
    """Breaks if the fast way rounds another way than Python does."""
    text = "".join("v " + " ".join(form % number for number in row) + "\n" for row in rows)
    fast = parse_bulk(text.encode())
    assert fast is not None
    assert fast.rows["v"].tolist() == parse_lines(text.encode(), "a").rows["v"].tolist()
