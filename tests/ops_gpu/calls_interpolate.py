"""Calls of interpolation, of its derivatives, and of what flows back through both."""

from collections.abc import Iterator

import torch
from calls import Call
from ops_scenes import build, pack
from torch import Tensor

from repousse.camera import Camera
from repousse.geometry import icosphere

FRIENDLY = ["large", "tilted", "near", "small", "large"]


def calls(large: bool) -> Iterator[Call]:
    if large:
        yield from large_scenes()
        return
    positions, faces, size = build([*FRIENDLY, "wide", "beyond", "nan", "flat", "copy"], 2, (5, 31), batch=2)
    images = Inputs(0, positions, faces, None, size, "two images")
    yield from images.forward(3, batched=True, attribute_count=7)

    # The interpreter takes its time for every row of a derivative.
    positions, faces, size = build([*FRIENDLY, "wide", "near"], 2, (2, 35))
    image = Inputs(1, positions, faces, None, size)
    for channels in (0, 1, 2, 6):
        yield from image.forward(channels)
    yield next(image.forward(33))
    yield from image.all_gradients(0)
    yield image.backward(3, True, True)
    yield image.backward(5, True, False)
    yield image.backward(5, False, True)
    yield image.backward_of_derivatives(5, True, False)
    yield image.backward_of_derivatives(5, False, True)
    parts = [build(FRIENDLY, 3, (2, 6)), build(["tilted", "near"], 4, (2, 6))]
    packed = Inputs(2, *pack(parts), (2, 6))
    yield packed.backward_of_derivatives(2, True, True, batched=True)

    for label, batch, chosen in (("no images", 0, faces), ("no faces", 1, faces[:0])):
        empty = Inputs(3, positions[:batch], chosen, None, size, label)
        yield from empty.forward(3)
        yield from empty.all_gradients(3)


def large_scenes() -> Iterator[Call]:
    mesh = icosphere(4)
    size = (512, 512)
    views = [Camera.orbit(3.0, 0.1 + 0.4 * k, 0.3 * k).project(mesh.positions, size) for k in range(8)]
    positions, faces = torch.stack(views).reshape(8, -1, 4), mesh.faces.to(torch.int32)
    spheres = Inputs(4, positions, faces, None, size, "8 spheres")
    for channels in (1, 2, 3, 16):
        yield from spheres.forward(channels, batched=channels == 3)
        yield from spheres.all_gradients(channels, batched=channels == 3)
    mesh = icosphere(7)
    positions = Camera.orbit(3.0, 0.3, 0.2).project(mesh.positions, (1024, 1024)).reshape(1, -1, 4)
    dense = Inputs(5, positions, mesh.faces.to(torch.int32), None, (1024, 1024), "faces of a pixel")
    yield from dense.forward(3)
    yield from dense.all_gradients(3)
    for label, kinds, size in (
        ("two faces that fill the image", ["near", "large"], (2048, 4096)),
        ("many clipped faces", FRIENDLY * 100, (700, 1001)),
    ):
        positions, faces, size = build(kinds, 1, size, batch=2)
        filled = Inputs(6, positions, faces, None, size, label)
        yield from filled.forward(3)
        yield from filled.all_gradients(3)


class Inputs:
    """What one picture is interpolated from, and the gradients that come back."""

    def __init__(
        self,
        seed: int,
        positions: Tensor,
        faces: Tensor,
        ranges: Tensor | None,
        size: tuple[int, int],
        label: str = "",
    ) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.positions, self.faces, self.label = positions, faces, label
        self.face_id, _ = torch.ops.repousse.visibility(positions, faces, ranges, *size, 0)
        self.bary, _ = torch.ops.repousse.barycentrics(positions, faces, self.face_id)

    def random(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator)

    def corners(self, channels: int, batched: bool, attribute_count: int | None) -> tuple[Tensor, ...]:
        """Attributes of the vertices, or `attribute_count` of their own that faces pick from."""
        rows, faces = self.positions.shape[-2], self.faces
        if attribute_count is not None:
            rows = attribute_count
            faces = torch.randint(rows, faces.shape, generator=self.generator, dtype=torch.int32)
        shape = (len(self.face_id), rows, channels) if batched else (rows, channels)
        return self.random(*shape), faces, self.positions, self.faces, self.face_id

    def named(self, channels: int, *wanted: bool) -> str:
        return " ".join([self.label, f"{channels} channels", *(("no", "yes")[want] for want in wanted)])

    def forward(self, channels: int, batched: bool = False, attribute_count: int | None = None) -> Iterator[Call]:
        corners = self.corners(channels, batched, attribute_count)
        yield Call("interpolate", self.named(channels), (*corners, self.bary), 1e-6)
        yield Call("interpolate_derivatives", self.named(channels), corners)

    def backward(self, channels: int, *wanted: bool, batched: bool = False) -> Call:
        corners, g_out = self.corners(channels, batched, None), self.random(*self.face_id.shape, channels)
        return Call("interpolate_backward", self.named(channels, *wanted), (*corners, self.bary, g_out, *wanted))

    def backward_of_derivatives(self, channels: int, *wanted: bool, batched: bool = False) -> Call:
        corners, g_out = self.corners(channels, batched, None), self.random(*self.face_id.shape, channels, 2)
        label = self.named(channels, *wanted)
        return Call("interpolate_derivatives_backward", label, (*corners, g_out, *wanted))

    def all_gradients(self, channels: int, batched: bool = False) -> Iterator[Call]:
        yield self.backward(channels, True, True, batched=batched)
        yield self.backward_of_derivatives(channels, True, True, batched=batched)
