"""Pictures of a ball against those of Mitsuba 3: same camera, same light, direct light only."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from repousse import render
from repousse.camera import Camera
from repousse.geometry import Material, Mesh, icosphere
from repousse.ops.cubemap import environment_directions
from repousse.shading import Ambient, Directional, Environment, Light, PointLight, Shader, lambert, pbr

mi = pytest.importorskip("mitsuba", reason="needs mitsuba, the independent renderer")

SIDE, FOV = 64, 0.6
EYE, SUN, LAMP = (1.0, 1.5, 4.0), (0.5, 0.8, 0.6), (1.5, 2.0, 1.0)


@pytest.fixture(scope="module", autouse=True)
def variant():
    mi.set_variant("scalar_rgb")


def sky() -> Tensor:
    """A lat-long image (32, 64, 3) with a bright side."""
    direction = environment_directions(32, 64)
    towards = torch.nn.functional.normalize(torch.tensor(SUN), dim=0)
    glow = 3 * torch.exp(4 * (direction @ towards - 1))[..., None]
    return 0.2 + 0.2 * direction[..., 1:2] + glow * torch.tensor([1.0, 0.8, 0.5])


EMITTERS: dict[str, tuple[Light, dict]] = {
    "directional": (
        Directional(SUN, 0.7),
        {"type": "directional", "direction": [-x for x in SUN], "irradiance": 0.7 * math.pi},
    ),
    "point": (PointLight(LAMP, 2.0), {"type": "point", "position": list(LAMP), "intensity": 2.0 * math.pi}),
    "constant": (Ambient(0.6), {"type": "constant", "radiance": 0.6}),
}


def emitter(name: str) -> tuple[Light, dict]:
    if name == "environment":
        # Mitsuba has +z in the middle of the image, we have +x.
        image = sky().roll(-16, 1).numpy()
        return Environment(sky()), {"type": "envmap", "bitmap": mi.Bitmap(np.ascontiguousarray(image))}
    light, plugin = EMITTERS[name]
    strength = {key: {"type": "rgb", "value": v} for key, v in plugin.items() if isinstance(v, float)}
    return light, plugin | strength


def truth(bsdf: dict, light: dict, samples: int) -> Tensor:
    scene = mi.load_dict(
        {
            "type": "scene",
            "integrator": {"type": "direct", "hide_emitters": True},
            "sensor": {
                "type": "perspective",
                "fov": math.degrees(FOV),
                "fov_axis": "y",
                "to_world": mi.ScalarTransform4f().look_at(origin=list(EYE), target=[0, 0, 0], up=[0, 1, 0]),
                "film": {
                    "type": "hdrfilm",
                    "width": SIDE,
                    "height": SIDE,
                    "rfilter": {"type": "box"},
                    "pixel_format": "rgb",
                },
            },
            "ball": {"type": "sphere", "bsdf": bsdf},
            "light": light,
        }
    )
    return torch.from_numpy(np.array(mi.render(scene, spp=samples)))


def ours(material: Material, light: Light, shader: Shader) -> tuple[Tensor, Tensor]:
    """The picture and which of its pixels are away from edges."""
    ball = icosphere(5)
    normal = torch.nn.functional.normalize(ball.positions, dim=-1)
    ball = Mesh(ball.positions, ball.faces, materials=(material,)).with_attribute("normal", normal)
    picture = render(
        ball, Camera.look_at(EYE, fov=FOV), (SIDE, SIDE), lights=light, shader=shader, smooth=True, supersample=4
    )
    inside = -torch.nn.functional.max_pool2d(-picture.mask[:, None], 5, 1, 2)[0, 0] == 1
    return picture.color[0], inside


def psnr(one: Tensor, other: Tensor, inside: Tensor) -> float:
    """For a peak of 1; brighter values count as 1."""
    difference = (one.clamp(max=1) - other.clamp(max=1))[inside]
    return -10 * math.log10(difference.square().mean().item())


COLOR = (0.8, 0.5, 0.25)
DIFFUSE = {"type": "diffuse", "reflectance": {"type": "rgb", "value": list(COLOR)}}
LONG = pytest.mark.long


@pytest.mark.parametrize(
    ("name", "samples", "least"),
    [
        ("directional", 16, 40),
        ("point", 16, 40),
        ("constant", 64, 28),
        ("environment", 64, 28),
        pytest.param("constant", 1024, 38, marks=LONG),
        pytest.param("environment", 1024, 38, marks=LONG),
    ],
)
def test_lambert(name, samples, least):
    """Breaks if the unit of a light, its direction, or the orientation of an environment is another than stated."""
    light, plugin = emitter(name)
    color, inside = ours(Material(base_color=COLOR), light, lambert)
    assert psnr(color, truth(DIFFUSE, plugin, samples), inside) > least


@pytest.mark.parametrize("roughness", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("name", ["directional", "point"])
def test_pbr_highlight(name, roughness):
    """Breaks if distribution, masking or unit of the lobe of metals differ: both have reflectance 1 here."""
    light, plugin = emitter(name)
    color, inside = ours(Material(base_color=(1.0, 1.0, 1.0), metallic=1.0, roughness=roughness), light, pbr)
    metal = {"type": "roughconductor", "material": "none", "distribution": "ggx", "alpha": roughness**2}
    assert psnr(color, truth(metal, plugin, 16), inside) > 35


@LONG
@pytest.mark.parametrize(("roughness", "least"), [(0.3, 34), (0.6, 29), (1.0, 38)])
def test_pbr_in_surroundings(roughness, least):
    """Breaks if the split sum becomes worse than the approximation that it is."""
    light, plugin = emitter("environment")
    color, inside = ours(Material(base_color=(1.0, 1.0, 1.0), metallic=1.0, roughness=roughness), light, pbr)
    metal = {"type": "roughconductor", "material": "none", "distribution": "ggx", "alpha": roughness**2}
    assert psnr(color, truth(metal, plugin, 512), inside) > least
