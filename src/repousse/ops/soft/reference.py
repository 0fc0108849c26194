"""The specification of soft rasterization: every face at every pixel, in plain PyTorch."""

import torch
from torch import Tensor

from repousse.ops.soft.options import SoftOptions

LEAST_AREA = 1e-10
MOST_PLACE, MOST_DEPTH = 1e6, 1e12


def soft(
    corners: Tensor,
    faces: Tensor,
    colors: Tensor,
    background: Tensor,
    size: tuple[int, int],
    options: SoftOptions,
    cull: str | None,
) -> Tensor:
    """One image. Differentiable by autograd; memory and time: faces x pixels.

    corners     (V, 4)     x right, y down, in units of half the shorter side; camera depth; 1 / w. NaN: left out
    faces       (F, 3)
    colors      (F, 3, C)
    background  (C,)

    Returns (H, W, C + 1), alpha last.
    """
    height, width = size
    count = faces.shape[0]
    drawn, corners = _drawable(corners, faces, options, cull)
    colors = colors[drawn]
    x, y = _centres(size, corners)
    place = corners[..., :2][:, :, None, :] - torch.stack([x, y], -1).view(1, 1, -1, 2)  # (F, 3, P, 2)

    w = _weights(place, corners)
    inside = w.amin(1) >= 0
    covers, misses, near = _coverage(place, w, inside, options)

    u = w.clamp(0, 1)
    q = u * corners[..., 3:]
    bary = q / q.sum(1, keepdim=True)
    depth = (bary * corners[..., 2:3]).sum(1)
    seen = near & (depth >= options.near) & (depth <= options.far)
    zero = torch.zeros_like(covers)

    shares = torch.where(seen, covers, zero)
    if options.alpha == "prod":
        alpha = 1 - torch.where(seen, misses, zero + 1).prod(0)
    elif options.alpha == "sum":
        alpha = shares.sum(0) / max(count, 1)
    else:
        alpha = (seen & inside).any(0).to(shares.dtype)

    values = (bary[..., None] * colors[:, :, None]).sum(1)  # (F, P, C)
    if options.color == "softmax":
        zn = (options.far - depth) / (options.far - options.near)
        logits = torch.where(seen, zn, zero + options.eps) / options.gamma
        last = torch.full_like(logits[:1], options.eps / options.gamma) if len(logits) else _one_row(logits, options)
        most = torch.cat([logits, last]).amax(0).detach()
        weights = torch.where(seen, covers, zero) * (logits - most).exp()
        rest = (last[0] - most).exp()
        total = weights.sum(0) + rest
        color = ((weights[..., None] * values).sum(0) + rest[:, None] * background) / total[:, None]
    else:
        candidates = torch.where(seen & inside, depth.detach(), torch.inf)
        color = background.expand(height * width, -1)
        if len(candidates):
            nearest, index = candidates.min(0)  # of equals, the first
            chosen = values.gather(0, index[None, :, None].expand(1, -1, values.shape[-1]))[0]
            color = torch.where(nearest[:, None] < torch.inf, chosen, color)
    return torch.cat([color, alpha[:, None]], -1).view(height, width, -1)


def _one_row(like: Tensor, options: SoftOptions) -> Tensor:
    return like.new_full((1, like.shape[1]), options.eps / options.gamma)


def _drawable(corners: Tensor, faces: Tensor, options: SoftOptions, cull: str | None) -> tuple[Tensor, Tensor]:
    """Which faces are drawn, bool (F,), and their corners (F', 3, 4)."""
    of_faces = corners[faces.long()]
    with torch.no_grad():
        good = (of_faces[..., :2].abs() <= MOST_PLACE).all((1, 2)) & (of_faces[..., 2].abs() <= MOST_DEPTH).all(1)
        good &= ((of_faces[..., 3] > 0) & (of_faces[..., 3] <= MOST_DEPTH)).all(1)
        area = _area(of_faces)
        good &= area.abs() >= LEAST_AREA
        if cull is not None:
            good &= area < 0 if cull == "back" else area > 0
        good &= (of_faces[..., 2].amin(1) <= options.far) & (of_faces[..., 2].amax(1) >= options.near)
    return good, of_faces[good]


def _area(corners: Tensor) -> Tensor:
    """Twice the signed area of (F, 3, 4); negative for front faces, because y is down."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return a[:, 0] * b[:, 1] - b[:, 0] * a[:, 1]


def _centres(size: tuple[int, int], like: Tensor) -> tuple[Tensor, Tensor]:
    """Pixel centres, (P,) each."""
    height, width = size
    rows = (torch.arange(height, dtype=like.dtype, device=like.device) + 0.5 - height / 2) * 2 / min(size)
    columns = (torch.arange(width, dtype=like.dtype, device=like.device) + 0.5 - width / 2) * 2 / min(size)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return x.reshape(-1), y.reshape(-1)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _weights(place: Tensor, corners: Tensor) -> Tensor:
    """Barycentrics on the screen (F, 3, P), not clamped."""
    d0, d1, d2 = place.unbind(1)
    e = torch.stack([_cross(d1, d2), _cross(d2, d0), _cross(d0, d1)], 1)
    return e / _area(corners)[:, None, None]


def _coverage(place: Tensor, w: Tensor, inside: Tensor, options: SoftOptions) -> tuple[Tensor, Tensor, Tensor]:
    """D, 1 - D, and whether the face reaches the pixel; (F, P) each."""
    if options.distance == "hard":
        return inside.to(w.dtype), (~inside).to(w.dtype), inside
    if options.distance == "barycentric":
        least = w.amin(1)
        signed = least * least.abs()
    else:
        square = _outline(place)
        signed = torch.where(inside, square, -square)
    x = signed / options.sigma
    return torch.sigmoid(x), torch.sigmoid(-x), inside | (-signed < options.reach)


def _outline(place: Tensor) -> Tensor:
    """Squared distance to the outline, (F, P)."""
    squares = []
    for k in range(3):
        start, edge = place[:, k], place[:, (k + 1) % 3] - place[:, k]
        along = (-(start * edge).sum(-1) / (edge * edge).sum(-1)).clamp(0, 1)
        squares.append((start + along[..., None] * edge).square().sum(-1))
    return torch.stack(squares).amin(0)
