"""What the audit looks at: one scene for each thing that makes silhouettes hard."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from repousse import io
from repousse.apps.audit import shapes
from repousse.camera import Camera
from repousse.geometry import Mesh, cube, icosphere, join, torus
from repousse.gradients import Estimator
from repousse.render import render
from repousse.shading import Ambient, Directional, Light, Shader, flat, lambert

LIGHTS: tuple[Light, ...] = (Ambient(0.3), Directional((0.5, 0.7, 0.6), 0.7))


@dataclass(frozen=True, eq=False)
class Scene:
    """A mesh and how it is looked at. Shaders must not look at the camera: see `directions.Motion`.

    what        one sentence for the reader of the report
    mesh        one mesh (V, 3), within about [-1, 1]
    camera      one camera without batch dimension, of square pictures
    shader      lambert or flat, or one's own
    smooth      interpolate normals
    background  colour behind the mesh
    white       few vertices, large faces: they are also moved one by one, by white noise
    lights      what shines
    """

    what: str
    mesh: Mesh
    camera: Camera
    shader: Shader = lambert
    smooth: bool = False
    background: tuple[float, float, float] = (0.05, 0.08, 0.12)
    white: bool = False
    lights: tuple[Light, ...] = LIGHTS

    def draw(
        self,
        size: int,
        *,
        mesh: Mesh | None = None,
        camera: Camera | None = None,
        gradient: str | Estimator | None = None,
        supersample: int = 1,
    ) -> Tensor:
        """Colour and mask of the scene, or of the mesh and camera given instead of its own: (B, size, size, 4)."""
        picture = render(
            self.mesh if mesh is None else mesh,
            self.camera if camera is None else camera,
            (size, size),
            lights=self.lights,
            shader=self.shader,
            gradient=gradient,
            supersample=supersample,
            background=self.background,
            smooth=self.smooth,
        )
        return torch.cat((picture.color, picture.mask[..., None]), -1)


class SceneMissing(Exception):
    """A scene cannot be built here; the message says why."""


def sphere_coarse(_: Path) -> Scene:
    mesh = shapes.painted(icosphere(2, 0.85))
    return Scene("320 faces, smooth normals", mesh, _camera(0.3, 0.4), smooth=True, white=True)


def sphere_fine(_: Path) -> Scene:
    mesh = shapes.painted(icosphere(5, 0.85))
    return Scene("20,480 faces of about a pixel, smooth normals", mesh, _camera(0.3, 0.4), smooth=True)


def sphere_million(_: Path) -> Scene:
    mesh = shapes.painted(icosphere(8, 0.85))
    return Scene("1,310,720 faces, hundreds per pixel, smooth normals", mesh, _camera(0.3, 0.4), smooth=True)


def facets(_: Path) -> Scene:
    what = "1,280 faces of about two pixels, each with a normal of its own: the shading jumps at every edge"
    return Scene(what, shapes.painted(icosphere(3, 0.85)), _camera(0.3, 0.4))


def torus_knot(_: Path) -> Scene:
    mesh = shapes.painted(shapes.torus_knot())
    return Scene("hides parts of itself", mesh, _camera(0.35, 0.5), smooth=True)


def rods(_: Path) -> Scene:
    return Scene("prisms 2 to 3 pixels wide", shapes.rods(0.052), _camera(0.2, 0.3), flat, white=True)


def threads(_: Path) -> Scene:
    what = (
        "prisms half a pixel wide: most of them fall between pixel centres, and the hard picture is not near the truth"
    )
    return Scene(what, shapes.rods(0.011), _camera(0.2, 0.3), flat)


def cubes(_: Path) -> Scene:
    first = shapes.coloured(shapes.turned(cube(1.05), (0.5, 0.7, 0.35)), (0.9, 0.4, 0.2))
    second = shapes.coloured(shapes.turned(cube(0.9), (1.0, 0.2, 0.6), (0.3, 0.15, 0.35)), (0.2, 0.5, 0.9))
    return Scene(
        "two cubes through each other, flat shaded", join([first, second]), _camera(0.4, 0.6), flat, white=True
    )


def textured_plane(_: Path) -> Scene:
    return Scene("a UV seam, which is no silhouette", shapes.seamed_plane(), _camera(0.75, 0.35), white=True)


def cloth(_: Path) -> Scene:
    mesh = shapes.painted(shapes.cloth())
    return Scene("an open, wavy sheet: boundaries and folds", mesh, _camera(0.55, 0.5), smooth=True)


def cow(data: Path) -> Scene:
    path = data / "meshes" / "spot.obj.gz"
    if not path.is_file():
        raise SceneMissing(f"there is no {path}; --data names the folder of real data")
    mesh = io.load(path).normalized()
    return Scene("Keenan Crane's Spot, textured", mesh, _camera(0.3, 2.6), smooth=True)


def crumbs(_: Path) -> Scene:
    return Scene("200 cubes of a few pixels", shapes.crumbs(200, 0.13), _camera(0.3, 0.4), flat)


def occluded(_: Path) -> Scene:
    front = shapes.coloured(shapes.turned(icosphere(3, 0.4), (0.3, 0.2, 0.1), (0.25, 0.2, 0.8)), (0.95, 0.8, 0.2))
    behind = shapes.coloured(shapes.turned(torus(0.6, 0.28, (40, 20)), (1.1, 0.2, 0.3)), (0.2, 0.4, 0.8))
    return Scene("a sphere in front of a ring", join([behind, front]), _camera(0.25, 0.3), smooth=True)


SCENES: dict[str, Callable[[Path], Scene]] = {
    "sphere-coarse": sphere_coarse,
    "sphere-fine": sphere_fine,
    "sphere-million": sphere_million,
    "facets": facets,
    "torus-knot": torus_knot,
    "rods": rods,
    "threads": threads,
    "cubes": cubes,
    "textured-plane": textured_plane,
    "cloth": cloth,
    "cow": cow,
    "crumbs": crumbs,
    "occluded": occluded,
}
QUICK = ("sphere-coarse", "cubes", "cloth")


def _camera(elevation: float, azimuth: float) -> Camera:
    camera = Camera.orbit(3.2, elevation, azimuth, fov=math.radians(40))
    return Camera(camera.world_to_camera.view(4, 4), camera.projection.view(4, 4))
