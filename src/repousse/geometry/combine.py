"""Several meshes as one: `pack` for one per picture, `join` for all in one scene."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from repousse.geometry.checks import check_single
from repousse.geometry.material import Material
from repousse.geometry.mesh import Attribute, Mesh
from repousse.geometry.normals import vertex_normals


def pack(meshes: Sequence[Mesh]) -> Mesh:
    """Put different meshes, one per image, into a single one.

    >>> packed = pack([cube(), icosphere(1)])
    >>> packed, packed.ranges.tolist()
    (Mesh(2 meshes, 50 vertices, 92 faces, uv), [[0, 12], [12, 80]])

    Vertices and faces are concatenated and indices refer to the concatenation; `ranges` and `vertex_ranges`
    of the result tell the meshes apart. It keeps the attributes that all meshes have and drops the others; a mesh
    without materials among others gets a default one.

    Differentiable in positions and values. ValueError for no mesh, for poses (B, V, 3) and packed meshes, and
    for attributes that differ in their number of channels.
    """
    _check_single_meshes("pack", meshes)
    names = [name for name in meshes[0].attributes if all(name in mesh.attributes for mesh in meshes)]
    whole, vertex_ranges = _concatenated("pack", meshes, names)
    return Mesh(
        whole.positions,
        whole.faces,
        whole.attributes,
        ranges=_ranges([len(mesh.faces) for mesh in meshes]),
        vertex_ranges=vertex_ranges,
        materials=whole.materials,
        material_id=whole.material_id,
    )


def join(meshes: Sequence[Mesh]) -> Mesh:
    """Put several objects into one scene; they are drawn together and occlude each other.

    >>> join([cube(), icosphere(1)])
    Mesh(50 vertices, 92 faces, uv)

    Every attribute that a mesh has is kept. Where another mesh lacks it, its "uv" is 0, its "color" white, its
    "normal" that of its vertices, and any other attribute 0. Colours with and without alpha mix. Materials are
    concatenated; a mesh without any gets a default one.

    Differentiable in positions and values. ValueError as for `pack`.
    """
    _check_single_meshes("join", meshes)
    names = list(dict.fromkeys(name for mesh in meshes for name in mesh.attributes))
    channels = {name: max(_channels(mesh, name) for mesh in meshes) for name in names}
    return _concatenated("join", [_completed(mesh, channels) for mesh in meshes], names)[0]


def _check_single_meshes(caller: str, meshes: Sequence[Mesh]) -> None:
    if not meshes:
        raise ValueError(f"{caller}: no meshes given. Give at least one.")
    for mesh in meshes:
        check_single(caller, mesh.positions)
        if mesh.ranges is not None:
            raise ValueError(f"{caller}: one of the meshes is packed already. Combine all single meshes at once.")


def _channels(mesh: Mesh, name: str) -> int:
    return mesh.attributes[name].values.shape[-1] if name in mesh.attributes else 0


_NEUTRAL: dict[str, Callable[[Tensor, int], Tensor]] = {
    "color": lambda positions, channels: positions.new_ones(len(positions), channels),
    "uv": lambda positions, channels: positions.new_zeros(len(positions), channels),
}


def _completed(mesh: Mesh, channels: dict[str, int]) -> Mesh:
    """The mesh with a neutral attribute for each that it lacks, and an alpha of 1 for colours without."""
    for name, count in channels.items():
        if name not in mesh.attributes:
            if name == "normal":
                values = vertex_normals(mesh.positions, mesh.faces)
            else:
                values = _NEUTRAL.get(name, _NEUTRAL["uv"])(mesh.positions, count)
            mesh = mesh.with_attribute(name, values)
        elif name == "color" and mesh.attributes[name].values.shape[-1] == 3 < count:
            old = mesh.attributes[name]
            mesh = mesh.with_attribute(name, torch.nn.functional.pad(old.values, (0, 1), value=1.0), old.faces)
    return mesh


def _concatenated(caller: str, meshes: Sequence[Mesh], names: list[str]) -> tuple[Mesh, Tensor]:
    """One mesh with the attributes `names`, and where the vertices of each part lie."""
    positions, faces, vertex_ranges = _concatenate([(mesh.positions, mesh.faces) for mesh in meshes])
    attributes = {}
    for name in names:
        parts = [mesh.attributes[name] for mesh in meshes]
        shapes = {tuple(part.values.shape[:-2]) + tuple(part.values.shape[-1:]) for part in parts}
        if len(shapes) > 1 or any(part.values.ndim == 3 for part in parts):
            found = ", ".join(str(tuple(part.values.shape)) for part in parts)
            raise ValueError(
                f"{caller}: attribute {name!r} has values {found}. They must be (Va, C) with the same C everywhere."
            )
        if all(part.faces is mesh.faces for part, mesh in zip(parts, meshes, strict=True)):
            attributes[name] = Attribute(torch.cat([part.values for part in parts]), faces)
        else:
            values, indices, _ = _concatenate([(part.values, part.faces) for part in parts])
            attributes[name] = Attribute(values, indices)
    materials, material_id = _materials(meshes)
    return Mesh(positions, faces, attributes, materials=materials, material_id=material_id), vertex_ranges


def _materials(meshes: Sequence[Mesh]) -> tuple[tuple[Material, ...], Tensor | None]:
    if not any(mesh.materials for mesh in meshes):
        return (), None
    materials: list[Material] = []
    ids = []
    for mesh in meshes:
        if mesh.material_id is None:
            ids.append(torch.full_like(mesh.faces[:, 0], len(materials)))
        else:
            ids.append(mesh.material_id + len(materials))
        materials += mesh.materials or (Material(),)
    return tuple(materials), torch.cat(ids)


def _concatenate(parts: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    """Rows and indices of all parts one after the other, and where the rows of each part lie."""
    ranges = _ranges([len(rows) for rows, _ in parts])
    indices = [index + first for (_, index), first in zip(parts, ranges[:, 0].tolist(), strict=True)]
    return torch.cat([rows for rows, _ in parts]), torch.cat(indices), ranges


def _ranges(lengths: list[int]) -> Tensor:
    """int64 (B, 2): first and number."""
    numbers = torch.tensor(lengths)
    return torch.stack([numbers.cumsum(0) - numbers, numbers], dim=1)
