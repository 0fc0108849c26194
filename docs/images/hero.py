"""Makes hero.gif, the picture on top of the README: four problems side by side, from start to end."""

import math
from pathlib import Path

import torch
from torch import Tensor

import repousse as rp

SIZE = (168, 168)
FRAMES, HOLD = 20, 6
PAPER = torch.tensor([0.97, 0.96, 0.94])
SHADE = torch.tensor([0.82, 0.80, 0.77])
COPPER = torch.tensor([0.93, 0.58, 0.42])
BLUE = torch.tensor([0.20, 0.38, 0.62])
FOV = math.radians(42)


def copper(mesh: rp.Mesh) -> rp.Mesh:
    return mesh.with_attribute("color", COPPER.expand(mesh.positions.shape[0], 3).contiguous())


def on(ground: Tensor, picture: rp.Picture) -> Tensor:
    """The picture, drawn on black, over a ground (H, W, 3)."""
    return (picture.color + (1 - picture.mask[..., None]) * ground)[0].detach()


def turntable(mesh: rp.Mesh) -> list[Tensor]:
    azimuths = torch.arange(FRAMES + HOLD) * (2 * math.pi / (FRAMES + HOLD))
    cameras = rp.Camera.orbit(3.0, 0.5, azimuths, fov=FOV)
    background = PAPER.tolist()
    return list(rp.render(copper(mesh), cameras, SIZE, smooth=True, supersample=2, background=background).color)


def push(mesh: rp.Mesh, steps: int = 240) -> list[Tensor]:
    camera = rp.Camera.orbit(2.732, 0.0, math.pi / 2, fov=math.radians(50))
    target = torch.zeros(1, *SIZE)
    target[:, 42:126, 42:126] = 1
    ground = torch.lerp(PAPER, SHADE, target[0, ..., None])
    positions = mesh.positions.clone().requires_grad_()
    optimizer = torch.optim.Adam([positions], lr=1.2e-3)
    frames = []
    for _ in range(steps):
        moved = copper(mesh.with_positions(positions))
        frames.append(on(ground, rp.render(moved, camera, SIZE, smooth=True, supersample=2, gradient=None)))
        loss = (rp.silhouette(moved, camera, SIZE, supersample=2) - target).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return thinned(frames)


def paint(steps: int = 60) -> list[Tensor]:
    mesh = rp.teapot(20).normalized()
    camera = rp.Camera.orbit(3.0, 0.4, 0.5, fov=FOV)
    bright = (rp.Ambient(0.75), rp.Directional(strength=0.35))
    renderer = rp.Renderer(SIZE, lights=bright, gradient=None, supersample=2, background=PAPER.tolist(), smooth=True)
    x, y, z = mesh.positions.unbind(-1)
    around = x + 0.5 * z
    diamonds = torch.sigmoid(8 * (torch.cos(9 * around + 12 * y) * torch.cos(9 * around - 12 * y) - 0.2))
    pattern = torch.lerp(torch.tensor([0.95, 0.9, 0.78]), BLUE, diamonds[:, None])
    target = renderer(mesh.with_attribute("color", pattern), camera).color
    colors = torch.full_like(pattern, 0.3).requires_grad_()
    optimizer = torch.optim.Adam([colors], lr=0.02, betas=(0.5, 0.999))
    frames = []
    for _ in range(steps):
        picture = renderer(mesh.with_attribute("color", colors), camera)
        frames.append(picture.color[0].detach())
        optimizer.zero_grad()
        (picture.color - target).square().sum().backward()
        optimizer.step()
    return thinned(frames)


def search(mesh: rp.Mesh, steps: int = 160) -> list[Tensor]:
    target = rp.silhouette(mesh, rp.Camera.orbit(3.0, 0.5, -0.4, fov=FOV), SIZE, gradient=None, supersample=2)
    ground = torch.lerp(PAPER, SHADE, target[0, ..., None])
    eye = torch.tensor([6.0, 10.0, 14.0], requires_grad=True)
    optimizer = torch.optim.Adam([eye], lr=0.1)
    frames = []
    for step in range(steps):
        camera = rp.Camera.look_at(eye, fov=FOV)
        frames.append(on(ground, rp.render(copper(mesh), camera, SIZE, smooth=True, supersample=2, gradient=None)))
        optimizer.param_groups[0]["lr"] = 0.1 if step < steps // 2 else 0.01
        loss = (rp.silhouette(mesh, camera, SIZE, supersample=2) - target).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return thinned(frames)


def thinned(frames: list[Tensor]) -> list[Tensor]:
    """FRAMES of them, then the last one for as long as HOLD."""
    chosen = torch.linspace(0, len(frames) - 1, FRAMES).round().int().tolist()
    return [frames[i] for i in chosen] + [frames[-1]] * HOLD


def main() -> None:
    teapot = rp.teapot().normalized()
    panels = [turntable(teapot), push(teapot), paint(), search(teapot)]
    film = torch.stack([torch.cat(row, dim=1) for row in zip(*panels, strict=True)])
    path = Path(__file__).with_name("hero.gif")
    rp.io.save_gif(path, film, fps=8)
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
