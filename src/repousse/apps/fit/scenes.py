"""Pictures of a fit for its report: compared with the input, as a turntable, as clay and wire."""

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from repousse.apps.fit.measure import eyes, shown
from repousse.apps.studio import CLAY
from repousse.camera import Camera, frame
from repousse.geometry import Mesh
from repousse.render import render
from repousse.shading import Ambient, Directional, Light, Shader, lambert
from repousse.shading.wireframe import wireframe

if TYPE_CHECKING:
    from repousse.data import Views

GROUND = 0.82  # linear grey, which the report's own pictures stand before
_ELEVATION = math.radians(20.0)
_WORST = 0.25  # difference in sRGB that is drawn in full colour
_HEAT = torch.tensor([[0.0, 0.0, 0.0], [0.34, 0.06, 0.43], [0.73, 0.21, 0.33], [0.98, 0.55, 0.04], [0.99, 1.0, 0.64]])


def strip(mesh: Mesh, lights: Sequence[Light], views: "Views", index: int, longest: int = 320) -> Tensor:
    """(h, 4 w, 3) sRGB: the picture, the mesh from there, their difference and both silhouettes.

    longest  side; larger pictures are made smaller

    The difference is the mean over the channels in sRGB: black is none, yellow a quarter of the range. Of silhouettes,
    white is in both, red in the picture alone and blue in the mesh alone.
    """
    picture = shown(mesh, lights, views, index)
    wanted, got = eyes(views.color[index]), eyes(picture.color[0])
    mask, ours = views.mask[index], picture.mask[0]
    silhouettes = torch.stack((mask, torch.minimum(mask, ours), ours), -1)
    row = torch.cat((wanted, got, heat((wanted - got).abs().mean(-1) / _WORST), silhouettes), 1)
    scale = longest / max(wanted.shape[:2])
    if scale >= 1:
        return row
    size = round(row.shape[0] * scale), round(wanted.shape[1] * scale) * 4
    smaller = torch.nn.functional.interpolate(row.movedim(-1, 0)[None], size, mode="bilinear", antialias=True)
    return smaller[0].movedim(0, -1)


def heat(values: Tensor) -> Tensor:
    """Colours (..., 3) of numbers in [0, 1]: from black over violet and orange to yellow."""
    place = values.clamp(0, 1) * (len(_HEAT) - 1)
    low = place.floor().long().clamp(max=len(_HEAT) - 2)
    return torch.lerp(_HEAT[low], _HEAT[low + 1], (place - low)[..., None])


def turntable(mesh: Mesh, lights: Sequence[Light], views: "Views", frames: int = 36, size: int = 320) -> list[Tensor]:
    """Pictures (size, size, 3) in sRGB, all around the mesh and in its own light."""
    return _drawn(mesh, lights, around(mesh, views, frames), size, lambert)


def clay_and_wire(mesh: Mesh, views: "Views", size: int = 320) -> list[Tensor]:
    """From four sides, in sRGB (size, size, 3): the shape as if of clay, then with the edges of its faces."""
    shape = Mesh(mesh.positions, mesh.faces).with_materials([CLAY])
    cameras = around(mesh, views, 4)
    lines = functools.partial(wireframe, color=0.02)
    found: list[Tensor] = []
    for index in range(4):
        camera = cameras[index : index + 1]
        right, down, forward = camera.world_to_camera[0, :3, :3]
        lamp = Directional((-forward - 0.7 * right - 0.8 * down).tolist(), 0.8)
        found += _drawn(shape, [Ambient(0.35), lamp], camera, size, lambert, smooth=True)
        found += _drawn(shape, [Ambient(0.35), lamp], camera, size, lines, smooth=False)
    return found[::2] + found[1::2]


def around(mesh: Mesh, views: "Views", count: int) -> Camera:
    """Cameras at even steps around the mesh, upright as the cameras of the pictures are on average."""
    up = -views.camera.world_to_camera.reshape(-1, 4, 4)[:, 1, :3].mean(0)
    turn = _upright(up) if float(up.norm()) > 0.1 else torch.eye(3)
    azimuths = torch.arange(count) * (2 * math.pi / count)
    points = mesh.positions.detach()[mesh.faces.unique().long()]
    camera = frame(points @ turn.T, (1, 1), _ELEVATION, azimuths)
    pose = torch.eye(4)
    pose[:3, :3] = turn
    return Camera(camera.world_to_camera @ pose, camera.projection)


def _upright(up: Tensor) -> Tensor:
    """The rotation (3, 3) that turns `up` to +y by the shortest way."""
    up = torch.nn.functional.normalize(up, dim=0)
    sideways = torch.tensor((1.0, 0.0, 0.0)) if abs(float(up[0])) < 0.9 else torch.tensor((0.0, 0.0, 1.0))
    if float(up[1]) > -0.99:
        x, y, z = up.tolist()
        cross = torch.tensor([[0.0, -x, 0.0], [x, 0.0, z], [0.0, -z, 0.0]])  # of (up x y)
        return torch.eye(3) + cross + cross @ cross / (1 + y)
    right = torch.nn.functional.normalize(sideways - up * (up @ sideways), dim=0)
    return torch.stack((right, up, torch.linalg.cross(right, up)))


@torch.no_grad()
def _drawn(
    mesh: Mesh, lights: Sequence[Light], cameras: Camera, size: int, shader: Shader, smooth: bool = True
) -> list[Tensor]:
    found: list[Tensor] = []
    for index in range(len(cameras)):
        picture = render(
            mesh,
            cameras[index : index + 1],
            (size, size),
            lights=lights,
            shader=shader,
            gradient=None,
            supersample=2,
            smooth=smooth,
        )
        found.append(eyes(picture.color[0] + GROUND * (1 - picture.mask[0, ..., None])))
    return found
