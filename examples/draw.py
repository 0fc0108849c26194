"""Draw a turntable: one mesh, many cameras, one call."""

import math
from pathlib import Path

import torch

import repousse as rp


def main(out: str = "out/examples", size: int = 256, frames: int = 90) -> None:
    Path(out).mkdir(parents=True, exist_ok=True)

    # The longest side becomes 2, the middle the origin. rp.io.load("file.obj") reads a mesh of your own.
    mesh = rp.teapot().normalized()

    # A batch of cameras on a circle. Angles are radians, 0 looks from +z, pi/2 from +x.
    azimuth = torch.arange(frames) * (2 * math.pi / frames)
    cameras = rp.Camera.orbit(2.732, math.radians(30), azimuth, fov=math.radians(60))

    # A few views at a time keep memory small; `gradient=None` because nothing is learnt here.
    pictures = [
        rp.render(mesh, cameras[some], (size, size), gradient=None, supersample=2)
        for some in torch.arange(frames).split(10)
    ]
    film = torch.cat([picture.color for picture in pictures])

    rp.io.save_gif(f"{out}/turntable.gif", film, fps=20)
    rp.io.save_png(f"{out}/teapot.png", film[0])
    print(f"{len(film)} frames in {out}/turntable.gif")


if __name__ == "__main__":
    main()
