"""Writes .obj files as `neural_renderer` does, texture cubes included."""

import os
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from repousse.compat.neural_renderer.tensors import ArrayLike, float_tensor
from repousse.compat.neural_renderer.texture_cubes import create_texture_image

MATERIAL = "material_1"


def save_obj(
    filename: str | os.PathLike[str], vertices: ArrayLike, faces: ArrayLike, textures: ArrayLike | None = None
) -> None:
    """Write a mesh to `filename`, and its texture to a .mtl and a .png beside it.

    vertices  float (V, 3), written with 8 decimals
    faces     int (F, 3)
    textures  float (F, T, T, T, 3), colours in [0, 1], clamped; laid out by `create_texture_image`

    A tensor may be on any device and require gradients. Nothing is written if the arguments are wrong:
    ValueError for shapes and for values that are not finite, IndexError for faces that name vertices that do
    not exist.
    """
    path = Path(filename)
    points = float_tensor(vertices, "save_obj: `vertices`").detach().cpu().numpy()
    index = faces.detach().cpu().numpy() if isinstance(faces, Tensor) else np.asarray(faces)
    if points.ndim != 2 or points.shape[1] != 3 or index.ndim != 2 or index.shape[1] != 3:
        raise ValueError(
            "save_obj: `vertices` must be (vertices, 3) and `faces` (faces, 3), "
            f"but are {points.shape} and {index.shape}. Save the meshes of a batch one by one."
        )
    if index.dtype.kind not in "iu":
        raise TypeError(f"save_obj: `faces` must hold integers, not {index.dtype}.")
    if index.size and (index.min() < 0 or index.max() >= len(points)):
        raise IndexError(
            f"save_obj: `faces` holds {index.min()} to {index.max()}, but there are {len(points)} vertices."
        )
    if not np.isfinite(points).all():
        raise ValueError("save_obj: `vertices` holds values that are not finite.")
    head = f"# {path.name}\n#\n\n"
    body = _lines("v %.8f %.8f %.8f\n", points) + "\n"
    if textures is None:
        path.write_text(head + body + _lines("f %d %d %d\n", index + 1), encoding="utf-8")
        return

    stem = path.with_suffix("") if path.suffix.lower() == ".obj" else path
    material, picture = (stem.with_name(stem.name + ending) for ending in (".mtl", ".png"))
    image, uv = create_texture_image(textures)
    if len(uv) != len(index):
        raise ValueError(f"save_obj: {len(uv)} texture cubes are given for {len(index)} faces.")
    if not np.isfinite(image).all():
        raise ValueError("save_obj: `textures` holds values that are not finite.")
    corners = np.stack([index + 1, np.arange(1, index.size + 1).reshape(-1, 3)], axis=2)
    body += _lines("vt %.8f %.8f\n", uv.reshape(-1, 2)) + "\n"
    body += f"usemtl {MATERIAL}\n" + _lines("f %d/%d %d/%d %d/%d\n", corners) + "\n"
    Image.fromarray((image.clip(0, 1) * 255 + 0.5).astype(np.uint8)).save(picture)
    path.write_text(f"{head}mtllib {material.name}\n\n{body}", encoding="utf-8")
    material.write_text(f"newmtl {MATERIAL}\nmap_Kd {picture.name}\n", encoding="utf-8")


def _lines(template: str, rows: np.ndarray) -> str:
    return template * len(rows) % tuple(rows.reshape(-1).tolist())
