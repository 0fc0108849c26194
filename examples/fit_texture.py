"""Recover the colours of a teapot from one picture of it."""

import math
from pathlib import Path

import torch

import repousse as rp


def main(out: str = "out/examples", size: int = 256, steps: int = 300, resolution: int = 32) -> None:
    Path(out).mkdir(parents=True, exist_ok=True)

    # Colours live on vertices, so the mesh is fine enough to carry detail.
    mesh = rp.teapot(resolution).normalized()
    camera = rp.Camera.orbit(2.732, 0.0, math.radians(20), extent=2.0)  # `extent` instead of `fov`: orthographic

    # Light from everywhere, so that colour is all there is to see. Nothing moves: silhouettes need no
    # gradient.
    renderer = rp.Renderer((size, size), lights=rp.Ambient(1.0), gradient=None, supersample=2)

    # The picture to learn from: the same teapot with stripes.
    x, y, z = mesh.positions.unbind(-1)
    stripes = 0.5 + 0.45 * torch.cos((8 * x + 6 * y + 4 * z)[:, None] + torch.tensor([0.0, 2.1, 4.2]))
    with torch.no_grad():
        target = renderer(mesh.with_attribute("color", stripes), camera).color

    # What may change: three numbers per vertex, squeezed into (-1, 1).
    parameters = torch.zeros_like(stripes, requires_grad=True)
    optimizer = torch.optim.Adam([parameters], lr=0.1, betas=(0.5, 0.999))
    losses = []
    for _ in range(steps):
        picture = renderer(mesh.with_attribute("color", parameters.tanh()), camera)
        loss = (picture.color - target).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    with torch.no_grad():
        picture = renderer(mesh.with_attribute("color", parameters.tanh()), camera)
    rp.io.save_png(f"{out}/texture.png", torch.cat([target[0], picture.color[0]], dim=1))
    print(f"loss {losses[0]:.1f} -> {losses[-1]:.3g}; wrote {out}/texture.png: wanted and found")


if __name__ == "__main__":
    main()
