"""Laying surfaces out flat."""

import builtins

import pytest
import torch

from repousse.geometry import Mesh, cube, icosphere, join, plane, torus
from repousse.geometry.components import component_labels
from repousse.geometry.unwrap import unwrap
from repousse.ops import layers, rasterize

pytest.importorskip("xatlas", reason="needs xatlas")

SHAPES = {
    "sphere": lambda: icosphere(3),
    "torus": lambda: torus(),
    "cube": lambda: cube(),
    "open": lambda: plane(3),
    "two parts": lambda: join([icosphere(2), torus()]),
}


def laid_out(mesh: Mesh) -> torch.Tensor:
    """The charts as a flat mesh in clip space, (1, Va, 4)."""
    uv = mesh.attributes["uv"].values
    return torch.stack(
        (2 * uv[:, 0] - 1, 1 - 2 * uv[:, 1], torch.full_like(uv[:, 0], 0.5), torch.ones_like(uv[:, 0])), -1
    )[None]


@pytest.fixture(params=SHAPES)
def mesh(request: pytest.FixtureRequest) -> Mesh:
    return SHAPES[request.param]()


def test_charts_do_not_overlap(mesh: Mesh) -> None:
    """Breaks if two places of the surface share a texel, or charts leave the square."""
    flat = unwrap(mesh, resolution=256)
    uv = flat.attributes["uv"]
    assert uv.values.amin() >= 0 and uv.values.amax() <= 1
    first, second = layers(laid_out(flat), uv.faces, (512, 512), 2)
    assert (first.face_id >= 0).float().mean() > 0.25
    assert not (second.face_id >= 0).any()


def test_charts_keep_their_distance(mesh: Mesh) -> None:
    """Breaks if neighbouring charts are nearer than asked, so that a mipmap would mix their colours."""
    flat = unwrap(mesh, resolution=256, padding=4)
    uv = flat.attributes["uv"]
    shown = rasterize(laid_out(flat), uv.faces, (256, 256)).face_id[0].long()
    label = component_labels(len(uv.values), uv.faces.long())[uv.faces[:, 0].long()]
    labels = torch.where(shown >= 0, label[shown.clamp(min=0)], -1)
    for shift in (1, 2, 3):
        for a, b in ((labels[shift:], labels[:-shift]), (labels[:, shift:], labels[:, :-shift])):
            assert not ((a >= 0) & (b >= 0) & (a != b)).any()


def test_the_shape_stays(mesh: Mesh) -> None:
    """Breaks if vertices are split at seams, faces are reordered, or what the mesh carries is lost."""
    given = mesh.with_attribute("color", torch.rand(len(mesh.positions), 3))
    flat = unwrap(given, resolution=128)
    assert torch.equal(flat.positions, given.positions) and torch.equal(flat.faces, given.faces)
    assert flat.attributes["color"] is given.attributes["color"]
    corners = torch.zeros(len(flat.attributes["uv"].values), dtype=torch.long)
    corners[flat.attributes["uv"].faces.long()] = flat.faces.long()
    assert torch.equal(corners[flat.attributes["uv"].faces.long()], flat.faces.long())  # a row of uv has one vertex


def test_the_same_mesh_gets_the_same_charts() -> None:
    """Breaks if the layout depends on chance: an interrupted fit could not go on."""
    first, second = (unwrap(torus()).attributes["uv"] for _ in range(2))
    assert torch.equal(first.values, second.values) and torch.equal(first.faces, second.faces)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_units_do_not_matter(scale: float) -> None:
    """Breaks if a model in micrometres is laid out worse than one in metres."""
    mesh = torus()
    small = unwrap(mesh.with_positions(mesh.positions * scale), resolution=128).attributes["uv"]
    corners = small.values[small.faces.long()]
    (a, b), (c, d) = (corners[:, 1] - corners[:, 0]).unbind(-1), (corners[:, 2] - corners[:, 0]).unbind(-1)
    assert 0.3 < float((a * d - b * c).abs().sum()) / 2 < 1  # the share of the square that is used


def test_faces_without_area_are_harmless() -> None:
    """Breaks if a face that names a vertex twice, or a needle, spoils the layout of the others."""
    mesh = icosphere(2)
    odd = torch.tensor([[0, 0, 1], [2, 2, 2]], dtype=torch.int32)
    flat = unwrap(Mesh(mesh.positions, torch.cat((mesh.faces, odd))), resolution=128)
    assert flat.attributes["uv"].values.isfinite().all() and len(flat.attributes["uv"].faces) == len(mesh.faces) + 2


def test_what_cannot_be_laid_out_is_named() -> None:
    """Breaks if bad input reaches the native library."""
    with pytest.raises(ValueError, match="without area"):
        unwrap(Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2]])))
    with pytest.raises(ValueError, match="not finite"):
        unwrap(Mesh(torch.full((3, 3), torch.nan), torch.tensor([[0, 1, 2]])))
    with pytest.raises(ValueError, match="more than one mesh"):
        unwrap(icosphere(1).with_positions(torch.zeros(2, 42, 3)))
    with pytest.raises(ValueError, match="resolution"):
        unwrap(icosphere(1), resolution=4)


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks if a user without xatlas is not told what to install."""
    real = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name == "xatlas":
            raise ImportError(name)
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"repousse\[fit\]"):
        unwrap(icosphere(1))
