"""The text of material files, and what becomes of it."""

import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from repousse.io import srgb_to_linear
from repousse.io.files import Folders
from repousse.io.images import encode_png
from repousse.io.mtl import parse_mtl
from repousse.io.mtl_materials import Library
from repousse.io.obj_text import Statements


def picture(folder, name, *values, srgb=False, size=(2, 2)):
    """A PNG of one colour, given in 8 bits."""
    image = torch.tensor(values).float().expand(*size, -1) / 255
    (folder / name).write_bytes(encode_png(image, srgb=srgb))


def material(folder, text, *, placement=None):
    """The material "m" of this text, which may cause no notes."""
    found, notes, placed = with_notes(folder, text)
    assert not notes
    assert placed == placement
    return found


def with_notes(folder, text):
    (folder / "a.mtl").write_text(f"newmtl m\n{text}\n")
    library = Library(Folders(folder))
    library.read("a.mtl")
    found, placement = library.material("m")
    return found, library.notes, placement


def maps(text):
    (block,), notes = parse_mtl(f"newmtl m\n{text}", Path())
    assert not notes
    return block.maps


def test_options_and_names_with_blanks():
    """Breaks if an option swallows the name of the file, or a name with blanks or digits is cut."""
    found = maps(
        "map_Kd -s 2 3 1 -o 0.5 0 -clamp on -blendu on -mm 0 1 -imfchan R my skin.png # ours\n"
        "  MAP_KE\t-s 2 2.png\nbump -bm 0.5 -clamp off 'b'.png\nnorm -texres 512 \"C:\\dir\\n 1.png\"\nmap_Pr -x.png\n"
    )
    skin = found["map_kd"]
    assert (skin.file, skin.scale, skin.offset) == ("my skin.png", (2, 3), (0.5, 0))
    assert (skin.clamp, skin.channel) == (True, "r")
    assert (found["map_ke"].file, found["map_ke"].scale) == ("2.png", (2, 1))
    assert (found["map_bump"].strength, found["map_bump"].clamp) == (0.5, False)
    assert found["norm"].file == "C:\\dir\\n 1.png"
    assert found["map_pr"].file == "-x.png"


def test_lines_that_cannot_be_read():
    """Breaks if a broken line stops the file, is taken for a number, or is not named."""
    text = (
        "Kd 1\n" + "newmtl m\nKd zero\nKe 1 2\nNs nan\nmap_Kd\nmap_Kd -s\nd 0.5\nKd spectral x.rfl\nmap_Ks gloss.png\n"
    )
    blocks, notes = parse_mtl(text + "newmtl m 2 # two\nKd 0.5\n", Path())
    assert [block.name for block in blocks] == ["m", "m 2"]
    assert blocks[0].numbers == {"d": (0.5,)}
    assert blocks[1].numbers == {"kd": (0.5, 0.5, 0.5)}
    broken = ["'Kd zero'", "'Ke 1 2'", "'Ns nan'", "'map_Kd'", "'map_Kd -s'", "'Kd spectral x.rfl'"]
    assert notes[:-1] == [f"{line} of material 'm' was not understood" for line in broken]
    assert notes[-1] == "map_Ks of material 'm' was not loaded"


def test_long_lines():
    """Breaks if a hostile line of a megabyte takes minutes."""
    _, notes = parse_mtl("newmtl m\nmap_Kd " + "-clamp on " * 10**5 + "a.png\n", Path())
    assert notes[0].startswith("'map_Kd -clamp on")
    statements = Statements()
    statements.line("mtllib", "mtllib " + "a " * 10**6)
    assert len(statements.libraries) == 1


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from('Kdmap_ -soclnewtbumr#"\\\t\n\r.0123456789'), max_size=200))
def test_any_text_is_read(text):
    """Breaks if a material file, however broken, raises something."""
    parse_mtl("newmtl m\n" + text + "\nmap_Kd " + text, Path())


