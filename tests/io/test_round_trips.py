"""Writing and reading again gives the same mesh."""

import warnings

import pytest
import torch
import trimesh
from gltf_models import with_unit_normals

from repousse.geometry import Attribute, Mesh
from repousse.io import load, save

SHARING = (".obj", ".obj.gz", ".ply", ".off", ".glb")


def at_corners(mesh, name):
    attribute = mesh.attributes[name]
    return attribute.values[attribute.faces.long()]


def check_same(new, old, *, tolerance=0.0):
    assert torch.equal(new.positions, old.positions)
    assert torch.equal(new.faces, old.faces)
    assert set(new.attributes) == set(old.attributes)
    for name in old.attributes:
        found, expected = at_corners(new, name), at_corners(old, name)
        torch.testing.assert_close(found, expected, atol=tolerance, rtol=0.0)


def seamed(dtype=torch.float32, channels=3):
    """Two triangles with a seam of uv and colour along their common edge, and a vertex without faces."""
    positions = torch.tensor([[0, 0, 0], [1, 0, 0.1], [1, 1, 1 / 3], [0, 1, 1e-7], [5, 5, 5]], dtype=dtype)
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    uv = Attribute(torch.rand(6, 2, dtype=dtype), torch.tensor([[0, 1, 2], [3, 4, 5]]))
    color = torch.arange(5 * channels).reshape(5, channels).to(dtype) * 3 / 255
    return Mesh(positions, faces, {"uv": uv, "color": Attribute(color, torch.tensor([[0, 1, 2], [0, 3, 4]]))})


def names(folder):
    return sorted(path.name for path in (folder / "meshes").glob("*.obj.gz"))


@pytest.mark.parametrize("ending", [*SHARING, ".stl"])
def test_real_meshes(shared_data, tmp_path, ending):
    """Breaks if a format reorders, splits, merges or rounds anything of a real mesh."""
    for name in names(shared_data):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mesh = load(shared_data / "meshes" / name).with_materials([])  # those have tests of their own
            save(tmp_path / f"mesh{ending}", mesh)
            again = load(tmp_path / f"mesh{ending}")
        if ending == ".stl":  # knows triangles only: the same ones in the same order
            triangles = [m.positions[m.faces.long()] for m in (again, mesh)]
            assert torch.equal(*triangles), name
            assert len(again.positions) == len(mesh.positions), name
        else:
            check_same(again, with_unit_normals(mesh) if ending == ".glb" else mesh)


@pytest.mark.parametrize("ending", SHARING)
@pytest.mark.parametrize("channels", [3, 4])
def test_seams(tmp_path, ending, channels):
    """Breaks if a seam of uv or colour becomes an edge of the shape, or is closed."""
    mesh = seamed(channels=channels)
    if ending.startswith(".obj") and channels == 4:
        with pytest.warns(UserWarning, match="alpha"):
            save(tmp_path / f"mesh{ending}", mesh)
        mesh = mesh.with_attribute("color", mesh.attributes["color"].values[:, :3], mesh.attributes["color"].faces)
    else:
        save(tmp_path / f"mesh{ending}", mesh)
    check_same(load(tmp_path / f"mesh{ending}"), mesh, tolerance=1e-7)


@pytest.mark.parametrize("ending", [".obj", ".ply", ".off"])
def test_double_precision(tmp_path, ending):
    """Breaks if float64 numbers go through float32 or through too few digits."""
    mesh = seamed(torch.float64)
    save(tmp_path / f"mesh{ending}", mesh)
    check_same(load(tmp_path / f"mesh{ending}", dtype=torch.float64), mesh, tolerance=1e-16)


def test_white_in_off(tmp_path):
    """Breaks if a colour of 1.0 is written as 1, which OFF reads as 1/255."""
    mesh = seamed().with_attribute("color", torch.ones(5, 3))
    save(tmp_path / "mesh.off", mesh)
    assert (load(tmp_path / "mesh.off").attributes["color"].values == 1).all()


@pytest.mark.parametrize("ending", [".ply", ".off", ".stl", ".glb", ".obj"])
def test_another_library_reads_it(tmp_path, ending):
    """Breaks if we write what only we can read; trimesh sees the same triangles and the same uv."""
    mesh = seamed()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save(tmp_path / f"mesh{ending}", mesh)
        other = trimesh.load_mesh(tmp_path / f"mesh{ending}", process=False)
    triangles = torch.tensor(other.vertices[other.faces]).float()
    torch.testing.assert_close(triangles, mesh.positions[mesh.faces.long()])
    if ending == ".obj":
        torch.testing.assert_close(torch.tensor(other.visual.uv[other.faces]).float(), at_corners(mesh, "uv"))


def test_triangles_of_a_seam_stay_neighbours(shared_data):
    """Breaks if exact welding fails: the textured cow is closed although its texture is cut open."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mesh = load(shared_data / "meshes" / "spot.obj.gz")
    assert mesh.topology.is_closed
    assert len(mesh.attributes["uv"].values) > len(mesh.positions) == 2930


def test_saving_leaves_nothing_behind_on_failure(tmp_path, monkeypatch):
    """Breaks if a failed save damages the older file or leaves a temporary one."""
    target = tmp_path / "mesh.obj"
    save(target, seamed())
    before = target.read_bytes()

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="disk full"):
        save(target, seamed())
    bad = Mesh(torch.full((3, 3), torch.nan), torch.tensor([[0, 1, 2]]))
    with pytest.raises(ValueError, match=r"save: the mesh: vertex 0 .* not finite"):
        save(target, bad)
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["mesh.obj"]


def test_what_save_refuses(tmp_path):
    """Breaks if poses are dropped, an attribute is lost silently, or a wrong ending is guessed."""
    mesh = seamed()
    with pytest.raises(ValueError, match=r"'mesh.gltf' should end in .*save as .glb"):
        save(tmp_path / "mesh.gltf", mesh)
    with pytest.raises(ValueError, match="2 poses"):
        save(tmp_path / "mesh.obj", Mesh(mesh.positions.expand(2, -1, -1), mesh.faces))
    with pytest.raises(FileNotFoundError, match="no folder"):
        save(tmp_path / "missing" / "mesh.obj", mesh)
    with pytest.warns(UserWarning, match="cannot hold attribute 'heat' with 1 channels"):
        save(tmp_path / "mesh.obj", mesh.with_attribute("heat", torch.rand(5, 1)))
    with pytest.warns(UserWarning, match="'uv' with 2 channels and attribute 'color'"):
        save(tmp_path / "mesh.stl", mesh)


def test_saving_through_a_link(tmp_path):
    """Breaks if a link is replaced by a file, or its target's name decides whether to pack."""
    save(tmp_path / "store.obj", seamed())
    (tmp_path / "mesh.obj.gz").symlink_to(tmp_path / "store.obj")
    save(tmp_path / "mesh.obj.gz", seamed())
    assert (tmp_path / "mesh.obj.gz").is_symlink()
    check_same(load(tmp_path / "mesh.obj.gz"), load(tmp_path / "mesh.obj.gz"))


def test_packed_file_is_reproducible(tmp_path):
    """Breaks if gzip writes the time of day into the file."""
    mesh = seamed()
    for name in ("a.obj.gz", "b.obj.gz"):
        save(tmp_path / name, mesh)
    assert (tmp_path / "a.obj.gz").read_bytes() == (tmp_path / "b.obj.gz").read_bytes()
