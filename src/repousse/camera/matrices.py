"""The matrices a camera is made of. Everything is differentiable in every argument that is a tensor."""

import math

import torch
from torch import Tensor

from repousse.core.numbers import tensor_of

from .arguments import Number, Vector, as_floats, check_batches, check_shape, check_values


def perspective(fov: Number = math.pi / 4, *, near: Number = 0.1, far: Number = 100.0) -> Tensor:
    """Projection matrix of a pinhole camera for a square picture.

    >>> perspective(math.pi / 2, near=1.0, far=3.0)[3]
    tensor([0., 0., 1., 0.])

    fov        full vertical field of view in radians, in (0, pi); a number or (B,)
    near, far  camera z of the clipping planes, 0 < near < far; far may be `math.inf`

    Returns float (4, 4) or (B, 4, 4): camera space (x right, y down, z forward) to clip space (z / w from 0
    at `near` to 1 at `far`, w = camera z). Differentiable in all arguments.
    """
    angle, front, back = _numbers("perspective", fov=fov, near=near, far=far)
    check_values(
        "perspective",
        (angle > 0) & (angle < math.pi),
        "`fov` is the full vertical field of view in radians, between 0 and pi",
        fov=angle,
    )
    scale, zero = 1 / torch.tan(angle / 2), torch.zeros_like(angle)
    return pinhole((scale, zero, zero), (zero, scale, zero), front, back, "perspective")


def pinhole(x: tuple[Tensor, ...], y: tuple[Tensor, ...], near: Tensor, far: Tensor, caller: str) -> Tensor:
    """Perspective projection with these first three entries of its x and y rows, all shaped like `near`."""
    check_values(caller, (near > 0) & (near < far), "needs 0 < near < far", near=near, far=far)
    depth = 1 / (1 - near / far)  # far / (far - near), in a form that allows an infinite far plane
    zero, one = torch.zeros_like(near), torch.ones_like(near)
    return _matrix((*x, zero), (*y, zero), (zero, zero, depth, -near * depth), (zero, zero, one, zero))


def orthographic(extent: Number = 2.0, *, near: Number = 0.1, far: Number = 100.0) -> Tensor:
    """Projection matrix of a camera with parallel rays for a square picture.

    >>> orthographic(4.0).diagonal()[:2]
    tensor([0.5000, 0.5000])

    extent     height of the view in world units, > 0; a number or (B,)
    near, far  camera z of the clipping planes, 0 <= near < far < inf

    Returns float (4, 4) or (B, 4, 4); clip w is 1. Differentiable in all arguments.
    """
    height, front, back = _numbers("orthographic", extent=extent, near=near, far=far)
    check_values(
        "orthographic",
        (height > 0) & (height < math.inf),
        "`extent` is the height of the view in world units and positive",
        extent=height,
    )
    check_values(
        "orthographic",
        (front >= 0) & (front < back) & (back < math.inf),
        "needs 0 <= near < far < inf",
        near=front,
        far=back,
    )
    scale, depth = 2 / height, 1 / (back - front)
    zero, one = torch.zeros_like(scale), torch.ones_like(scale)
    return _matrix(
        (scale, zero, zero, zero),
        (zero, scale, zero, zero),
        (zero, zero, depth, -front * depth),
        (zero, zero, zero, one),
    )


def look_at(eye: Vector, target: Vector = (0.0, 0.0, 0.0), up: Vector = (0.0, 1.0, 0.0)) -> Tensor:
    """World-to-camera matrix of a camera at `eye` that looks at `target`.

    >>> look_at((0.0, 0.0, 5.0)).diagonal()
    tensor([ 1., -1., -1.,  1.])

    eye, target, up  (3,) or (B, 3), sequences or tensors; `up` may have any length and any angle to the view

    Returns float (4, 4) or (B, 4, 4), acting on column vectors. Differentiable in all arguments. ValueError
    if eye and target coincide or `up` is parallel to the line between them: the camera has no direction then.
    """
    vectors = as_floats("look_at", eye=eye, target=target, up=up)
    for name, value in zip(("eye", "target", "up"), vectors, strict=True):
        check_shape("look_at", name, value, (3,))
    check_batches("look_at", **_lengths(("eye", "target", "up"), vectors, 1))
    start, end, above = torch.broadcast_tensors(*vectors)
    view = end - start
    distance = view.norm(dim=-1, keepdim=True)
    tiny = 8 * torch.finfo(view.dtype).eps
    reach = torch.maximum(start.abs(), end.abs()).amax(-1)
    check_values("look_at", distance[..., 0] > tiny * reach, "`eye` and `target` coincide or are not finite", eye=start)
    forward = view / distance
    right = torch.linalg.cross(forward, above)
    span = right.norm(dim=-1, keepdim=True)
    check_values(
        "look_at",
        span[..., 0] > 16 * tiny * above.norm(dim=-1),
        "`up` is zero or parallel to the view; choose another, or use orbit, which is defined at the poles",
        up=above,
        view=forward,
    )
    right = right / span
    return _rigid(right, torch.linalg.cross(forward, right), forward, start)