def test_base_color(tmp_path):
    """Breaks if Kd is taken for sRGB, a map for linear, a black Kd hides its map, or grey stays one channel."""
    assert material(tmp_path, "Kd 0.8 0.5 0.2").base_color == (0.8, 0.5, 0.2, 1)
    assert material(tmp_path, "Ka 0 0 0").base_color == (1, 1, 1, 1)
    assert material(tmp_path, "Kd 0 0 0").base_color == (0, 0, 0, 1)
    picture(tmp_path, "a.png", 128)
    found = material(tmp_path, "Kd 0 0 0\nmap_Kd a.png")
    assert found.base_color == (1, 1, 1, 1)
    assert found.alpha == "opaque"
    expected = srgb_to_linear(torch.full((2, 2, 3), 128 / 255))
    torch.testing.assert_close(found.base_color_texture.image, expected)


def test_alpha(tmp_path):
    """Breaks if d and Tr are mixed up, MeshLab's models vanish, or map_d is read from the wrong channel."""
    for text, alpha in [("d 0.25", 0.25), ("Tr 0.25", 0.75), ("d 1\nTr 0.5", 1), ("Tr 1", 1), ("d -halo 0.5", 0.5)]:
        found = material(tmp_path, text)
        assert found.base_color[3] == alpha
        assert found.alpha == ("opaque" if alpha == 1 else "blend")
    picture(tmp_path, "color.png", 255, 0, 0, 51)
    picture(tmp_path, "grey.png", 102, size=(4, 4))
    picture(tmp_path, "red.png", 204, 0, 0)
    kept = material(tmp_path, "map_Kd color.png")
    assert (kept.alpha, kept.base_color_texture.image.shape[2]) == ("opaque", 4)
    cases = {"color.png": 51, "grey.png": 102, "-imfchan r red.png": 204, "-imfchan b red.png": 0}
    for words, level in cases.items():
        found = material(tmp_path, f"map_Kd color.png\nmap_d {words}")
        assert found.alpha == "blend"
        image = found.base_color_texture.image
        torch.testing.assert_close(image[0, 0], torch.tensor([1, 0, 0, level / 255]))
        assert len(image) == (4 if "grey" in words else 2)  # the larger one gives the size
    alone = material(tmp_path, "Kd 0.5 0.5 0.5\nmap_d grey.png").base_color_texture.image
    torch.testing.assert_close(alone, torch.tensor([1, 1, 1, 0.4]).expand(4, 4, 4))
    assert alone.is_contiguous()


def test_metallic_and_roughness(tmp_path):
    """Breaks if a map lands in another channel, a factor hides its map, or Ns is used beside Pr."""
    found = material(tmp_path, "Pr 0.5\nPm 0.25\nNs 1000")
    assert (found.roughness, found.metallic) == (0.5, 0.25)
    picture(tmp_path, "r.png", 51)
    picture(tmp_path, "m.png", 102, 102, 102, size=(4, 2))
    found = material(tmp_path, "Ns 10\nmap_Pr r.png\nmap_Pm -clamp on m.png")
    assert (found.roughness, found.metallic) == (1, 1)
    torch.testing.assert_close(found.metallic_roughness_texture.image, torch.tensor([1, 0.2, 0.4]).expand(4, 2, 3))
    one = material(tmp_path, "Pm 0.5\nNs 0\nmap_Pr -clamp on r.png")
    assert (one.roughness, one.metallic) == (1, 0.5)
    assert one.metallic_roughness_texture.wrap == ("clamp", "clamp")
    missing, notes, _ = with_notes(tmp_path, "map_Pr r.png\nmap_Pm gone.png")
    assert missing.metallic == 0  # and not a mirror, because the map that would say where is not there
    assert notes == ["texture 'gone.png' is missing"]


def test_roughness_of_the_highlight(tmp_path):
    """Breaks if Ns does not give the documented roughness, or a material without highlight gets one."""
    assert material(tmp_path, "Ns 30\nillum 2").roughness == pytest.approx((2 / 32) ** 0.25)
    assert material(tmp_path, "Ns 0").roughness == 1
    for text in ("Ns 250\nKs 0 0 0", "Ns 250\nillum 1", "Kd 1 1 1"):
        assert material(tmp_path, text).roughness == 1


def test_emission(tmp_path):
    """Breaks if light is lost, or multiplied with the black Ke that exporters write beside the map."""
    assert material(tmp_path, "Ke 2 1 0").emission == (2, 1, 0)
    picture(tmp_path, "e.png", 255, 0, 0, 9)
    for text in ("map_Ke e.png", "Ke 0 0 0\nmap_Ke e.png"):
        found = material(tmp_path, text)
        assert found.emission == (1, 1, 1)
        assert found.emission_texture.image[0, 0].tolist() == [1, 0, 0]


