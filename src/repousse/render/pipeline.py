"""Mesh and camera to picture: project, rasterize, interpolate, shade, estimate, pool."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from repousse import ops
from repousse.camera import Camera
from repousse.geometry import Mesh, face_normals, vertex_normals
from repousse.gradients import Estimator, estimator
from repousse.render.picture import Picture, nearest_id, pool
from repousse.shading import DEFAULT_LIGHTS, Lights, Points, Shader, as_lights, lambert

Cull = Literal["back", "front"] | None
Backend = Literal["native", "reference"]


def render(
    mesh: Mesh,
    camera: Camera,
    size: tuple[int, int],
    *,
    lights: Lights = DEFAULT_LIGHTS,
    shader: Shader = lambert,
    gradient: str | Estimator | None = "kato",
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
                 give one picture per pose or mesh. Its attribute "color" is the albedo (white without; three
                 channels count)
    camera       one for all pictures, or one per picture
    size         (height, width) in pixels
    lights       one or several, see `repousse.shading`; () for none
    shader       function of `Points` and lights that returns colours (B, H, W, 3) of the samples
    gradient     how silhouettes pass gradient on: the name of an estimator, or an estimator. None or
                 "interior": surfaces get their gradient, silhouettes get none
    supersample  samples per pixel along each side
    background   number, (3,) or (B, 3)
    smooth       interpolate normals: the attribute "normal", or else those of the vertices. Otherwise each
                 face has one
    cull         do not draw faces turned "back" (away from the camera) or "front". By default both sides are
                 drawn, and normals of back faces are turned round
    backend      of the operations, see `repousse.ops`

    Differentiable in positions, attributes, camera, lights and background; see `Picture` for each of its
    parts. A mesh behind the camera is no error: the picture is empty.

    Computes in the precision of the mesh, under autocast too.

    TypeError for what is no mesh, camera, light or shader; ValueError for an empty size, and for dtypes, devices or
    batches that do not match.
    """
    check_settings("render", size, supersample, lights, shader)
    _check_scene("render", mesh, camera)
    estimate = _chosen(gradient)
    with torch.autocast(camera.projection.device.type, enabled=False):
        positions, fragments = _rasterize("render", mesh, camera, size, supersample, cull, backend)
        points = _surface(mesh, camera, fragments, smooth, supersample, backend)
        covered = (fragments.face_id >= 0).to(positions.dtype)[..., None]
        color = _over_background(_shaded(points, lights, shader, covered), covered, background)
        image = _estimate(estimate, torch.cat((color, covered), -1), mesh, positions, fragments, backend)
        image = pool(image, supersample)

        share = pool(covered, supersample)
        inside = 1 / share.clamp(min=0.5 / supersample**2)  # empty pixels stay 0
        # World to camera z is affine: the mean depth is the depth of the mean position.
        row = camera.world_to_camera[..., 2, :].expand(len(share), 4)[:, None]
        depth = pool(points.position, supersample) * inside @ row[..., :3, None] + row[..., 3:, None]
        depth = torch.where(share > 0, depth, 0).squeeze(-1)
        normal = pool(points.normal, supersample)
        if supersample > 1:
            normal = torch.nn.functional.normalize(normal, dim=-1)
        ids = nearest_id(fragments.face_id, fragments.depth, supersample)
        return Picture(image[..., :3], image[..., 3], depth, normal, ids)


def silhouette(
    mesh: Mesh,
    camera: Camera,
    size: tuple[int, int],
    *,
    gradient: str | Estimator | None = "kato",
    supersample: int = 1,
    cull: Cull = None,
    backend: Backend = "native",
) -> Tensor:
    """Only the mask of `render`, float (B, H, W), for the price of a mask."""
    check_settings("silhouette", size, supersample)
    _check_scene("silhouette", mesh, camera)
    estimate = _chosen(gradient)
    with torch.autocast(camera.projection.device.type, enabled=False):
        positions, fragments = _rasterize("silhouette", mesh, camera, size, supersample, cull, backend)
        covered = (fragments.face_id >= 0).to(positions.dtype)[..., None]
        image = _estimate(estimate, covered, mesh, positions, fragments, backend)
        return pool(image, supersample).squeeze(-1)


def check_settings(
    caller: str, size: tuple[int, int], supersample: int, lights: Lights = (), shader: Shader = lambert
) -> None:
    """Raise if one of them cannot be meant."""
    if len(size) != 2 or not all(isinstance(side, int) and side >= 1 for side in size):
        raise ValueError(f"{caller}: `size` is (height, width) in whole pixels, at least (1, 1), not {size!r}.")
    if not isinstance(supersample, int) or supersample < 1:
        raise ValueError(f"{caller}: `supersample` counts samples per pixel side: 1 or more, not {supersample!r}.")
    as_lights(lights)
    if not callable(shader):
        raise TypeError(
            f"{caller}: `shader` is a function of points and lights, not {type(shader).__name__} {shader!r}. "
            "See repousse.shading."
        )


def _check_scene(caller: str, mesh: Mesh, camera: Camera) -> None:
    if not isinstance(mesh, Mesh):
        raise TypeError(
            f"{caller}: `mesh` is a {type(mesh).__name__}, not a Mesh. Build one with Mesh(positions, faces)."
        )
    if not isinstance(camera, Camera):
        raise TypeError(f"{caller}: `camera` is a {type(camera).__name__}, not a Camera. See Camera.look_at.")


