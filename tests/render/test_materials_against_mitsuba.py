"""Pictures of textured scenes against those of Mitsuba 3: same files, same camera, same light, direct light only."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from repousse import io
from repousse.camera import Camera
from repousse.geometry import Attribute, Material, Mesh, Texture, cube, face_normals, icosphere, join
from repousse.render import render
from repousse.shading import Directional, Shader, lambert, pbr

mi = pytest.importorskip("mitsuba", reason="needs mitsuba, the independent renderer")

SIDE, FOV = 64, 0.6
EYE, SUN, STRENGTH = (0.8, 1.0, 6.0), (-0.3, 0.6, 1.0), 0.8


@pytest.fixture(scope="module", autouse=True)
def variant() -> None:
    mi.set_variant("scalar_rgb")


def noise(height: int, width: int, channels: int, low: float = 0.0, high: float = 1.0, seed: int = 0) -> Tensor:
    return low + (high - low) * torch.rand(height, width, channels, generator=torch.Generator().manual_seed(seed))


def ball(center: tuple[float, float, float], radius: float) -> Mesh:
    sphere = icosphere(5)
    return sphere.with_attribute("normal", sphere.positions).with_positions(
        sphere.positions * radius + torch.tensor(center)
    )


def card(z: float, half: float) -> Mesh:
    """A square that faces +z."""
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    corners = torch.tensor([[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]])
    return Mesh(corners, faces, {"uv": Attribute(torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]]), faces)})


def with_normals(mesh: Mesh) -> Mesh:
    """The mesh with normals: those of its faces if it has none."""
    if "normal" in mesh.attributes:
        return mesh
    index = torch.arange(len(mesh.faces))[:, None].expand(-1, 3)
    return mesh.with_attribute("normal", face_normals(mesh.positions, mesh.faces), index)


def bitmap(image: Tensor, filter: str = "bilinear", wrap: str = "repeat") -> dict:
    pixels = mi.Bitmap(np.ascontiguousarray(image.numpy()))
    return {"type": "bitmap", "bitmap": pixels, "raw": True, "filter_type": filter, "wrap_mode": wrap}


def truth(parts: list[tuple[Mesh, dict]], folder: Path, samples: int) -> Tensor:
    """Mitsuba's picture of meshes, which it reads from files, each with what it is to be made of."""
    scene = {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": 8},
        "sensor": {
            "type": "perspective",
            "fov": math.degrees(FOV),
            "fov_axis": "y",
            "to_world": mi.ScalarTransform4f().look_at(origin=list(EYE), target=[0, 0, 0], up=[0, 1, 0]),
            "film": {"type": "hdrfilm", "width": SIDE, "height": SIDE, "rfilter": {"type": "box"}},
        },
        "light": {
            "type": "directional",
            "direction": [-x for x in SUN],
            "irradiance": {"type": "rgb", "value": STRENGTH * math.pi},
        },
    }
    for i, (mesh, plugins) in enumerate(parts):
        path = folder / f"{i}.obj"
        io.save(path, Mesh(mesh.positions, mesh.faces, mesh.attributes))
        scene[f"part{i}"] = {"type": "obj", "filename": str(path), "face_normals": "normal" not in mesh.attributes}
        scene[f"part{i}"] |= plugins
    return torch.from_numpy(np.array(mi.render(mi.load_dict(scene), spp=samples)))[..., :3]


def ours(mesh: Mesh, shader: Shader = lambert) -> tuple[Tensor, Tensor]:
    """The picture, and which of its pixels are away from where one part ends."""
    picture = render(
        mesh,
        Camera.look_at(EYE, fov=FOV),
        (SIDE, SIDE),
        lights=Directional(SUN, STRENGTH),
        shader=shader,
        gradient=None,
        smooth=True,
        supersample=4,
    )
    seen = torch.where(picture.face_id < 0, -1, mesh.material_id[picture.face_id.clamp(min=0).long()])[:, None].float()
    most, least = (torch.nn.functional.max_pool2d(sign * seen, 5, 1, 2) * sign for sign in (1, -1))
    inside = (most == least) & (torch.nn.functional.max_pool2d(-picture.mask[:, None], 5, 1, 2) == -1)
    return picture.color[0], inside[0, 0]


def psnr(one: Tensor, other: Tensor, inside: Tensor) -> float:
    assert inside.sum() > 200
    return -10 * math.log10((one.clamp(max=1) - other.clamp(max=1))[inside].square().mean().item())


