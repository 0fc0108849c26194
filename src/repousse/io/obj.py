"""Wavefront OBJ.

Read here and not by trimesh, because a renderer needs what trimesh gives up on the way to its single index
per vertex: the file's own index of positions, its order of faces (trimesh groups them by material), indices
relative to the current line, and errors for what is out of range.
"""

import re
from pathlib import Path

import numpy as np

from .corners import Corners, listed, split
from .files import Folders
from .mtl_materials import Library, Placement
from .mtl_write import MtlWriter
from .obj_bulk import parse_bulk
from .obj_text import Statements, parse_lines
from .polygons import fans


def read_obj(data: bytes, path: Path, textures: Path | None = None) -> Corners:
    """Parse an OBJ file, with the materials and textures of its material files.

    textures  a folder besides that of `path` from which these may come

    Indices may be negative (counted back from the line they are on); polygons become fans; colours behind the
    position ("v x y z r g b") are taken as they are. ValueError names the line that cannot be read.

    Materials (see `mtl_materials`) stand in the order of the material files. Faces of a material that none of
    them defines get a plain one of that name, and what is missing or broken is left out, with a note. -s and
    -o of textures become part of uv.
    """
    data = data.removeprefix(b"\xef\xbb\xbf").replace(b"\\\r\n", b" ").replace(b"\\\n", b" ")
    text = parse_bulk(data) or parse_lines(data, f"load: {path}")
    corner, owner = fans(text.lengths)
    faces = text.references[corner]  # (F, corner, v vt vn)
    corners = Corners(text.rows["v"][:, :3], faces[..., 0])
    for i, (name, key) in enumerate({"uv": "vt", "normal": "vn"}.items(), 1):
        if (faces[..., i] >= 0).any():
            corners.attributes[name] = text.rows[key], faces[..., i]
    if text.rows["v"].shape[1] > 3:
        corners.attributes["color"] = text.rows["v"][:, 3:], faces[..., 0]
    if text.statements.skipped:
        corners.notes.append(f"{', '.join(sorted(text.statements.skipped))} were not loaded")
    _add_materials(corners, text.statements, text.material[owner], Folders(path.parent, textures))
    return corners


def _add_materials(corners: Corners, statements: Statements, material: np.ndarray, folders: Folders) -> None:
    """material  int (F,)  number of a name in `statements.materials`, -1 for none"""
    library = Library(folders)
    for name in dict.fromkeys(statements.libraries):
        library.read(name)
    names = list(statements.materials)
    used = {names[i] for i in np.unique(material) if i >= 0}
    unknown = [name for name in names if name in used and name not in library.blocks]
    if unknown:
        corners.notes.append(f"no material file defines {listed(unknown)}: plain here")
    order = {name: i for i, name in enumerate([name for name in library.blocks if name in used] + unknown)}
    # Numbers in order of first use become those in `order`; -1 finds the last entry.
    corners.material_id = np.array([*(order.get(name, -1) for name in names), -1])[material]
    placements: dict[int, Placement] = {}
    for name, number in order.items():
        made, placement = library.material(name)
        corners.materials.append(made)
        if placement is not None:
            placements[number] = placement
    if placements:
        _place(corners, placements)
    corners.notes += library.notes


def _place(corners: Corners, placements: dict[int, Placement]) -> None:
    """Give the faces of some materials uv of their own, scaled and moved."""
    if "uv" not in corners.attributes or corners.material_id is None:
        return
    values, index = corners.attributes["uv"]
    here = np.isin(corners.material_id, list(placements))[:, None] & (index >= 0)
    owner = np.broadcast_to(corners.material_id[:, None], index.shape)[here]
    used, renumbered = np.unique(np.stack((index[here], owner), -1), axis=0, return_inverse=True)
    numbers, which = np.unique(used[:, 1], return_inverse=True)
    table = np.array([placements[number] for number in numbers.tolist()]).reshape(-1, 2, 2)[which.reshape(-1)]
    index = index.copy()
    index[here] = len(values) + renumbered.reshape(-1)
    corners.attributes["uv"] = np.concatenate((values, values[used[:, 0]] * table[:, 0] + table[:, 1])), index


def write_obj(corners: Corners, digits: int, stem: str) -> tuple[bytes, dict[str, bytes]]:
    """OBJ text, and the files that belong beside it: stem.mtl and its textures, if there are materials.

    Positions, uv and normals keep their own indices; a colour belongs to a position, which is repeated where
    colours differ. `digits` significant digits are written. What MTL cannot hold is added to `corners.notes`.
    """
    number = f"%.{digits}g"
    positions, index = corners.positions, corners.faces
    if "color" in corners.attributes:
        colors, color_index = corners.attributes["color"]
        rows, index = split(len(positions), [corners.faces, color_index])
        positions = np.concatenate((positions[rows[:, 0]], colors[rows[:, 1], :3]), 1)
    chunks = [_lines("v", number, positions)]
    references = {"v": index}
    for name, key in (("uv", "vt"), ("normal", "vn")):
        if name in corners.attributes:
            values, references[key] = corners.attributes[name]
            chunks.append(_lines(key, number, values))
    corner = {
        ("v",): "%d",
        ("v", "vt"): "%d/%d",
        ("v", "vn"): "%d//%d",
        ("v", "vt", "vn"): "%d/%d/%d",
    }[tuple(references)]
    line = f"f {corner} {corner} {corner}\n"
    flat = (np.stack(list(references.values()), -1) + 1).reshape(len(corners.faces), -1)
    if corners.material_id is None:
        chunks.append(line * len(flat) % tuple(flat.reshape(-1).tolist()))
        return "".join(chunks).encode(), {}
    stem = re.sub(r"[\s\x00-\x1f\x7f]", "_", stem)  # many programs take a blank for the end of the name
    writer = MtlWriter(corners.materials, stem)
    corners.notes += writer.notes
    chunks.insert(0, f"mtllib {stem}.mtl\n")
    changes = np.flatnonzero(np.diff(corners.material_id)) + 1
    for run in np.split(np.arange(len(flat)), changes):
        chunks.append(f"usemtl {writer.names[corners.material_id[run[0]]]}\n")
        chunks.append(line * len(run) % tuple(flat[run].reshape(-1).tolist()))
    return "".join(chunks).encode(), {f"{stem}.mtl": writer.text.encode(), **writer.files}


def _lines(key: str, number: str, values: np.ndarray) -> str:
    line = " ".join([key] + [number] * values.shape[1]) + "\n"
    return line * len(values) % tuple(values.reshape(-1).tolist())
