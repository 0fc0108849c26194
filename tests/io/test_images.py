"""Bytes of picture files to tensors and back."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from repousse.io.images import decode, encode_png
from repousse.io.srgb import srgb_to_linear

COLORS = np.random.default_rng(0).integers(0, 256, (5, 7, 4), dtype=np.uint8)


def packed(image, form, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize(
    ("form", "options"),
    [("PNG", {}), ("TGA", {}), ("BMP", {}), ("TIFF", {}), ("WEBP", {"lossless": True})],
)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_formats(form, options, mode):
    """Breaks if a format is turned upside down, its channels swapped, or its numbers are not what they were."""
    array = COLORS[..., : len(mode)] if mode != "L" else COLORS[..., 0]
    found = decode(packed(Image.fromarray(array, mode), form, **options), "a", srgb=False)
    expected = torch.from_numpy(array.reshape(5, 7, -1) / np.float32(255))
    if form == "BMP":  # Pillow writes no alpha
        expected = expected[..., :3]
    if form == "WEBP" and mode == "L":  # it knows no grey
        expected = expected.expand(5, 7, 3)
    if form == "WEBP" and mode == "RGBA":  # it may forget colours that nobody sees
        found, expected = found * (expected[..., 3:] > 0), expected * (expected[..., 3:] > 0)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_jpeg_and_cmyk():
    """Breaks if JPEG is not read, CMYK stays in four inks, or an orientation mark turns a texture."""
    ramp = np.repeat(np.linspace(0, 255, 32).astype(np.uint8)[:, None], 32, 1)
    exif = Image.Exif()
    exif[274] = 6  # "turn me by 90 degrees"
    for mode in ("RGB", "CMYK"):
        data = packed(Image.fromarray(ramp).convert("RGB").convert(mode), "JPEG", quality=95, exif=exif)
        found = decode(data, "a", srgb=False)
        assert found.shape == (32, 32, 3)
        assert (found[..., 0] - torch.from_numpy(ramp) / 255).abs().max() < 0.05


def test_modes():
    """Breaks if palettes, transparency chunks, 16 bits, two levels or grey with alpha are misread."""
    red = Image.new("RGB", (2, 1), (255, 0, 51))
    expected = torch.tensor([1.0, 0.0, 0.2])
    torch.testing.assert_close(decode(packed(red.quantize(4), "GIF"), "a", srgb=False)[0, 0], expected)
    palette = decode(packed(red.quantize(4), "PNG", transparency=0), "a", srgb=False)
    assert palette.shape == (1, 2, 4)
    keyed = decode(packed(red, "PNG", transparency=(255, 0, 51)), "a", srgb=False)
    torch.testing.assert_close(keyed[0, 0], torch.tensor([1.0, 0.0, 0.2, 0.0]))
    deep = Image.fromarray(np.array([[0, 65535, 257]], dtype=np.uint16))
    assert decode(packed(deep, "PNG"), "a", srgb=False).flatten().tolist() == pytest.approx([0, 1, 257 / 65535])
    levels = decode(packed(deep, "PNG"), "a", srgb=True)
    torch.testing.assert_close(levels.flatten()[2], srgb_to_linear(torch.tensor(257 / 65535)))
    two = Image.fromarray(np.array([[True, False]]))
    assert decode(packed(two, "PNG"), "a", srgb=True).flatten().tolist() == [1, 0]
    grey = Image.merge("LA", [Image.new("L", (1, 1), 102), Image.new("L", (1, 1), 51)])
    torch.testing.assert_close(
        decode(packed(grey, "PNG"), "a", srgb=False).flatten(), torch.tensor([0.4, 0.4, 0.4, 0.2])
    )


def test_floats_are_linear():
    """Breaks if a float TIFF goes through the sRGB curve, or one with a NaN becomes a texture."""
    values = np.array([[0.5, 2.0]], dtype=np.float32)
    assert decode(packed(Image.fromarray(values), "TIFF"), "a", srgb=True).flatten().tolist() == [0.5, 2.0]
    values[0, 1] = np.nan
    with pytest.raises(ValueError, match="a has values that are not finite"):
        decode(packed(Image.fromarray(values), "TIFF"), "a", srgb=True)


def test_srgb_leaves_alpha_alone():
    """Breaks if alpha is taken for light, or colours are not."""
    data = packed(Image.fromarray(COLORS, "RGBA"), "PNG")
    found, plain = decode(data, "a", srgb=True), decode(data, "a", srgb=False)
    torch.testing.assert_close(found[..., :3], srgb_to_linear(plain[..., :3]))
    assert torch.equal(found[..., 3], plain[..., 3])


@pytest.mark.parametrize("srgb", [True, False])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_all_256_values_survive(srgb, channels):
    """Breaks if 8 bits to linear float32 and back is off by one anywhere."""
    levels = torch.arange(256, dtype=torch.uint8).reshape(16, 16, 1).expand(16, 16, channels)
    data = encode_png(levels.float() / 255, srgb=False)
    assert torch.equal(decode(data, "a", srgb=False), levels.float() / 255)
    again = encode_png(decode(data, "a", srgb=srgb), srgb=srgb)
    assert torch.equal((decode(again, "a", srgb=False) * 255).byte(), levels)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3, 4]), st.booleans(), st.integers(0, 2**32))
def test_round_trip(height, width, channels, srgb, seed):
    """Breaks if a size or number of channels comes back as another, or a value off by more than half a step."""
    image = torch.rand(height, width, channels, generator=torch.Generator().manual_seed(seed))
    found = decode(encode_png(image, srgb=srgb), "a", srgb=srgb)
    assert found.shape == image.shape
    steps = 1 / 255 if not srgb else 0.009  # the curve's steepest
    assert (found - image).abs().max() <= steps / 2 + 1e-6


def test_what_encode_refuses():
    """Breaks if a wrong shape or a NaN is written as something else; values beyond 1 are clipped."""
    for shape in ((4, 4), (4, 4, 2), (0, 4, 3), (1, 4, 4, 3)):
        with pytest.raises(ValueError, match=r"\(H, W, C\) with C = 1, 3 or 4"):
            encode_png(torch.zeros(shape), srgb=True)
    with pytest.raises(ValueError, match="1 values of the picture are not a number"):
        encode_png(torch.tensor([[[0.0], [torch.nan]]]), srgb=True)
    wild = torch.tensor([[[-1.0], [torch.inf]]], dtype=torch.float64, requires_grad=True)
    assert decode(encode_png(wild, srgb=True), "a", srgb=True).flatten().tolist() == [0, 1]


@pytest.mark.parametrize(("size", "message"), [((60000, 60000), "large"), ((60000, 1), "60000 × 1 pixels; at most")])
def test_a_decompression_bomb_is_not_unpacked(size, message):
    """Breaks if memory for the size that a small file claims is taken before the size is looked at."""
    header = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=rf"skin.png.*{message}"):
            decode(data + chunk(b"IEND", b""), "skin.png", srgb=True)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "TGA", "TIFF", "GIF"])
def test_cut_off(form):
    """Breaks if a picture that ends too early becomes one with a grey part, or an error of another kind."""
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    whole = packed(noise, form)
    for part in (0.0, 0.01, 0.1, 0.5, 0.8):
        with pytest.raises(ValueError, match="skin is not an intact picture"):
            decode(whole[: int(len(whole) * part)], "skin", srgb=True)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_bytes(data):
    """Breaks if damage anywhere in a file ends in anything but a picture or a ValueError."""
    form = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "BMP", "TGA", "TIFF", "GIF"]))
    whole = bytearray(packed(Image.fromarray(COLORS[..., :3].copy()), form))
    for _ in range(3):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert decode(bytes(whole), "a", srgb=True).isfinite().all()
    except ValueError as error:
        assert str(error).startswith("a ")


def test_formats_that_run_other_programs_are_not_read():
    """Breaks if a PostScript "texture" is given to an interpreter."""
    with pytest.raises(ValueError, match="not an intact picture"):
        decode(packed(Image.new("RGB", (2, 2)), "EPS"), "a", srgb=True)
