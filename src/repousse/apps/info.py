"""Say what is in a mesh file."""

import json
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import torch
import tyro
from rich.console import Console
from rich.table import Table

from repousse import io
from repousse.apps.common import InputError, first_line, plural, require
from repousse.geometry import Inspection, Material, Mesh, inspect


@dataclass(frozen=True)
class Info:
    """Print what is in a mesh file: sizes, materials, textures, and what is wrong with it."""

    model: Annotated[Path, tyro.conf.Positional]
    """Mesh file: OBJ, PLY, STL, OFF, GLB or glTF, perhaps with .gz behind it."""
    json: bool = False
    """Print JSON instead of a table."""


def info(settings: Info) -> None:
    """Print the report of `settings.model`."""
    mesh, notes = load_with_notes(settings.model)
    found = inspect(mesh)
    if settings.json:
        print(json.dumps(_as_data(settings.model, mesh, found, notes), indent=2))
        return
    console = Console(soft_wrap=True)
    console.print(_table(settings.model, mesh, found))
    for line in (*found.problems(), *_odd_uv(mesh), *notes):
        console.print(f"! {line}", style="yellow", markup=False, highlight=False)


def load_with_notes(path: Path) -> tuple[Mesh, list[str]]:
    """The mesh of a file, and what its reader warned of."""
    require(path.is_file(), f"there is no file {path}")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            mesh = io.load(path)
    except Exception as error:  # whatever a damaged file makes a parser raise, the user wants one line
        raise InputError(f"{path} cannot be read as a mesh: {first_line(error)}") from error
    notes = [str(warning.message).removeprefix(f"load: {path}: ") for warning in caught]
    return mesh, [part for note in notes for part in note.split("; ")]


def _table(path: Path, mesh: Mesh, found: Inspection) -> Table:
    table = Table(title=str(path), show_header=False, title_justify="left", min_width=60)
    rows = {
        "vertices, faces": f"{found.vertices:,}, {found.faces:,} in {plural(found.components, 'part')}",
        "watertight": "yes" if found.watertight else "no",
        "from": _numbers(found.low),
        "to": _numbers(found.high),
        "extent": _numbers(tuple(high - low for low, high in zip(found.low, found.high, strict=True))),
        "area": f"{found.area:.6g}",
        "volume": "-" if found.volume is None else f"{found.volume:.6g}",
        "attributes": ", ".join(f"{name} ({a.values.shape[-1]})" for name, a in mesh.attributes.items()) or "none",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    if mesh.material_id is not None:
        counts = torch.bincount(mesh.material_id, minlength=len(mesh.materials)).tolist()
        for i, (material, count) in enumerate(zip(mesh.materials, counts, strict=True)):
            table.add_row(f"material {i}", f"{_look(material)}; {plural(count, 'face')}")
    else:
        table.add_row("materials", "none")
    return table


def _look(material: Material) -> str:
    color = ", ".join(f"{value:.3g}" for value in torch.as_tensor(material.base_color).tolist())
    parts = [
        material.name or "unnamed",
        f"colour ({color})",
        f"metallic {float(material.metallic):.3g}",
        f"roughness {float(material.roughness):.3g}",
        *(f"{name.removesuffix('_texture')} {tuple(t.image.shape)}" for name, t in material.textures()),
    ]
    if material.alpha != "opaque":
        parts.append(f"alpha {material.alpha}")
    if material.double_sided:
        parts.append("double-sided")
    return ", ".join(parts)


def _odd_uv(mesh: Mesh) -> list[str]:
    """What texture coordinates may look wrong with."""
    if "uv" not in mesh.attributes:
        textured = [material.name for material in mesh.materials if material.textures()]
        return [f"materials {', '.join(textured)} have textures but the mesh has no uv"] if textured else []
    uv = mesh.attributes["uv"]
    corners = uv.values[uv.faces.long()].double()
    (u1, v1), (u2, v2) = ((corners[:, i] - corners[:, 0]).unbind(-1) for i in (1, 2))
    flat = int((u1 * v2 == u2 * v1).sum())
    outside = int(((corners < 0) | (corners > 1)).any(-1).any(-1).sum())
    lines = [f"{flat} faces have uv without area"] if flat else []
    return [*lines, f"{outside} faces have uv outside [0, 1], where textures repeat"] if outside else lines


def _as_data(path: Path, mesh: Mesh, found: Inspection, notes: list[str]) -> dict[str, object]:
    materials = [
        {
            "name": material.name,
            "base_color": torch.as_tensor(material.base_color).tolist(),
            "metallic": float(material.metallic),
            "roughness": float(material.roughness),
            "alpha": material.alpha,
            "double_sided": material.double_sided,
            "textures": {name: list(texture.image.shape) for name, texture in material.textures()},
        }
        for material in mesh.materials
    ]
    return {
        "file": str(path),
        **asdict(found),
        "watertight": found.watertight,
        "attributes": {name: a.values.shape[-1] for name, a in mesh.attributes.items()},
        "materials": materials,
        "problems": [*found.problems(), *_odd_uv(mesh), *notes],
    }


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.6g}" for value in values)
