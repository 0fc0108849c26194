"""Mesh and camera to picture: project, rasterize, interpolate, shade, estimate, pool."""

from collections.abc import Sequence

import torch
from torch import Tensor

from repousse import ops
from repousse.camera import Camera
from repousse.core.numbers import tensor_of
from repousse.geometry import Mesh
from repousse.gradients import Estimator, Interior, Soft, estimator
from repousse.render.appearance import Appearance, Backend
from repousse.render.picture import Picture, nearest_id, pool
from repousse.render.soft import at_corners, draw_softly
from repousse.render.surface import surface
from repousse.render.visible import Cull, Rasterizer
from repousse.shading import DEFAULT_LIGHTS, Light, Lights, Points, Shader, as_lights, lambert


def render(
    mesh: Mesh,
    camera: Camera,
    size: tuple[int, int],
    *,
    lights: Lights = DEFAULT_LIGHTS,
    shader: Shader = lambert,
    gradient: str | Estimator | None = "boundary",
    supersample: int = 1,
    background: float | Sequence[float] | Tensor = 0.0,
    smooth: bool = False,
    cull: Cull = None,
    backend: Backend = "native",
) -> Picture:
    """Draw a mesh.

    >>> camera = Camera.orbit(4.0, azimuth=torch.linspace(0, 3, 5))
    >>> render(cube(), camera, (48, 64)).color.shape
    torch.Size([5, 48, 64, 3])

    mesh         positions (V, 3) are seen by every camera without being copied; (B, V, 3) and packed meshes
                 give one picture per pose or mesh. Materials, textures and the attributes "color", "uv", "normal"
                 and "occlusion" (share of ambient light that arrives; C = 1, or 2: at the front, at the back) are
                 used if there are any
    camera       one for all pictures, or one per picture
    size         (height, width) in pixels
    lights       see `repousse.shading`; by default half of the light comes from everywhere, half from above
    shader       function (points, lights) of the samples' `Points` that returns colours (B, H, W, 3)
    gradient     how silhouettes pass gradient on: the name of an estimator, or an estimator. None or
                 "interior": surfaces get their gradient, silhouettes get none. "soft" or Soft(...) draws color and mask
                 softly: corners of faces are shaded, with textures at full resolution, and their colours mixed, so
                 shaders that compare neighbouring samples (contour, wireframe) make no sense there
    supersample  samples per pixel along each side
    background   number, (3,) or (B, 3)
    smooth       interpolate normals: the attribute "normal", or else those of the vertices. Otherwise each
                 face has one
    cull         do not draw faces turned "back" (away from the camera) or "front"; "back" spares materials that are
                 double-sided. By default both sides are drawn, and normals of back faces are turned round
    backend      of the operations, see `repousse.ops`

    Materials with alpha "mask" are cut out, those with "blend" mixed with what lies behind, in exact order, each
    surface shaded on its own.

    Differentiable in positions, attributes, materials, textures, camera, lights and background; see `Picture` for each
    of its parts. A mesh behind the camera is no error: the picture is empty.

    Computes in the precision of the mesh, under autocast too.

    TypeError for what is no mesh, camera, light or shader; ValueError for an empty size, for textures without "uv",
    and for dtypes, devices or batches that do not match.
    """
    check_settings("render", size, shader, supersample)
    lights = as_lights(lights)
    _check_scene("render", mesh, camera)
    estimate = _chosen(gradient)
    with torch.autocast(camera.projection.device.type, enabled=False):
        scene = _rasterizer("render", mesh, camera, size, supersample, cull, backend)
        surfaces = scene.surfaces()
        nearest = surfaces[0]
        points = surface(mesh, camera, nearest, smooth=smooth, supersample=supersample, backend=backend)
        if isinstance(estimate, Soft):
            corners = at_corners(nearest)
            drawn = surface(
                mesh, camera, corners, smooth=smooth, supersample=supersample, backend=backend, mipmaps=False
            )
            color = _shaded(drawn, shader, lights)
            image = draw_softly(scene, camera, estimate, color, _rows(background, color).expand(len(color), 3))
        else:
            color, opacity = _shaded(points, shader, lights), _opacity(nearest, points.alpha)
            for fragments in surfaces[1:]:
                behind = surface(mesh, camera, fragments, smooth=smooth, supersample=supersample, backend=backend)
                more, alpha = _shaded(behind, shader, lights), _opacity(fragments, behind.alpha)
                color, opacity = color + (1 - opacity) * more, opacity + (1 - opacity) * alpha
            image = torch.cat((_over_background(color, opacity, background), opacity), -1)
            image = _estimate(estimate, image, mesh, nearest)
        image = pool(image, supersample)

        share = pool(_opacity(nearest, 1.0), supersample)
        inside = 1 / share.clamp(min=0.5 / supersample**2)  # empty pixels stay 0
        # World to camera z is affine: the mean depth is the depth of the mean position.
        row = camera.world_to_camera[..., 2, :].expand(len(share), 4)[:, None]
        depth = pool(points.position, supersample) * inside @ row[..., :3, None] + row[..., 3:, None]
        depth = torch.where(share > 0, depth, 0).squeeze(-1)
        normal = pool(points.normal, supersample)
        if supersample > 1:
            normal = torch.nn.functional.normalize(normal, dim=-1)
        ids = nearest_id(nearest.face_id, nearest.depth, supersample)
        return Picture(image[..., :3], image[..., 3], depth, normal, ids)