def orbit(
    distance: Number,
    elevation: Number = 0.0,
    azimuth: Number = 0.0,
    *,
    target: Vector = (0.0, 0.0, 0.0),
) -> Tensor:
    """World-to-camera matrix of a camera on a sphere around `target`, upright with respect to +y.

    >>> orbit(5.0).shape, orbit(5.0, torch.zeros(8)).shape
    (torch.Size([4, 4]), torch.Size([8, 4, 4]))

    distance   radius of the sphere, > 0; a number or (B,), like the angles
    elevation  radians; 0 is level, pi/2 is above `target` (+y)
    azimuth    radians; 0 is on the +z side looking towards -z, pi/2 is on the +x side
    target     (3,) or (B, 3)

    The camera sits at target + distance * (cos e sin a, sin e, cos e cos a). Returns float (4, 4) or
    (B, 4, 4). Differentiable in all arguments, at the poles too.
    """
    given = as_floats("orbit", distance=distance, elevation=elevation, azimuth=azimuth, target=target)
    names = ("distance", "elevation", "azimuth", "target")
    for name, value in zip(names, given, strict=True):
        check_shape("orbit", name, value, (3,) if name == "target" else ())
    check_batches("orbit", **_lengths(names[:3], given[:3], 0), **_lengths(names[3:], given[3:], 1))
    centre = given[3]
    radius, e, a, _ = torch.broadcast_tensors(*given[:3], centre[..., 0])
    check_values("orbit", (radius > 0) & (radius < math.inf), "`distance` should be positive", distance=radius)
    outward = torch.stack((e.cos() * a.sin(), e.sin(), e.cos() * a.cos()), -1)
    right = torch.stack((a.cos(), torch.zeros_like(a), -a.sin()), -1)
    down = torch.stack((e.sin() * a.sin(), -e.cos(), e.sin() * a.cos()), -1)
    return _rigid(right, down, -outward, centre + radius[..., None] * outward)


def join(rotation: Tensor, translation: Tensor) -> Tensor:
    """(..., 3, 3) and (..., 3) to the (..., 4, 4) matrix of x -> rotation x + translation."""
    top = torch.cat((rotation, translation[..., None]), -1)
    bottom = torch.zeros_like(top[..., :1, :])
    return torch.cat((top, bottom + tensor_of((0.0, 0.0, 0.0, 1.0), top.dtype, top.device)), -2)


def _rigid(right: Tensor, down: Tensor, forward: Tensor, eye: Tensor) -> Tensor:
    rotation = torch.stack((right, down, forward), -2)
    return join(rotation, -multiply(rotation, eye[..., None])[..., 0])


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """a @ b in the precision of its arguments, under autocast too: in bfloat16 a vertex would be off by pixels."""
    with torch.autocast(a.device.type, enabled=False):
        return a @ b


def solve(a: Tensor, b: Tensor) -> Tensor:
    """The x with a x = b. Raises LinAlgError for a singular `a`; on a GPU, which is not waited for, x is not finite."""
    return torch.linalg.solve_ex(a, b, check_errors=a.is_cpu).result


def _matrix(*rows: tuple[Tensor, ...]) -> Tensor:
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def _numbers(caller: str, **arguments: Number) -> tuple[Tensor, ...]:
    """Numbers or (B,) each, all broadcast to the same shape."""
    values = as_floats(caller, **arguments)
    for name, value in zip(arguments, values, strict=True):
        check_shape(caller, name, value, ())
    check_batches(caller, **_lengths(tuple(arguments), values, 0))
    return tuple(torch.broadcast_tensors(*values))


def _lengths(names: tuple[str, ...], values: list[Tensor], single: int) -> dict[str, int | None]:
    """Batch length of each value, None for one without batch dimension (`single` dimensions)."""
    return {n: len(v) if v.ndim > single else None for n, v in zip(names, values, strict=True)}
