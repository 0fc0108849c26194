"""Makes the pictures of docs/gallery.md, one per shader and light."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

import repousse as rp
from repousse import shading
from repousse.io import linear_to_srgb
from repousse.ops.cubemap import environment_directions

HERE = Path(__file__).parent
SIZE = (216, 320)
PAPER = (0.91, 0.90, 0.87)
CLAY, COPPER, SEA = (0.72, 0.32, 0.2), (0.95, 0.64, 0.54), (0.1, 0.35, 0.5)


@dataclass(frozen=True)
class Shot:
    mesh: rp.Mesh
    shader: shading.Shader
    lights: Sequence[shading.Light]
    smooth: bool = True


def sky() -> Tensor:
    """A lat-long image (128, 256, 3): blue above, brown below, a low sun and a bright window."""
    direction = environment_directions(128, 256)
    up = direction[..., 1:2]
    above = torch.lerp(torch.tensor([0.9, 0.92, 0.95]), torch.tensor([0.12, 0.3, 0.75]), up.clamp(0, 1).sqrt())
    image = torch.where(up > 0, above, torch.tensor([0.2, 0.15, 0.11]))
    for towards, sharpness, color in (
        ((0.9, 0.8, 0.1), 300.0, (120.0, 100.0, 72.0)),
        ((-0.8, 0.4, 0.5), 12.0, (1.2, 1.2, 1.3)),
    ):
        cosine = direction @ torch.nn.functional.normalize(torch.tensor(towards), dim=0)
        image = image + torch.exp(sharpness * (cosine - 1))[..., None] * torch.tensor(color)
    return image


def hammered(size: int = 256) -> Tensor:
    """A normal map (size, size, 3) of round dents, side by side and repeating."""
    centres = (torch.arange(size) + 0.5) / size * 8 % 1 * 2 - 1
    v, u = torch.meshgrid(-centres, centres, indexing="ij")
    depth = (1 - u * u - v * v).clamp(min=0)
    normal = torch.stack((1.6 * u * depth, 1.6 * v * depth, torch.ones_like(u)), -1)
    return 0.5 + 0.5 * torch.nn.functional.normalize(normal, dim=-1)


def tartan(size: int = 512) -> Tensor:
    """A woven pattern (size, size, 3) that repeats."""
    place = torch.arange(size) / size
    threads = torch.tensor([[0.6, 0.05, 0.06], [0.02, 0.12, 0.1], [0.02, 0.03, 0.1], [0.8, 0.7, 0.4]])
    kind = torch.bucketize(place * 4 % 1, torch.tensor([0.42, 0.66, 0.94]))
    warp, weft = threads[kind][None].expand(size, -1, -1), threads[kind][:, None].expand(-1, size, -1)
    over = ((place[:, None] + place) * 64 % 1 < 0.5)[..., None]
    return torch.where(over, warp, weft)


def tiled(mesh: rp.Mesh, times: float) -> rp.Mesh:
    """The mesh with its textures repeated."""
    uv = mesh.attributes["uv"]
    return mesh.with_attribute("uv", uv.values * times, uv.faces)


def shots() -> dict[str, Shot]:
    teapot = rp.teapot(24).normalized()
    studio = (
        rp.Ambient((0.08, 0.09, 0.11)),
        rp.Directional((1.0, 0.8, 0.15), (0.9, 0.85, 0.78)),
        rp.Directional((-0.9, 0.1, 0.3), (0.06, 0.08, 0.12)),
    )
    outdoors = (shading.Environment(sky()),)
    lamp = (rp.Ambient(0.04), rp.PointLight((1.1, 1.0, 1.2), (2.6, 2.1, 1.4)))
    soft = torch.zeros(9, 3)
    soft[0] = torch.tensor([1.5, 1.6, 1.8])
    soft[1] = torch.tensor([0.7, 0.8, 1.0])
    soft[3] = torch.tensor([1.0, 0.5, 0.1])

    x, y, z = (7 * teapot.positions).unbind(-1)
    waves = torch.sigmoid(6 * (torch.cos(x + 0.5 * z) * torch.cos(2 * y) - 0.1))[:, None]
    stripes = torch.lerp(torch.tensor([0.9, 0.84, 0.7]), torch.tensor([0.05, 0.14, 0.4]), waves)

    def made_of(color: tuple[float, float, float], metallic: float = 0.0, roughness: float = 0.4) -> rp.Mesh:
        material = rp.Material(base_color=color, metallic=metallic, roughness=roughness)
        return teapot.with_materials([material])

    low = teapot.positions[:, 1].amin()
    table = rp.plane(40.0)
    table = table.with_positions(table.positions + torch.stack([0 * low, low, 0 * low]))
    dented = rp.Material(base_color=(0.9, 0.75, 0.4), metallic=1.0, roughness=0.25)
    dented = replace(dented, normal_texture=rp.Texture(hammered()))
    woven = rp.Material(base_color_texture=rp.Texture(tartan()))
    glass = rp.Material(base_color=(0.25, 0.6, 0.5, 0.35), roughness=0.1, alpha="blend")
    low_sun = rp.Directional((-0.5, 0.75, -0.35), (1.0, 0.95, 0.85))
    sun = (rp.Ambient((0.13, 0.14, 0.17)), rp.Shadowed(low_sun, softness=2))
    return {
        "texture": Shot(tiled(teapot, 2.0).with_materials([woven]), rp.lambert, studio),
        "normal_map": Shot(tiled(teapot, 4.0).with_materials([dented]), rp.pbr, outdoors),
        "blend": Shot(teapot.with_materials([glass]), rp.pbr, outdoors),
        "shadow": Shot(rp.join([made_of(CLAY), table.with_materials([rp.Material()])]), rp.lambert, sun),
        "flat": Shot(rp.teapot(5).normalized().with_materials([rp.Material(base_color=CLAY)]), shading.flat, studio),
        "lambert": Shot(made_of(CLAY), rp.lambert, studio),
        "phong": Shot(made_of(CLAY), shading.phong, studio),
        "blinn_phong": Shot(made_of(SEA), shading.blinn_phong, studio),
        "copper": Shot(made_of(COPPER, 1.0, 0.3), shading.pbr, outdoors),
        "mirror": Shot(made_of((0.95, 0.95, 0.95), 1.0, 0.0), shading.pbr, outdoors),
        "glaze": Shot(made_of(SEA, 0.0, 0.15), shading.pbr, outdoors),
        "toon": Shot(made_of((0.9, 0.45, 0.15)), shading.toon, studio),
        "contour": Shot(
            teapot, partial(shading.contour, base=shading.albedo, color=(0.1, 0.1, 0.15), width=1.5, step=0.02), ()
        ),
        "comic": Shot(
            made_of((0.25, 0.55, 0.85)), partial(shading.contour, base=shading.toon, width=2.0, step=0.02), studio
        ),
        "occlusion": Shot(rp.join([teapot, table]), shading.AmbientOcclusion(128), ()),
        "point": Shot(made_of((0.8, 0.8, 0.8)), rp.lambert, lamp),
        "harmonics": Shot(made_of((0.8, 0.8, 0.8)), rp.lambert, (shading.SphericalHarmonics(soft),)),
        "environment": Shot(made_of((0.5, 0.5, 0.5)), rp.lambert, outdoors),
        "normals": Shot(teapot, shading.normals, ()),
        "depth": Shot(teapot, shading.depth, ()),
        "position": Shot(teapot, shading.position, ()),
        "albedo": Shot(teapot.with_attribute("color", stripes), shading.albedo, ()),
    }


def main() -> None:
    camera = rp.Camera.orbit(2.6, 0.5, 0.55, target=(0.04, -0.03, -0.06), fov=math.radians(34))
    folder = HERE / "gallery"
    folder.mkdir(exist_ok=True)
    for name, shot in shots().items():
        with torch.no_grad():
            picture = rp.render(
                shot.mesh,
                camera,
                SIZE,
                lights=shot.lights,
                shader=shot.shader,
                smooth=shot.smooth,
                supersample=4,
                gradient=None,
                background=PAPER,
            )
        pixels = (linear_to_srgb(picture.color[0].clamp(0, 1)) * 255).round().byte().numpy()
        Image.fromarray(pixels).save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
