"""Mesh files: load and save."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from repousse.geometry import Attribute, Material, Mesh

from .corners import Corners, listed, told, weld
from .files import read_bytes, write_bytes
from .glb import write_glb
from .gltf import read_gltf
from .obj import read_obj, write_obj
from .off import read_off, write_off
from .ply import read_ply, write_ply
from .stl import read_stl, write_stl

# From the content of a file, its path, and one more folder that its textures may lie in.
_READERS: dict[str, Callable[[bytes, Path, Path | None], Corners]] = {
    ".obj": read_obj,
    ".ply": read_ply,
    ".stl": lambda data, path, _: read_stl(data, path),
    ".off": lambda data, path, _: read_off(data, path),
    ".glb": read_gltf,
    ".gltf": read_gltf,
}
# What each format can hold, and in how many channels.
_HOLDS = {
    ".obj": {"uv": (2,), "normal": (3,), "color": (3,)},
    ".ply": {"uv": (2,), "normal": (3,), "color": (3, 4)},
    ".stl": {},
    ".off": {"uv": (2,), "normal": (3,), "color": (3, 4)},
    ".glb": {"uv": (2,), "normal": (3,), "color": (3, 4)},
}
_HOLDS_MATERIALS = (".obj", ".glb")


def load(
    path: str | os.PathLike[str],
    *,
    dtype: torch.dtype = torch.float32,
    textures: str | os.PathLike[str] | None = None,
) -> Mesh:
    """Read a mesh from OBJ, PLY, STL, OFF, GLB or glTF, by the ending of its name.

    >>> load("spot.obj.gz")
    Mesh(2930 vertices, 5856 faces, uv, 1 material)

    path      the file; it may be packed, with .gz behind the ending
    dtype     torch.float32 or torch.float64, of positions and attributes
    textures  a folder besides that of `path` where textures may lie; ShapeNet, for one, keeps them in "../images"

    Vertices at exactly the same position become one, whatever else they carry, so that a seam of the texture
    is no boundary of the surface; attributes ("uv", "normal", "color") keep their own index per face corner.
    Order is that of first appearance. Polygons become fans, all meshes of a scene one mesh. uv has v upwards
    (v = 0 is the bottom row of a texture); colours are in [0, 1] (OBJ: as the file has them).

    OBJ, GLB and glTF bring materials and textures (`io/mtl_materials.py` says what becomes of MTL), PLY one
    texture or several. What is missing or broken of them is left out, a warning names it, and the rest is
    loaded. No file outside the folders of `path` and `textures` is opened.

    FileNotFoundError if there is no file; ValueError for an unknown ending and for a file that is empty, cut
    off, not of its format, without faces, or has numbers that are not finite or indices without a vertex (it
    names them).
    """
    path = Path(path)
    kind = _kind("load", path, tuple(_READERS))
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"load: `dtype` should be torch.float32 or torch.float64, got {dtype}")
    if textures is not None and not Path(textures).is_dir():
        raise FileNotFoundError(f"load: there is no folder {textures} for `textures`")
    corners = _READERS[kind](read_bytes("load", path), path, None if textures is None else Path(textures))
    corners.check(f"load: {path}")
    corners.fill()
    exact = np.float32 if dtype == torch.float32 else np.float64
    for numbers in (corners.positions, *(values for values, _ in corners.attributes.values())):
        if np.abs(numbers).max() > np.finfo(exact).max:
            raise ValueError(f"load: {path} has numbers too large for float32; use load(..., dtype=torch.float64)")
    positions, faces = _tensors(corners.positions, corners.faces, exact)
    attributes = {
        name: Attribute(*_tensors(values, index, exact)) for name, (values, index) in corners.attributes.items()
    }
    if corners.notes:
        warnings.warn(f"load: {path}: {told(corners.notes, '; ')}", stacklevel=2)
    materials = corners.materials
    if dtype != torch.float32:  # what readers make
        materials = [material.to(dtype) for material in materials]
    material_id = None if corners.material_id is None else torch.from_numpy(corners.material_id.astype(np.int32))
    return Mesh(positions, faces, attributes, materials=tuple(materials), material_id=material_id)


def save(path: str | os.PathLike[str], mesh: Mesh) -> None:
    """Write a mesh to OBJ, PLY, STL, OFF or GLB, by the ending of the name; ".gz" behind it packs the file.

    >>> save("shape.obj", mesh)

    Holds positions, the attributes "uv", "normal" and "color", and in OBJ and GLB the materials; a warning
    names what is lost. OBJ puts "shape.mtl" and its textures, "shape_<material>_<what>.png" with 8 bits, into
    the same folder, where files of these names are replaced.

    `load` returns the same positions, faces, attributes at the corners and materials, within these limits:
    textures have 8 bits, and so have the colours of PLY; GLB is always float32, with normals of length 1; OBJ
    has no alpha, OFF none that is 1 everywhere; STL has only triangles, so vertices come in another order and
    those without faces are lost. Positions that are exactly equal become one vertex on loading, and materials
    without faces are dropped.

    The file appears in one step, after those beside it: if anything fails, an older file stays as it was.
    ValueError for an unknown ending, a mesh with several poses or several packed meshes, and positions or
    materials that are not finite.
    """
    path = Path(path)
    kind = _kind("save", path, tuple(_HOLDS))
    corners = _corners(mesh)
    corners.check("save: the mesh")
    for name, (values, _) in list(corners.attributes.items()):
        if name == "color" and kind == ".obj" and values.shape[1] == 4:
            corners.notes.append("the alpha of 'color' (OBJ has none)")
        elif values.shape[1] not in _HOLDS[kind].get(name, ()):
            corners.notes.append(f"attribute {name!r} with {values.shape[1]} channels")
            del corners.attributes[name]
    if kind not in _HOLDS_MATERIALS:
        lost = [m.name or f"#{i}" for i, m in enumerate(corners.materials) if not _is_plain(m)]
        corners.notes += [f"the materials {listed(lost)}"] if lost else []
        corners.materials, corners.material_id = [], None
    double = mesh.positions.dtype == torch.float64
    digits = 17 if double else 9  # as many as it takes to read the same numbers again
    stem = path.name[: path.name.lower().rindex(kind)]
    writers: dict[str, Callable[[], tuple[bytes, dict[str, bytes]]]] = {
        ".obj": lambda: write_obj(corners, digits, stem),
        ".ply": lambda: (write_ply(corners, double), {}),
        ".stl": lambda: (write_stl(corners), {}),
        ".off": lambda: (write_off(corners, digits), {}),
        ".glb": lambda: (write_glb(corners), {}),
    }
    data, beside = writers[kind]()
    write_bytes("save", path, data, beside)
    if corners.notes:
        warnings.warn(f"save: {path} cannot hold {told(corners.notes, ' and ')}", stacklevel=2)


def _kind(caller: str, path: Path, known: tuple[str, ...]) -> str:
    endings = [ending.lower() for ending in path.suffixes]
    if endings[-1:] == [".gz"]:
        endings.pop()
    if not endings or endings[-1] not in known:
        hint = "; save as .glb instead" if endings[-1:] == [".gltf"] else ""
        raise ValueError(f"{caller}: {path.name!r} should end in {', '.join(known)}, or that and .gz{hint}")
    return endings[-1]


def _tensors(values: np.ndarray, faces: np.ndarray, exact: type[np.floating]) -> tuple[torch.Tensor, torch.Tensor]:
    rows, index = weld(values.astype(exact), faces)
    return torch.from_numpy(rows), torch.from_numpy(index.astype(np.int32))


def _corners(mesh: Mesh) -> Corners:
    if mesh.ranges is not None:
        raise ValueError("save: this is several meshes packed into one; save them one by one")
    parts = {"positions": mesh.positions, **{name: a.values for name, a in mesh.attributes.items()}}
    for name, values in parts.items():
        if values.ndim != 2:
            raise ValueError(
                f"save: `{name}` has {len(values)} poses, a file holds one; save "
                "mesh.with_positions(positions[i]) with attributes of shape (Va, C)"
            )

    def numbers(tensor: torch.Tensor) -> np.ndarray:
        return tensor.detach().cpu().numpy().astype(np.int64 if tensor.dtype == torch.int32 else np.float64)

    attributes = {name: (numbers(a.values), numbers(a.faces)) for name, a in mesh.attributes.items()}
    material_id = None if mesh.material_id is None else numbers(mesh.material_id)
    return Corners(
        numbers(mesh.positions),
        numbers(mesh.faces),
        attributes,
        materials=list(mesh.materials),
        material_id=material_id,
    )


def _is_plain(material: Material) -> bool:
    """Whether it looks like no material at all."""
    if any(material.textures()) or material.alpha == "mask":
        return False
    plain = {"base_color": 1.0, "metallic": 0.0, "roughness": 1.0, "emission": 0.0}
    return all(bool((torch.as_tensor(getattr(material, name)) == value).all()) for name, value in plain.items())
