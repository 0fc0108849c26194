"""Meshes: positions, faces and attributes, each attribute with its own index per face corner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import torch
from torch import Tensor

from repousse.geometry.checks import (
    check_device,
    check_rows,
    check_single,
    checked_faces,
    checked_material_id,
    checked_ranges,
)
from repousse.geometry.material import Material
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
    materials      of the parts of the mesh; none: matt, of its "color" or white
    material_id    int   (F,)                 which of `materials` each face has; by default all have the first

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
    materials: tuple[Material, ...] = field(default=(), kw_only=True)
    material_id: Tensor | None = field(default=None, kw_only=True)
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
        fields["materials"] = tuple(self.materials)
        fields["material_id"] = checked_material_id("Mesh", self.materials, self.material_id, self.faces)
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
            shared = {name: replace(found.to(faces.device), faces=faces) for name, found in shared.items()}
        materials = tuple(material.to(target) for material in self.materials)
        material_id = self.material_id
        if material_id is not None and not isinstance(target, torch.dtype):
            material_id = material_id.to(target)
        return _changed(
            self,
            positions=self.positions.to(target),
            faces=faces,
            attributes=attributes,
            materials=materials,
            material_id=material_id,
            _shared=shared,
        )

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

    def with_materials(self, materials: Sequence[Material], material_id: Tensor | None = None) -> Mesh:
        """The mesh with other materials.

        material_id  int (F,)  which of them each face has; by default all faces have the first
        """
        given = checked_material_id("Mesh.with_materials", materials, material_id, self.faces)
        return _changed(self, materials=tuple(materials), material_id=given)

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
        if self.materials:
            names += f", {len(self.materials)} material{'s' if len(self.materials) > 1 else ''}"
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
