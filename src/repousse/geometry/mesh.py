"""Meshes: positions, faces and attributes, each attribute with its own index per face corner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from repousse.geometry.checks import check_device, check_rows, check_single, checked_faces, checked_ranges
from repousse.geometry.topology import Topology, topology

_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Attribute:
    """Values that faces interpolate between their corners.

    Their index is independent of that of the positions, so a seam in the texture is no edge of the shape.

    values  float (Va, C) or (B, Va, C)
    faces   int   (F, 3)  row of `values` at each face corner; becomes contiguous int32
    """

    values: Tensor
    faces: Tensor

    def __post_init__(self) -> None:
        check_rows("Attribute", "values", self.values, "Va, C")
        count = self.values.shape[-2]
        vars(self)["faces"] = checked_faces("Attribute", self.faces, count, f"`values` has {count} rows")
        check_device("Attribute", "values", self.values, self.faces)

    def __repr__(self) -> str:
        return f"Attribute({_sizes(self.values, 'values')} of {self.values.shape[-1]} channels)"


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh, several poses of one mesh, or several meshes packed into one (see `pack`).

    >>> icosphere(3)
    Mesh(642 vertices, 1280 faces, uv)

    positions      float (V, 3) or (B, V, 3)  B poses share faces
    faces          int   (F, 3)               counter-clockwise from outside; becomes contiguous int32
    attributes     by name; usual ones are "uv" (C = 2), "color" (C = 3 or 4), "normal" (C = 3)
    ranges         int64 (B, 2) on the CPU    packed meshes only: first face and number of faces of each mesh
    vertex_ranges  int64 (B, 2) on the CPU    packed meshes only: likewise for vertices

    A mesh is a value: its methods return new meshes, which share what has not changed. Differentiable in
    `positions` and in the attributes' values.

    TypeError for what is no tensor or has the wrong dtype, ValueError for wrong shapes and empty meshes,
    IndexError for an index without a vertex.
    """

    positions: Tensor
    faces: Tensor
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    ranges: Tensor | None = field(default=None, kw_only=True)
    vertex_ranges: Tensor | None = field(default=None, kw_only=True)
    # Shared by all meshes with these faces, so that whichever of them is asked first computes for all.
    _shared: dict[str, Topology] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        check_rows("Mesh", "positions", self.positions, "V, 3", channels=3)
        count = self.positions.shape[-2]
        fields = vars(self)  # the one way past a frozen dataclass
        fields["faces"] = checked_faces("Mesh", self.faces, count, f"`positions` has {count} vertices")
        check_device("Mesh", "positions", self.positions, self.faces)
        fields["attributes"] = dict(self.attributes)
        for name, attribute in self.attributes.items():
            self._check_attribute(name, attribute)
        if (self.ranges is None) != (self.vertex_ranges is None):
            raise ValueError("Mesh: `ranges` and `vertex_ranges` go together. pack() makes both.")
        if self.ranges is not None and self.vertex_ranges is not None:
            check_single("Mesh", self.positions)
            fields["ranges"] = checked_ranges("Mesh", "ranges", self.ranges, len(self.faces), "faces")
            parts = checked_ranges("Mesh", "vertex_ranges", self.vertex_ranges, count, "vertices")
            fields["vertex_ranges"] = parts

    @property
    def topology(self) -> Topology:
        """Edges and the faces along them; computed once for all meshes that share these faces."""
        if "topology" not in self._shared:
            self._shared["topology"] = topology(self.faces, self.positions.shape[-2])
        return self._shared["topology"]

    def to(self, target: torch.device | str | torch.dtype) -> Mesh:
        """The mesh on another device, or with floats of another precision (faces stay int32)."""
        if isinstance(target, torch.dtype):
            if not target.is_floating_point:
                raise TypeError(f"Mesh.to: {target} is no floating-point type. Faces are always int32.")
            moved: dict[int, Tensor] = {}
        else:
            # Attributes often share the index of the positions and should go on doing so.
            indices = {id(old.faces): old.faces for old in (self, *self.attributes.values())}
            moved = {key: index.to(target) for key, index in indices.items()}
        faces = moved.get(id(self.faces), self.faces)
        attributes = {
            name: _changed(old, values=old.values.to(target), faces=moved.get(id(old.faces), old.faces))
            for name, old in self.attributes.items()
        }
        shared = self._shared
        if faces is not self.faces:
            shared = {name: found.to(faces.device) for name, found in self._shared.items()}
        positions = self.positions.to(target)
        return _changed(self, positions=positions, faces=faces, attributes=attributes, _shared=shared)

    def with_positions(self, positions: Tensor) -> Mesh:
        """The mesh with its vertices elsewhere: same faces, attributes and topology, nothing computed again.

        positions  float (V, 3) or (B, V, 3)  as many vertices as before
        """
        check_rows("Mesh.with_positions", "positions", positions, "V, 3", channels=3)
        if positions.shape[-2] != self.positions.shape[-2]:
            raise ValueError(
                f"Mesh.with_positions: got {positions.shape[-2]} vertices, the mesh has "
                f"{self.positions.shape[-2]}. Build a new Mesh for other faces."
            )
        check_device("Mesh.with_positions", "positions", positions, self.faces)
        if self.ranges is not None:
            check_single("Mesh.with_positions", positions)
        mesh = _changed(self, positions=positions)
        for name, attribute in mesh.attributes.items():
            mesh._check_attribute(name, attribute)
        return mesh

    def with_attribute(self, name: str, values: Tensor, faces: Tensor | None = None) -> Mesh:
        """The mesh with one more attribute, or another one of that name.

        values  float (Va, C) or (B, Va, C)
        faces   int (F, 3)  row of `values` at each face corner; by default there is one row per vertex
        """
        if faces is None:
            check_rows("Mesh.with_attribute", "values", values, "Va, C")
            if values.shape[-2] != self.positions.shape[-2]:
                raise ValueError(
                    f"Mesh.with_attribute: {name!r} has {values.shape[-2]} rows but the mesh has "
                    f"{self.positions.shape[-2]} vertices. Give one row per vertex, or `faces` with the row "
                    "of each face corner."
                )
            attribute = _trusted(Attribute, values=values, faces=self.faces)
        else:
            attribute = Attribute(values, faces)
        self._check_attribute(name, attribute)
        return _changed(self, attributes={**self.attributes, name: attribute})

    def normalized(self) -> Mesh:
        """The mesh moved and scaled so that its bounding box has its centre at the origin and longest side 2.

        Each pose and each packed mesh gets a box of its own. A mesh that is a single point is only moved.
        Differentiable.
        """
        if self.vertex_ranges is None:
            return self.with_positions(_normalize(self.positions))
        parts = self.positions.split(self.vertex_ranges[:, 1].tolist())
        return self.with_positions(torch.cat([_normalize(part) for part in parts]))

    def __repr__(self) -> str:
        packed = "" if self.ranges is None else f"{len(self.ranges)} meshes, "
        names = "".join(f", {name}" for name in sorted(self.attributes))
        return f"Mesh({packed}{_sizes(self.positions, 'vertices')}, {len(self.faces)} faces{names})"

    def _check_attribute(self, name: str, attribute: Attribute) -> None:
        if not isinstance(attribute, Attribute):
            raise TypeError(
                f"Mesh: attribute {name!r} is of type {type(attribute).__name__}. "
                "Give Attribute(values, faces), or use mesh.with_attribute(name, values)."
            )
        if len(attribute.faces) != len(self.faces):
            raise ValueError(
                f"Mesh: attribute {name!r} has {len(attribute.faces)} faces but the mesh has "
                f"{len(self.faces)}. Every face needs an index for each of its corners."
            )
        poses = [tensor.shape[0] for tensor in (self.positions, attribute.values) if tensor.ndim == 3]
        if len(set(poses)) > 1:
            raise ValueError(
                f"Mesh: attribute {name!r} has {poses[1]} sets of values but `positions` has {poses[0]} "
                "poses. Give one set for all, or one for each pose."
            )
        check_device("Mesh", f"attributes[{name!r}]", attribute.values, self.faces)