def silhouette(
    mesh: Mesh,
    camera: Camera,
    size: tuple[int, int],
    *,
    gradient: str | Estimator | None = "boundary",
    supersample: int = 1,
    cull: Cull = None,
    backend: Backend = "native",
) -> Tensor:
    """Only the mask of `render`, float (B, H, W), for the price of a mask."""
    check_settings("silhouette", size, lambert, supersample)
    _check_scene("silhouette", mesh, camera)
    estimate = _chosen(gradient)
    with torch.autocast(camera.projection.device.type, enabled=False):
        scene = _rasterizer("silhouette", mesh, camera, size, supersample, cull, backend)
        if isinstance(estimate, Soft):
            return pool(draw_softly(scene, camera, estimate, None, None), supersample).squeeze(-1)
        surfaces = scene.surfaces()
        mask = _opacity(surfaces[0], Appearance(mesh, surfaces[0], backend).alpha)
        for fragments in surfaces[1:]:
            mask = mask + (1 - mask) * _opacity(fragments, Appearance(mesh, fragments, backend).alpha)
        image = _estimate(estimate, mask, mesh, surfaces[0])
        return pool(image, supersample).squeeze(-1)


def check_settings(caller: str, size: tuple[int, int], shader: Shader, supersample: int) -> None:
    """Raise if `size`, `shader` or `supersample` cannot be meant."""
    if len(size) != 2 or not all(isinstance(side, int) and side >= 1 for side in size):
        raise ValueError(f"{caller}: `size` is (height, width) in whole pixels, at least (1, 1), not {size!r}.")
    if not isinstance(supersample, int) or supersample < 1:
        raise ValueError(f"{caller}: `supersample` counts samples per pixel side: 1 or more, not {supersample!r}.")
    if not callable(shader):
        raise TypeError(
            f"{caller}: `shader` is a function (points, lights) such as lambert, not {type(shader).__name__} "
            f"{shader!r}."
        )


def _check_scene(caller: str, mesh: Mesh, camera: Camera) -> None:
    if not isinstance(mesh, Mesh):
        raise TypeError(
            f"{caller}: `mesh` is a {type(mesh).__name__}, not a Mesh. Build one with Mesh(positions, faces)."
        )
    if not isinstance(camera, Camera):
        raise TypeError(f"{caller}: `camera` is a {type(camera).__name__}, not a Camera. See Camera.look_at.")


def _rasterizer(
    caller: str,
    mesh: Mesh,
    camera: Camera,
    size: tuple[int, int],
    supersample: int,
    cull: Cull,
    backend: Backend,
) -> Rasterizer:
    """With clip positions (B, V, 4) or, packed, (V, 4), at sample resolution."""
    samples = (size[0] * supersample, size[1] * supersample)
    if mesh.vertex_ranges is None:
        positions = camera.project(mesh.positions, samples)
    else:
        lengths = mesh.vertex_ranges[:, 1].tolist()
        if len(camera) not in (1, len(lengths)):
            raise ValueError(
                f"{caller}: {len(lengths)} packed meshes need 1 or {len(lengths)} cameras, not {len(camera)}."
            )
        padded = torch.nn.utils.rnn.pad_sequence(list(mesh.positions.split(lengths)), batch_first=True)
        clip = camera.project(padded, samples)
        positions = torch.cat([one[:length] for one, length in zip(clip, lengths, strict=True)])
    return Rasterizer(mesh, positions, samples, cull, backend)


def _shaded(points: Points, shader: Shader, lights: Sequence[Light]) -> Tensor:
    """Colours (B, sH, sW, 3) times opacity, 0 where empty."""
    color = shader(points, lights)
    if not isinstance(color, Tensor):
        raise TypeError(f"render: `shader` returned {type(color).__name__} {color!r}, not a tensor of colours.")
    if color.shape != points.color.shape:
        raise ValueError(
            f"render: `shader` returned {tuple(color.shape)} for points {tuple(points.color.shape)}. "
            "It must return one colour per sample."
        )
    # What a shader makes of empty samples may be anything, NaN too. A mask that is not broadcast is twice as fast.
    color = torch.where(points.covered.expand_as(color).contiguous(), color, 0)
    return color * points.alpha if isinstance(points.alpha, Tensor) else color


def _opacity(fragments: ops.Fragments, alpha: Tensor | float) -> Tensor:
    """(B, sH, sW, 1): `alpha`, and 0 where empty."""
    covered = (fragments.face_id >= 0).to(fragments.bary.dtype)[..., None]
    return covered * alpha if isinstance(alpha, Tensor) else covered


def _chosen(gradient: str | Estimator | None) -> Estimator:
    return estimator("interior" if gradient is None else gradient)


def _estimate(estimate: Estimator, image: Tensor, mesh: Mesh, fragments: ops.Fragments) -> Tensor:
    return image if isinstance(estimate, Interior) else estimate(image, fragments, mesh.topology)


def _over_background(color: Tensor, opacity: Tensor, background: float | Sequence[float] | Tensor) -> Tensor:
    """`color`, which is 0 where empty, with the background behind it."""
    value = _rows(background, color)
    if isinstance(background, int | float) and background == 0:
        return color
    return color + (1 - opacity) * (value[:, None, None] if value.ndim == 2 else value)


def _rows(background: float | Sequence[float] | Tensor, color: Tensor) -> Tensor:
    """The background as a tensor like `color`: (), (3,) or (B, 3)."""
    value = tensor_of(background, color.dtype, color.device)
    if value.ndim > 2 or (value.ndim and value.shape[-1] != 3):
        raise ValueError(f"render: `background` is a number, (3,) or (B, 3), not {tuple(value.shape)}.")
    return value
