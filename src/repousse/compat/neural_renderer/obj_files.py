"""Reads .obj files as `neural_renderer` does: vertices, triangles and, on request, texture cubes."""

import os
import warnings
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from repousse.compat.neural_renderer.texture_cubes import WRAPPINGS, bake_cubes
from repousse.compat.neural_renderer.wavefront import Material, ObjFile, read_mtl, read_obj

UNPAINTED = 0.5  # grey of faces whose material says nothing


def load_obj(
    filename_obj: str | os.PathLike[str] | None = None,
    normalization: bool = True,
    texture_size: int = 4,
    load_texture: bool = False,
    texture_wrapping: str = "REPEAT",
    use_bilinear: bool = True,
    *,
    filename: str | os.PathLike[str] | None = None,
) -> tuple[Tensor, ...]:
    """Read an .obj file: vertices float32 (V, 3), faces int32 (F, 3), on request textures (F, T, T, T, 3).

    filename_obj      the file; `filename` is an older name of the same argument
    normalization     move the centre of the bounding box to the origin and scale its longest side to 2
    texture_size      T, at least 2
    load_texture      also bake the materials of the .mtl file into texture cubes
    texture_wrapping  "REPEAT", "MIRRORED_REPEAT", "CLAMP_TO_EDGE" or "CLAMP_TO_BORDER", see below
    use_bilinear      sample pictures bilinearly; otherwise take the nearest texel

    >>> vertices, faces, textures = load_obj("spot.obj", load_texture=True)

    Tensors (the Chainer release returned arrays) on torch's default device. Polygons become fans around their
    first corner; indices may be negative; corners may be written v, v/vt, v//vn or v/vt/vn; names may contain
    blanks.

    Textures: cubes are 0.5 at first; Kd fills the faces of a material; map_Kd overwrites them. Cell (i, j, k)
    takes the texture coordinates weighted (i, j, k) / (i + j + k); 0 and 1 are the centres of the outermost
    texels. A corner without texture coordinate takes the last one of the file. Grey pictures are replicated,
    alpha is dropped. Paths of pictures count from the folder of the .obj file.

    Wrapping acts on the coordinates of corners and means what the names say, where the releases had defects:
    REPEAT keeps 0 and 1 as they are (the port swapped them), CLAMP_TO_BORDER is black outside the picture
    only (it was black everywhere), negative coordinates repeat and mirror properly, and cell (0, 0, 0) holds
    the colour at the face's centre (it was not a number). Several mtllib lines add up, later ones override;
    releases used the last only.

    Raises FileNotFoundError for a missing .obj, .mtl or picture; ValueError for files that cannot be read,
    for pictures outside the folder of the .obj file, if load_texture finds no mtllib line, and if a picture
    has to be drawn on faces but the file has no texture coordinates. Warns of materials that no .mtl file
    defines.
    """
    path = filename_obj if filename_obj is not None else filename
    if path is None or (filename_obj is not None and filename is not None):
        raise TypeError("load_obj: pass the path of one .obj file.")
    if texture_wrapping not in WRAPPINGS:
        raise ValueError(f"load_obj: `texture_wrapping` must be one of {WRAPPINGS}, but is {texture_wrapping!r}.")
    if load_texture and texture_size < 2:
        raise ValueError(f"load_obj: `texture_size` must be at least 2, but is {texture_size}.")
    obj = read_obj(path)
    vertices = normalize(obj.vertices) if normalization else obj.vertices
    geometry = (torch.as_tensor(vertices), torch.as_tensor(obj.faces))
    if not load_texture:
        return geometry
    return *geometry, _paint(Path(path), obj, texture_size, texture_wrapping, use_bilinear)


def normalize(vertices: np.ndarray) -> np.ndarray:
    """Vertices float32 (V, 3) with their box at the origin and its longest side 2 (a point stays a point)."""
    moved = vertices - vertices.min(axis=0)
    extent = moved.max()
    if extent > 0:
        moved = moved / extent * 2
    return moved - moved.max(axis=0) / 2


def _paint(path: Path, obj: ObjFile, size: int, wrapping: str, bilinear: bool) -> Tensor:
    """The texture cubes of all faces, float32 (F, size, size, size, 3)."""
    library = _library(path, obj.libraries)
    cubes = torch.full((len(obj.faces), size, size, size, 3), UNPAINTED)
    for number, name in enumerate(obj.materials):
        material = library.get(name)
        if material is None:
            if name:
                warnings.warn(
                    f"load_obj: no .mtl file of {path} defines material {name!r}; it stays grey.",
                    stacklevel=3,
                )
            continue
        faces = torch.as_tensor(np.flatnonzero(obj.material == number))
        if material.color is not None:
            cubes[faces] = torch.tensor(material.color)
        if material.picture is not None:
            if len(obj.uv) == 0:
                raise ValueError(
                    f"load_obj: material {name!r} of {path} has the picture {material.picture!r}, "
                    "but the file has no texture coordinates (vt)."
                )
            image = _read_picture(_picture_path(path, material.picture, name))
            uv = torch.as_tensor(obj.uv)[torch.as_tensor(obj.uv_faces)[faces]]  # -1 is the last one
            cubes[faces] = bake_cubes(image, uv, size, wrapping, bilinear)
    return cubes


def _library(path: Path, lines: list[str]) -> dict[str, Material]:
    """The materials of all .mtl files in `lines` (the arguments of mtllib); paths may contain blanks."""
    if not lines:
        raise ValueError(f"load_obj: {path} has no mtllib line, so there are no textures. Pass load_texture=False.")
    library: dict[str, Material] = {}
    for line in lines:
        whole = path.parent / line
        for file in [whole] if whole.is_file() else [path.parent / word for word in line.split()]:
            if not file.is_file():
                raise FileNotFoundError(f"load_obj: {path} names the material file {line!r}, but there is no {file}.")
            library |= read_mtl(file)
    return library


def _picture_path(path: Path, picture: str, material: str) -> Path:
    # A downloaded mesh must not make us open files anywhere. Links inside the folder are the user's doing.
    folder = path.parent
    relative = PurePosixPath(os.path.normpath(picture.replace("\\", "/")))
    if relative.is_absolute() or ".." in relative.parts or ":" in relative.parts[0]:
        raise ValueError(
            f"load_obj: the picture {picture!r} of material {material!r} lies outside {folder.resolve()}, "
            f"the folder of {path.name}. Move it there and change the map_Kd line."
        )
    file = folder / relative
    if not file.is_file():
        raise FileNotFoundError(
            f"load_obj: material {material!r} of {path} needs the picture {file}, which is missing."
        )
    return file


def _read_picture(file: Path) -> Tensor:
    """A picture as float32 (H, W, 3) in [0, 1], row 0 on top."""
    with Image.open(file) as image:
        if image.mode.startswith("I"):  # 16 bits, which a conversion to RGB would clip
            grey = np.asarray(image, dtype=np.float32)[..., None] / 65535
            return torch.as_tensor(np.repeat(grey, 3, axis=2))
        return torch.as_tensor(np.asarray(image.convert("RGB"), dtype=np.float32) / 255)
