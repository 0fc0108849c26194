"""The Utah teapot, tessellated from Martin Newell's 32 bicubic patches."""

import torch
from torch import Tensor

from repousse.geometry.mesh import Attribute, Mesh
from repousse.geometry.primitives import check_number, grid, weld

# The control points of 1975, z up, spout towards +x, in their original units.
# Surfaces of revolution: radius, length of the tangents that make a quarter of a circle a cubic, height.
_BODY = [  # from the middle of the bottom, which was added later, to the inside of the rim
    (0, 0, 0), (1.425, 0.798, 0), (1.5, 0.84, 0.075),
    (1.5, 0.84, 0.15), (1.5, 0.84, 0.225), (2, 1.12, 0.45),
    (2, 1.12, 0.9), (2, 1.12, 1.35), (1.75, 0.98, 1.875),
    (1.5, 0.84, 2.4), (1.4375, 0.805, 2.53125), (1.3375, 0.749, 2.53125), (1.4, 0.784, 2.4),
]  # fmt: skip
_LID = [
    (1.3, 0.728, 2.4), (1.3, 0.728, 2.55), (0.4, 0.224, 2.55),
    (0.2, 0.112, 2.7), (0, 0, 2.85), (0.8, 0.45, 3.15), (0, 0, 3.15),
]  # fmt: skip
# Tubes that are symmetric in y: two points (x, z) of the section and its half width.
_HANDLE = [  # from its lower end, inside of the body, to its upper end
    ((-2, 0.9), (-1.9, 0.6), 0.3), ((-2.5, 1.125), (-2.65, 0.9375), 0.3), ((-2.7, 1.575), (-3, 1.35), 0.3),
    ((-2.7, 1.8), (-3, 1.8), 0.3), ((-2.7, 2.025), (-3, 2.25), 0.3), ((-2.3, 2.025), (-2.5, 2.25), 0.3),
    ((-1.6, 2.025), (-1.5, 2.25), 0.3),
]  # fmt: skip
_SPOUT = [  # from the inside of the tip to the end inside of the body
    ((2.8, 2.4), (3.2, 2.4), 0.15), ((2.9, 2.475), (3.45, 2.5125), 0.15),
    ((2.8, 2.475), (3.525, 2.49375), 0.25), ((2.7, 2.4), (3.3, 2.4), 0.25), ((2.3, 2.1), (2.4, 2.025), 0.25),
    ((2.6, 1.425), (3.1, 0.825), 0.66), ((1.7, 1.425), (1.7, 0.6), 0.66),
]  # fmt: skip

_Ring = tuple[float, float, float]
_Section = tuple[tuple[float, float], tuple[float, float], float]
_Patch = tuple[Tensor, int, tuple[int, int]]  # control points (4, 4, 3), part, cell of the texture

_UNIT = 100_000  # control points are whole multiples of 1 / _UNIT
_CELLS = (8, 4)  # of the texture: one for each patch


def teapot(resolution: int = 8) -> Mesh:
    """The Utah teapot in its classic size, y up: 6.43 long, 3.15 high, 4 deep, base at y = 0, spout at +x.

    >>> teapot()
    Mesh(2082 vertices, 4032 faces, uv)
    >>> teapot().normalized()   # longest side 2, centred
    Mesh(2082 vertices, 4032 faces, uv)

    resolution  cells along each side of a patch, 2 to 128

    Not closed. It consists of four sheets, as in the classic data: body with rim and bottom, lid, handle and
    spout, each welded exactly along the borders of its patches. Open are the rim towards the inside, the lid
    towards below, the spout's tip, and the ends of handle and spout, which stick in the body. Faces are
    counter-clockwise seen from outside of each sheet.

    "uv" gives each patch a cell of an 8 x 4 texture: the left half is the body, unrolled from the bottom up
    with its seam at the back (-z); the right half is, from above, the lid's knob, the lid, the handle, the
    spout.
    """
    check_number("teapot", "resolution", resolution, 2, 128)
    patches = [*_revolution(_BODY, part=0, cell=(0, 0)), *_revolution(_LID, part=1, cell=(4, 2))]
    patches += [*_tube(_HANDLE, part=2, cell=(4, 1)), *_tube(_SPOUT, part=3, cell=(4, 0))]
    nets = torch.stack([net for net, _, _ in patches])
    points = _evaluate(nets, resolution)
    # Sheets that happen to touch stay separate: the part is a fourth coordinate.
    part = torch.tensor([part for _, part, _ in patches])[:, None, None].expand(*points.shape[:2], 1)
    corners, index = weld(torch.cat([points, part], dim=2).flatten(0, 1))
    x, y, z = (corners[:, :3].double() / (_UNIT * resolution**6)).unbind(1)

    lattice, cells = grid(resolution, resolution)
    cell = torch.tensor([cell for _, _, cell in patches])
    uv = ((lattice + cell[:, None]) / torch.tensor(_CELLS)).flatten(0, 1)
    uv_faces = (cells + len(lattice) * torch.arange(len(patches))[:, None, None]).flatten(0, 1)
    faces = index[uv_faces]
    whole = (faces != faces.roll(1, dims=1)).all(dim=1)  # at the poles one side of a cell is a point
    positions = torch.stack([x, z, -y], dim=1)
    return Mesh(positions.float(), faces[whole], {"uv": Attribute(uv.float(), uv_faces[whole])})


def _revolution(profile: list[_Ring], part: int, cell: tuple[int, int]) -> list[_Patch]:
    """Patches of a profile turned about the z-axis, from its first point to its last."""
    patches = []
    for row in range(len(profile) // 3):
        radius, tangent, height = torch.tensor(profile[3 * row : 3 * row + 4], dtype=torch.float64).unbind(1)
        x = torch.stack([radius, radius, tangent, radius * 0], dim=1)
        y, z = x.flip(1), height[:, None].expand(4, 4)
        for column in range(4):
            x, y = -y, x  # a quarter turn; the first quarter begins at the back
            patches.append((torch.stack([x, y, z], dim=2), part, (cell[0] + column, cell[1] + row)))
    return patches


def _tube(sections: list[_Section], part: int, cell: tuple[int, int]) -> list[_Patch]:
    """Patches of a tube: its half at y < 0, then the other one."""
    patches = []
    for half, side in enumerate((-1, 1)):
        for step in range(len(sections) // 3):
            net = torch.tensor(
                [
                    [(x0, 0, z0), (x0, side * width, z0), (x1, side * width, z1), (x1, 0, z1)]
                    for (x0, z0), (x1, z1), width in sections[3 * step : 3 * step + 4]
                ],
                dtype=torch.float64,
            ).transpose(0, 1)
            # Mirroring turns a patch inside out; reading it backwards turns it back.
            position = step if half == 0 else 3 - step
            patches.append((net if half == 0 else net.flip(1), part, (cell[0] + position, cell[1])))
    return patches


def _evaluate(nets: Tensor, resolution: int) -> Tensor:
    """Points int64 (P, (n + 1)^2, 3) of patches (P, 4, 4, 3), times _UNIT n^6.

    In whole numbers, so patches that share a border have exactly the same points there.
    """
    step = torch.arange(resolution + 1)
    rest = resolution - step
    weights = torch.stack([rest**3, 3 * rest**2 * step, 3 * rest * step**2, step**3], dim=1)
    control = (nets * _UNIT).round().long()
    points = (weights @ control.flatten(2)).unflatten(2, (4, 3)).transpose(1, 2)
    return (weights @ points.flatten(2)).unflatten(2, (-1, 3)).transpose(1, 2).flatten(1, 2)