def _rasterize(
    caller: str,
    mesh: Mesh,
    camera: Camera,
    size: tuple[int, int],
    supersample: int,
    cull: Cull,
    backend: Backend,
) -> tuple[Tensor, ops.Fragments]:
    """Clip positions (B, V, 4) or, packed, (V, 4), and what they cover at sample resolution."""
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
    return positions, ops.rasterize(positions, mesh.faces, samples, ranges=mesh.ranges, cull=cull, backend=backend)


def _surface(
    mesh: Mesh, camera: Camera, fragments: ops.Fragments, smooth: bool, supersample: int, backend: Backend
) -> Points:
    """The points seen, (B, sH, sW, 3), 0 where empty."""
    wanted = {"position": (mesh.positions, mesh.faces)}
    if not smooth:
        normals = face_normals(mesh.positions, mesh.faces)
        each = torch.arange(mesh.faces.shape[0], dtype=torch.int32, device=mesh.faces.device)
        wanted["normal"] = (normals, each[:, None].expand(-1, 3).contiguous())
    elif "normal" in mesh.attributes:
        wanted["normal"] = (mesh.attributes["normal"].values, mesh.attributes["normal"].faces)
    else:
        wanted["normal"] = (vertex_normals(mesh.positions, mesh.faces), mesh.faces)
    if "color" in mesh.attributes:
        wanted["color"] = (mesh.attributes["color"].values[..., :3], mesh.attributes["color"].faces)
    found = _interpolate(wanted, fragments, backend)

    normal = found["normal"]
    if smooth:
        normal = torch.nn.functional.normalize(normal, dim=-1)
    normal = normal * _side_seen(fragments, normal.dtype)
    color = found.get("color")
    if color is None:
        color = (fragments.face_id >= 0).to(normal.dtype)[..., None].expand_as(normal)
    return Points(
        found["position"], normal, color, mesh=mesh, camera=camera, fragments=fragments, supersample=supersample
    )


def _interpolate(
    wanted: dict[str, tuple[Tensor, Tensor]], fragments: ops.Fragments, backend: Backend
) -> dict[str, Tensor]:
    """Interpolate (values, faces) of each name; one call for all that share the index."""
    found: dict[str, Tensor] = {}
    for index in {id(faces): faces for _, faces in wanted.values()}.values():
        names = [name for name, (_, faces) in wanted.items() if faces is index]
        values = [wanted[name][0] for name in names]
        poses = [v.shape[0] for v in values if v.ndim == 3]
        if poses:
            values = [v.expand(poses[0], *v.shape[-2:]) for v in values]
        together = ops.interpolate(torch.cat(values, -1), index, fragments, backend=backend)
        found |= dict(zip(names, together.split([v.shape[-1] for v in values], -1), strict=True))
    return found


def _side_seen(fragments: ops.Fragments, dtype: torch.dtype) -> Tensor:
    """(B, sH, sW, 1): -1 where the sample shows a face that is turned away from the camera, else 1."""
    ids = fragments.face_id
    behind = (fragments.facing < 0).expand(len(ids), -1).gather(1, ids.clamp(min=0).flatten(1).long())
    return (1 - 2 * behind.to(dtype)).view(*ids.shape, 1)


def _shaded(points: Points, lights: Lights, shader: Shader, covered: Tensor) -> Tensor:
    """Colours, 0 where empty."""
    color = shader(points, as_lights(lights))
    if color.shape != points.color.shape:
        raise ValueError(
            f"render: `shader` returned {tuple(color.shape)} for points {tuple(points.color.shape)}. "
            "It must return one colour per sample."
        )
    # What a shader makes of empty samples may be anything, NaN too.
    return torch.where(covered > 0, color, 0)


def _chosen(gradient: str | Estimator | None) -> Estimator:
    chosen = estimator("interior" if gradient is None else gradient)
    if not hasattr(chosen, "uses_crossings"):
        raise TypeError(
            f"render: `gradient` is a name, an estimator or None, not {type(gradient).__name__} {gradient!r}."
            " See repousse.gradients."
        )
    return chosen


def _estimate(
    estimate: Estimator,
    image: Tensor,
    mesh: Mesh,
    positions: Tensor,
    fragments: ops.Fragments,
    backend: Backend,
) -> Tensor:
    edges = None
    if estimate.uses_crossings:
        edges = ops.crossings(positions, mesh.topology, fragments, backend=backend)
    return estimate(image, fragments, edges, positions)


def _over_background(color: Tensor, covered: Tensor, background: float | Sequence[float] | Tensor) -> Tensor:
    """`color`, which is 0 where empty, with the background there."""
    value = torch.as_tensor(background, dtype=color.dtype, device=color.device)
    if value.ndim > 2 or (value.ndim and value.shape[-1] != 3):
        raise ValueError(f"render: `background` is a number, (3,) or (B, 3), not {tuple(value.shape)}.")
    if isinstance(background, int | float) and background == 0:
        return color
    return color + (1 - covered) * (value[:, None, None] if value.ndim == 2 else value)
