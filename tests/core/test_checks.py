"""The checks that ops share: what passes unchanged, what is converted, what is refused and in which words."""

import pytest
import torch

from repousse.core import checks


def test_describe() -> None:
    """Breaks if a message no longer says what arrived."""
    assert checks.describe(torch.zeros(2, 3, dtype=torch.float64)) == "float64 (2, 3) on cpu"
    assert checks.describe([1, 2]) == "list"


def test_float32_passes_without_a_copy() -> None:
    """Breaks if every call copies its inputs."""
    value = torch.rand(2, 3)
    assert checks.as_float32("op", "x", value) is value
    index = torch.zeros(4, 3, dtype=torch.int32)
    assert checks.as_index("op", "x", index) is index


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened(dtype: torch.dtype) -> None:
    """Breaks if what autocast produces is refused, or read as float32."""
    found = checks.as_float32("op", "x", torch.tensor([1.5, -2.0], dtype=dtype))
    assert found.dtype == torch.float32 and found.tolist() == [1.5, -2.0]


def test_other_types_are_refused() -> None:
    """Breaks if digits are lost silently, or the message does not say what to do."""
    with pytest.raises(TypeError, match=r"op: `x` must be float32, got float64 .*\.float\(\).*backend=\"reference\""):
        checks.as_float32("op", "x", torch.zeros(2, dtype=torch.float64))
    with pytest.raises(TypeError, match=r"got int64 \(2,\) on cpu. Convert it with .float\(\)\.$"):
        checks.as_float32("op", "x", torch.zeros(2, dtype=torch.int64))
    with pytest.raises(TypeError, match="`x` must be a float32 tensor, got list"):
        checks.as_float32("op", "x", [1.0])  # type: ignore[arg-type]


def test_indices_beyond_int32_stay_out_of_range() -> None:
    """Breaks if an int64 index wraps around into one that exists."""
    wide = torch.tensor([[2**32 + 1, -(2**32) + 1, 5]])
    assert checks.as_index("op", "x", wide).tolist() == [[2**31 - 1, -(2**31), 5]]


@pytest.mark.parametrize("check", [checks.check_indices, checks.check_indices_slowly])
@pytest.mark.parametrize("place", [0, 1, 1000, 2047])
@pytest.mark.parametrize("bad", [-1, 7, 2**31 - 1, -(2**31)])
def test_the_first_bad_face_is_named(check, place: int, bad: int) -> None:
    """Breaks if an index outside of its range is overlooked anywhere, or another face is blamed."""
    faces = torch.randint(0, 7, (2048, 3), dtype=torch.int32)
    check("op", "faces", faces, 7, "positions")
    faces[place, place % 3] = bad
    faces[2047, 0] = 7
    with pytest.raises(IndexError, match=rf"op: `faces` holds index {bad} but `positions` has 7 rows \(face {place}\)"):
        if place == 2047:
            faces[2047] = torch.tensor([0, bad, 0])
        check("op", "faces", faces, 7, "positions")


def test_devices_must_agree() -> None:
    """Breaks if a tensor without memory, or on another device, reaches a kernel."""
    here, there = torch.zeros(1), torch.zeros(1, device="meta")
    checks.same_device("op", a=here, b=here)
    checks.same_device("op", a=there, b=there)
    with pytest.raises(ValueError, match=r"op: `a` is on cpu but `b` on meta\. Move all inputs to one device"):
        checks.same_device("op", a=here, b=there)


def test_status() -> None:
    """Breaks if a kernel that ran out of memory is taken for one that finished."""
    checks.check_status("op", 0)
    checks.check_status("op", 5)
    with pytest.raises(MemoryError, match="op: not enough memory"):
        checks.check_status("op", -1)