def pack(meshes: Sequence[Mesh]) -> Mesh:
    """Put different meshes, one per image, into a single one.

    >>> packed = pack([cube(), icosphere(1)])
    >>> packed, packed.ranges.tolist()
    (Mesh(2 meshes, 50 vertices, 92 faces, uv), [[0, 12], [12, 80]])

    Vertices and faces are concatenated and indices refer to the concatenation; `ranges` and `vertex_ranges`
    of the result tell the meshes apart. It keeps the attributes that all meshes have and drops the others.

    Differentiable in positions and values. ValueError for no mesh, for poses (B, V, 3) and packed meshes, and
    for attributes that differ in their number of channels.
    """
    if not meshes:
        raise ValueError("pack: no meshes given. Give at least one.")
    for mesh in meshes:
        check_single("pack", mesh.positions)
        if mesh.ranges is not None:
            raise ValueError("pack: one of the meshes is packed already. Pack all single meshes at once.")
    positions, faces, vertex_ranges = _concatenate([(mesh.positions, mesh.faces) for mesh in meshes])
    first = meshes[0].attributes
    attributes = {}
    for name in (name for name in first if all(name in mesh.attributes for mesh in meshes)):
        parts = [mesh.attributes[name] for mesh in meshes]
        shapes = {tuple(part.values.shape[:-2]) + tuple(part.values.shape[-1:]) for part in parts}
        if len(shapes) > 1 or any(part.values.ndim == 3 for part in parts):
            found = ", ".join(str(tuple(part.values.shape)) for part in parts)
            raise ValueError(
                f"pack: attribute {name!r} has values {found}. They must be (Va, C) with the same C everywhere."
            )
        values, indices, _ = _concatenate([(part.values, part.faces) for part in parts])
        attributes[name] = Attribute(values, indices)
    ranges = _ranges([len(mesh.faces) for mesh in meshes])
    return Mesh(positions, faces, attributes, ranges=ranges, vertex_ranges=vertex_ranges)