def test_normals_and_heights(tmp_path):
    """Breaks if Blender's normal maps are lost, or heights are taken for normals."""
    picture(tmp_path, "n.png", 150, 118, 250)
    picture(tmp_path, "h.png", 128, 128, 128)
    picture(tmp_path, "w.png", 204, 204, 204)  # as long as a normal, but in no way one
    for key in ("norm", "map_Kn", "map_Bump", "bump"):
        found = material(tmp_path, f"{key} -bm 0.5 n.png")
        assert found.normal_scale == 0.5
        torch.testing.assert_close(found.normal_texture.image[0, 0] * 255, torch.tensor([150.0, 118.0, 250.0]))
    for name in ("h.png", "w.png"):
        found, notes, _ = with_notes(tmp_path, f"bump -bm 3 {name}")
        assert notes == [f"{name!r} was not loaded, it holds heights and not normals"]
        assert (found.normal_texture, found.normal_scale) == (None, 1)


def test_wrap_and_placement(tmp_path):
    """Breaks if -clamp, -s or -o are lost, or maps that lie differently are silently made to agree."""
    picture(tmp_path, "a.png", 9)
    found = material(tmp_path, "map_Kd -clamp on -s 2 2 -o 0 1 a.png", placement=((2, 2), (0, 1)))
    assert found.base_color_texture.wrap == ("clamp", "clamp")
    _, notes, placement = with_notes(tmp_path, "map_Kd -s 2 a.png\nmap_Ke a.png")
    assert placement == ((2, 1), (0, 0))
    assert notes == ["-s and -o of material 'm' differ between its maps, the first ones count"]


def test_pictures_are_read_once(tmp_path, monkeypatch):
    """Breaks if each of many materials has its own copy of the picture they share."""
    picture(tmp_path, "a.png", 9, 9, 9)
    (tmp_path / "a.mtl").write_text("".join(f"newmtl {i}\nmap_Kd a.png\nmap_Ke gone.png\n" for i in range(9)))
    library = Library(Folders(tmp_path))
    library.read("a.mtl")
    images = {id(library.material(str(i))[0].base_color_texture.image) for i in range(9)}
    assert len(images) == 1
    assert library.notes == ["texture 'gone.png' is missing"]


def test_names_from_another_machine(tmp_path):
    """Breaks if a path of the exporter's disk is not found beside the model, or one beside it is."""
    (tmp_path / "sub").mkdir()
    picture(tmp_path / "sub", "a.png", 9)
    picture(tmp_path, "b.png", 9)
    folders = Folders(tmp_path)
    for name in ("C:\\Users\\me\\a.png", "/home/me/a.png", "../../a.png", "a.png"):
        assert folders.find(name, tmp_path / "sub") == (tmp_path / "sub" / "a.png").resolve()
    assert folders.find("sub\\a.png").name == "a.png"
    assert folders.find("../b.png", tmp_path / "sub").name == "b.png"
    for name in ("sub", "", ".", "x" * 5000, "nul\0", "gone.png"):
        with pytest.raises(LookupError, match="is missing"):
            folders.find(name)
    with pytest.raises(LookupError, match="outside the folder"):
        Folders(tmp_path / "sub").find("../b.png")


def test_relative_paths_of_models(tmp_path, monkeypatch):
    """Breaks if textures are found only when the model is named by its full path."""
    (tmp_path / "models").mkdir()
    picture(tmp_path / "models", "a.png", 9)
    monkeypatch.chdir(tmp_path)
    assert Folders(Path("models")).find("a.png") == (tmp_path / "models" / "a.png").resolve()


def test_several_files(tmp_path):
    """Breaks if the second file of materials is ignored, or replaces what the first one says."""
    (tmp_path / "a.mtl").write_bytes(b"\xef\xbb\xbfnewmtl red\nKd 1 0 0\n")
    (tmp_path / "b.mtl").write_text("newmtl red\nKd 0 0 1\nnewmtl green\nKd 0 1 0\n")
    library = Library(Folders(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("a.mtl", "b.mtl"):
            library.read(name)
    assert list(library.blocks) == ["red", "green"]
    assert library.material("red")[0].base_color == (1, 0, 0, 1)
    assert library.material("blue")[0].name == "blue"