def test_textures_of_several_materials(tmp_path: Path) -> None:
    """Breaks if a texture is flipped or shifted, faces get another's texture, or wrapping and factors differ."""
    images = [noise(8, 16, 3, seed=1), noise(5, 4, 3, seed=2), noise(6, 6, 3, seed=3)]
    wraps = [("repeat", "repeat"), ("mirror", "mirror"), ("clamp", "clamp")]
    box = cube()
    uv = box.attributes["uv"]
    box = box.with_attribute("uv", uv.values * 2.5 - 0.5, uv.faces)
    meshes = [
        ball((-0.9, 0.6, 0.0), 0.6),
        box.with_positions(box.positions * 0.4 + torch.tensor([0.8, 0.5, 0.3])),
        card(0.2, 0.5).with_positions(card(0.2, 0.5).positions - torch.tensor([0.2, 0.95, 0.0])),
    ]
    parts = [
        mesh.with_materials([Material(base_color_texture=Texture(image, wrap))])  # type: ignore[arg-type]
        for mesh, image, wrap in zip(meshes, images, wraps, strict=True)
    ]
    color, inside = ours(join([with_normals(part) for part in parts]))
    plugins = [
        {"bsdf": {"type": "diffuse", "reflectance": bitmap(image, wrap=wrap[0])}}
        for image, wrap in zip(images, wraps, strict=True)
    ]
    assert psnr(color, truth(list(zip(meshes, plugins, strict=True)), tmp_path, 64), inside) > 40


def test_normal_maps(tmp_path: Path) -> None:
    """Breaks if a map leans along another direction than u and v upwards, or tangents are not those of the surface."""
    flat = torch.tensor([0.5, 0.5, 1.0])
    image = flat + torch.cat((noise(8, 8, 2, -0.2, 0.2, seed=4), torch.zeros(8, 8, 1)), -1)
    mesh = ball((0.0, 0.0, 0.0), 1.3)
    color, inside = ours(mesh.with_materials([Material(normal_texture=Texture(image))]))
    bsdf = {"type": "normalmap", "normalmap": bitmap(image), "bsdf": {"type": "diffuse", "reflectance": 1.0}}
    assert psnr(color, truth([(mesh, {"bsdf": bsdf})], tmp_path, 64), inside) > 45


def test_roughness_textures(tmp_path: Path) -> None:
    """Breaks if roughness is read from another channel, or not squared."""
    image = noise(4, 8, 3, 0.3, 1.0, seed=5)
    mesh = ball((0.0, 0.0, 0.0), 1.3)
    texture = Texture(torch.cat((image[..., :2], torch.ones_like(image[..., :1])), -1), filter="nearest")
    color, inside = ours(mesh.with_materials([Material(metallic=1.0, metallic_roughness_texture=texture)]), pbr)
    alpha = bitmap(image[..., 1:2] ** 2, "nearest")
    bsdf = {"type": "roughconductor", "material": "none", "distribution": "ggx", "alpha": alpha}
    assert psnr(color, truth([(mesh, {"bsdf": bsdf})], tmp_path, 64), inside) > 40


@pytest.mark.parametrize("mode", ["mask", "blend"])
def test_alpha(mode: str, tmp_path: Path) -> None:
    """Breaks if holes are mirrored, cut at another place, or what shines through is weighted otherwise."""
    alpha = noise(6, 6, 1, seed=6)
    image = torch.cat((torch.full((6, 6, 3), 0.7), alpha), -1)
    front = card(0.5, 1.2)
    behind = card(-3.0, 4.0)
    material = Material(base_color_texture=Texture(image, filter="nearest"), alpha=mode)  # type: ignore[arg-type]
    glow = Material(base_color=(0.0, 0.0, 0.0), emission=(0.2, 0.5, 1.0))
    color, inside = ours(join([front.with_materials([material]), behind.with_materials([glow])]))
    opacity = (alpha >= 0.5).float() if mode == "mask" else alpha
    bsdf = {"type": "mask", "opacity": bitmap(opacity, "nearest"), "bsdf": {"type": "diffuse", "reflectance": 0.7}}
    light = {"type": "area", "radiance": {"type": "rgb", "value": [0.2, 0.5, 1.0]}}
    expected = truth([(front, {"bsdf": bsdf}), (behind, {"emitter": light})], tmp_path, 256)
    assert psnr(color, expected, inside) > 33
