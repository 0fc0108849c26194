"""Colours for what no picture shows."""

import torch
from scipy.sparse import coo_array, diags_array
from scipy.sparse.linalg import cg
from torch import Tensor

from repousse import ops
from repousse.geometry import Mesh

_GREY = 0.5
_WEAK = 1e-6


def filled_vertices(mesh: Mesh, values: Tensor, known: Tensor) -> Tensor:
    """Values (V, C) of all vertices from those that are `known`, bool (V).

    The others become the mean of their neighbours (the harmonic function on the edges); parts of the mesh without any
    known vertex get the mean of all that are known.
    """
    if bool(known.all()):
        return values
    mean = values[known].mean(0) if bool(known.any()) else values.new_full(values.shape[1:], _GREY)
    found = torch.where(known[:, None], values, mean)
    ends = mesh.topology.edges.long()
    ends = ends[~known[ends].all(1)].numpy()
    count = len(values)
    ones = torch.ones(len(ends)).double().numpy()
    graph = coo_array((ones, (ends[:, 0], ends[:, 1])), shape=(count, count)).tocsr()
    graph = graph + graph.T
    free = (~known).numpy()
    # A little pull towards the mean keeps the system regular where nothing is known.
    degrees = graph.sum(1)[free] + _WEAK
    system = diags_array(degrees) - graph[free][:, free]
    right = graph[free][:, ~free] @ found[known].double().numpy() + _WEAK * mean.double().numpy()
    for channel in range(values.shape[1]):
        solution, _ = cg(system, right[:, channel], x0=found[~known, channel].double().numpy(), rtol=1e-4, maxiter=2000)
        found[~known, channel] = torch.from_numpy(solution).to(found)
    return found


@torch.no_grad()
def filled_texels(mesh: Mesh, colors: Tensor, resolution: int) -> tuple[Tensor, Tensor]:
    """Colours (V, C) of the vertices drawn into a texture (R, R, C), and bool (R, R, 1): the texels in charts.

    Texels between charts get colours from the charts around them.
    """
    fragments = ops.rasterize(flat_charts(mesh), mesh.attributes["uv"].faces, (resolution, resolution))
    covered = (fragments.face_id >= 0)[0, ..., None]
    return dilated(ops.interpolate(colors, mesh.faces, fragments)[0], covered), covered


def flat_charts(mesh: Mesh) -> Tensor:
    """Clip positions (1, Va, 4) at which the rows of "uv" are drawn into the texture itself."""
    u, v = mesh.attributes["uv"].values.unbind(-1)
    return torch.stack((2 * u - 1, 1 - 2 * v, torch.full_like(u, 0.5), torch.ones_like(u)), -1)[None]


def dilated(image: Tensor, known: Tensor) -> Tensor:
    """The image (R, R, C) with the unknown texels filled from known ones, (R, R, 1), near by.

    Means of ever larger squares of known texels, from which those that are still unknown are read
    ("push-pull", Gortler et al. 1996).
    """
    weight = known.to(image.dtype).movedim(-1, 0)[None]
    sums = image.movedim(-1, 0)[None] * weight
    levels = [(sums, weight)]
    while max(levels[-1][1].shape[-2:]) > 1:
        levels.append(
            (
                torch.nn.functional.avg_pool2d(levels[-1][0], 2, ceil_mode=True, count_include_pad=False),
                torch.nn.functional.avg_pool2d(levels[-1][1], 2, ceil_mode=True, count_include_pad=False),
            )
        )
    coarse = levels[-1][0] / levels[-1][1].clamp(min=1e-9)
    for sums, weight in reversed(levels[:-1]):
        size = (sums.shape[-2], sums.shape[-1])
        coarse = torch.nn.functional.interpolate(coarse, size, mode="bilinear")
        coarse = torch.where(weight > 0, sums / weight.clamp(min=1e-9), coarse)
    return coarse[0].movedim(0, -1).contiguous()
