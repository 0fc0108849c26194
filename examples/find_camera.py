"""Find where a silhouette was photographed from."""

import math
from pathlib import Path

import torch

import repousse as rp


def main(out: str = "out/examples", size: int = 256, steps: int = 400) -> None:
    Path(out).mkdir(parents=True, exist_ok=True)
    mesh = rp.teapot().normalized()
    fov = math.radians(60)

    # The photograph: a silhouette from a place we pretend not to know.
    sought = rp.Camera.orbit(2.732, math.radians(30), math.radians(-165), fov=fov)
    target = rp.silhouette(mesh, sought, (size, size), gradient=None, supersample=2)

    # What may change: where the camera stands. It always looks at the origin.
    eye = torch.tensor([6.0, 10.0, -14.0], requires_grad=True)
    optimizer = torch.optim.Adam([eye], lr=0.1)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=10
    )  # smaller steps at the end
    film = []
    for step in range(steps):
        mask = rp.silhouette(mesh, rp.Camera.look_at(eye, fov=fov), (size, size), supersample=2)
        loss = (mask - target).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step(loss.item())
        if step % 5 == 0:
            film.append(torch.stack([target[0], torch.minimum(mask, target)[0], mask[0]], dim=-1).detach())

    rp.io.save_gif(f"{out}/search.gif", torch.stack(film), fps=20)
    truth = sought.position[0]
    cosine = torch.nn.functional.cosine_similarity(eye.double(), truth.double(), dim=0)
    angle = math.degrees(math.acos(min(cosine.item(), 1.0)))
    percent = 100 * abs(eye.norm().item() / truth.norm().item() - 1)
    print(f"found to {angle:.2f} degrees and {percent:.2f} % of the distance; wrote {out}/search.gif")


if __name__ == "__main__":
    main()
