"""Push the vertices of a teapot until its silhouette is a square."""

import math
from pathlib import Path

import torch

import repousse as rp


def main(out: str = "out/examples", size: int = 256, steps: int = 300) -> None:
    Path(out).mkdir(parents=True, exist_ok=True)
    mesh = rp.teapot().normalized()
    camera = rp.Camera.orbit(2.732, 0.0, math.pi / 2, fov=math.radians(60))

    # What we want to see: a white square of half the picture's size.
    target = torch.zeros(1, size, size)
    target[:, size // 4 : -(size // 4), size // 4 : -(size // 4)] = 1

    # What may move: every vertex. The rest is ordinary PyTorch.
    positions = mesh.positions.clone().requires_grad_()
    optimizer = torch.optim.Adam([positions], lr=1e-3)

    for step in range(steps):
        # A silhouette is 0 or 1 in each sample, so it has no derivative of its own. The estimator "kato" lets
        # pixels that are wrong pull on the edges that could reach them.
        mask = rp.silhouette(mesh.with_positions(positions), camera, (size, size), gradient="kato", supersample=2)
        loss = (mask - target).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            print(f"step {step:3d}  loss {loss.item():8.1f}")

    fitted = mesh.with_positions(positions.detach())
    with torch.no_grad():
        mask = rp.silhouette(fitted, camera, (size, size), supersample=2)
    overlap = ((mask > 0.5) & (target > 0.5)).sum() / ((mask > 0.5) | (target > 0.5)).sum()
    rp.io.save_png(f"{out}/square.png", mask[0])
    rp.io.save(f"{out}/square.obj", fitted)
    print(f"intersection over union with the square: {overlap.item():.4f}; wrote {out}/square.png and .obj")


if __name__ == "__main__":
    main()