def _concatenate(parts: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    """Rows and indices of all parts one after the other, and where the rows of each part lie."""
    ranges = _ranges([len(rows) for rows, _ in parts])
    indices = [index + first for (_, index), first in zip(parts, ranges[:, 0].tolist(), strict=True)]
    return torch.cat([rows for rows, _ in parts]), torch.cat(indices), ranges


def _ranges(lengths: list[int]) -> Tensor:
    """int64 (B, 2): first and number."""
    numbers = torch.tensor(lengths)
    return torch.stack([numbers.cumsum(0) - numbers, numbers], dim=1)


def _normalize(positions: Tensor) -> Tensor:
    low, high = positions.amin(-2, keepdim=True), positions.amax(-2, keepdim=True)
    longest = (high - low).amax(-1, keepdim=True)
    return (positions - (low + high) / 2) * (2 / torch.where(longest > 0, longest, 2))


def _trusted(kind: type[_T], **fields: object) -> _T:
    """An instance whose fields are known to be right: nothing is checked again."""
    instance = object.__new__(kind)
    vars(instance).update(fields)
    return instance


def _changed(instance: _T, **fields: object) -> _T:
    """The instance with some fields changed to what is known to be right."""
    return _trusted(type(instance), **{**vars(instance), **fields})


def _sizes(rows: Tensor, noun: str) -> str:
    return f"{rows.shape[-2]} {noun}" if rows.ndim == 2 else f"{rows.shape[0]} × {rows.shape[-2]} {noun}"
