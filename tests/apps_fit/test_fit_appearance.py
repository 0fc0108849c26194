"""Paint and light from pictures."""

import pytest
import torch
from fit_scenes import LIGHTS, all_around, bare, painted_torus, photographed, torus_views, two_tone_sphere

from repousse import io, metrics
from repousse.apps.common import InputError
from repousse.apps.fit.appearance import AppearanceSettings, AppearanceStage
from repousse.apps.fit.baked import with_baked_light
from repousse.apps.fit.light import arriving, estimated_light, light_of, sky
from repousse.apps.fit.measure import eyes
from repousse.apps.fit.paint import at_vertices, in_texture, spread
from repousse.apps.fit.samples import Samples, SampleStore, samples
from repousse.data import Views
from repousse.geometry import Mesh, icosphere, vertex_normals
from repousse.render import render
from repousse.shading import Ambient, Directional, Light

pytest.importorskip("xatlas", reason="needs xatlas")


def fitted(stage: AppearanceStage) -> AppearanceStage:
    for i in range(stage.steps):
        stage.step(i)
    return stage


def decibels(stage: AppearanceStage, views: Views) -> float:
    got = photographed(stage.mesh(), views.camera, views.size[0], stage.lights())
    return float(metrics.psnr(eyes(got.color), eyes(views.color), mask=views.mask).mean())


@pytest.fixture(scope="module")
def textured() -> AppearanceStage:
    return fitted(AppearanceStage(bare(painted_torus()), torus_views(), AppearanceSettings(steps=40)))


@pytest.fixture(scope="module")
def held_out() -> Views:
    return photographed(painted_torus(), all_around(5, 3.1), 48)


def test_a_texture_shows_new_pictures(textured: AppearanceStage, held_out: Views) -> None:
    """Breaks if the texture is mirrored, shifted or blurred, or the light is wrong."""
    assert decibels(textured, held_out) > 27


def test_steps_improve_what_was_projected(held_out: Views) -> None:
    """Breaks if Adam does not go on from the projection, or runs away from it."""
    stage = AppearanceStage(bare(painted_torus()), torus_views(), AppearanceSettings(steps=40))
    before = decibels(stage, held_out)
    losses = [stage.step(i)["color"] for i in range(stage.steps)]
    assert decibels(stage, held_out) > before + 1
    assert sum(losses[-4:]) < 0.5 * sum(losses[:4])


def test_vertices_take_colours() -> None:
    """Breaks if vertex colours land on the wrong vertices."""
    mesh = two_tone_sphere()
    views = photographed(mesh, all_around(8), 40)
    stage = fitted(AppearanceStage(bare(mesh), views, AppearanceSettings(texture="vertices", steps=30)))
    assert "uv" not in stage.mesh().attributes
    assert decibels(stage, photographed(mesh, all_around(4, 3.1), 40)) > 27


def test_light_is_told_from_paint() -> None:
    """Breaks if shading is painted onto the surface, or the light comes from elsewhere."""
    mesh = two_tone_sphere()
    views = photographed(mesh, all_around(12), 48)
    stage = fitted(AppearanceStage(bare(mesh), views, AppearanceSettings(texture="vertices", steps=20)))
    (light,) = stage.lights()
    straight = light.coefficients[[3, 1, 2]].mean(1)  # type: ignore[attr-defined]
    wanted = torch.nn.functional.normalize(torch.tensor([0.4, 0.8, 0.45]), dim=0)
    assert float(torch.nn.functional.normalize(straight, dim=0) @ wanted) > 0.99
    paint = photographed(stage.mesh(), views.camera, 48, Ambient(1.0))
    truth = photographed(mesh, views.camera, 48, Ambient(0.625))  # the mean of the true light
    assert (paint.color - truth.color).abs()[truth.mask == 1].mean() < 0.02


def test_light_of_a_grey_surface_is_found() -> None:
    """Breaks if the estimate does not agree with the light's own shading, or depends on how bright the paint is."""
    normals = torch.nn.functional.normalize(torch.randn(800, 3, generator=torch.Generator().manual_seed(3)), dim=-1)
    shape = 0.2 * torch.randn(8, 3, generator=torch.Generator().manual_seed(4))
    for paint in (0.1, 0.6):
        found = estimated_light(normals, normals, paint * arriving(sky(normals), shape))
        assert (found - shape).abs().max() < 0.02
    points = render(icosphere(3), all_around(1), (32, 32), lights=light_of(shape), gradient=None, smooth=True)
    wanted = arriving(sky(points.normal), shape)
    assert ((points.color - wanted).abs().amax(-1) * points.mask).max() < 1e-4


def test_light_is_never_dark() -> None:
    """Breaks if paint is divided by nothing where the light seems to vanish."""
    normals = torch.nn.functional.normalize(torch.randn(800, 3, generator=torch.Generator().manual_seed(3)), dim=-1)
    shape = estimated_light(normals, normals, normals[:, 1:2].clamp(min=0).expand(-1, 3))
    assert arriving(sky(normals), shape).min() > 0.1
    assert not estimated_light(normals[:3], normals[:3], normals[:3]).any()  # too few to tell anything


def test_unseen_places_take_their_neighbours_colours() -> None:
    """Breaks if what no picture shows is black or grey."""
    mesh = two_tone_sphere()
    views = photographed(mesh, all_around(8)[4:], 40)  # from below: the top is never seen
    for texture in ("uv", "vertices"):
        settings = AppearanceSettings(texture=texture, light=False, steps=10, resolution=128)  # type: ignore[arg-type]
        stage = fitted(AppearanceStage(bare(mesh), views, settings))
        above = photographed(stage.mesh(), all_around(8)[:1], 40, Ambient(1.0))
        assert above.color[above.mask == 1].amin(0)[0] > 0.1


def test_pixels_near_silhouettes_do_not_count() -> None:
    """Breaks if a shape that is a little too large is painted with the background."""
    mesh = two_tone_sphere()
    views = photographed(mesh, all_around(8), 40, Ambient(1.0))
    large = bare(mesh).with_positions(mesh.positions * 1.06)
    stage = fitted(AppearanceStage(large, views, AppearanceSettings(texture="vertices", light=False, steps=20)))
    assert stage.mesh().attributes["color"].values.quantile(0.01) > 0.15
    seen = samples(large.with_attribute("normal", vertex_normals(large.positions, large.faces)), views, 0)
    assert 0 < len(seen) <= int((views.mask[0] == 1).sum())


@pytest.mark.parametrize("texture", ["uv", "vertices"])
def test_going_on_from_a_state_is_exact(texture: str, tmp_path) -> None:
    """Breaks if anything that later steps depend on is missing from the state: one bit would tell."""
    mesh, views = bare(painted_torus()), torus_views()
    settings = AppearanceSettings(texture=texture, steps=6, resolution=64)  # type: ignore[arg-type]
    through = AppearanceStage(mesh, views, settings)
    for i in range(3):
        through.step(i)
    torch.save(through.state(), tmp_path / "state.pt")
    other = AppearanceStage(mesh, views, settings)
    other.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    losses = [[stage.step(i)["color"] for i in range(3, 6)] for stage in (through, other)]
    assert losses[0] == losses[1]
    name = "color" if texture == "vertices" else "uv"
    assert torch.equal(through.mesh().attributes[name].values, other.mesh().attributes[name].values)
    assert all(torch.equal(a, b) for a, b in zip(_tensors(through.state()), _tensors(other.state()), strict=True))


def _tensors(value: object) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    parts = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list | tuple) else []
    return [tensor for part in parts for tensor in _tensors(part)]


def test_a_state_before_the_first_step_is_a_beginning() -> None:
    """Breaks if a checkpoint between the stages cannot be read."""
    stage = AppearanceStage(bare(painted_torus()), torus_views(), AppearanceSettings(texture="vertices", steps=1))
    stage.restore(stage.state())
    assert stage.step(0)["color"] > 0


def test_the_file_brings_the_colours_back(textured: AppearanceStage, tmp_path) -> None:
    """Breaks if the GLB shows something else than the fit."""
    io.save(tmp_path / "mesh.glb", textured.mesh())
    back = io.load(tmp_path / "mesh.glb")
    one, other = (photographed(mesh, all_around(2), 48, textured.lights()) for mesh in (textured.mesh(), back))
    assert (eyes(one.color) - eyes(other.color)).abs().max() < 0.02
    assert back.materials[0].metallic == 0 and back.materials[0].roughness == 1


def test_baked_light_looks_the_same_in_the_dark(textured: AppearanceStage) -> None:
    """Breaks if the light is not in the texture, or another light adds to it."""
    lit = photographed(textured.mesh(), all_around(3), 48, textured.lights())
    baked = with_baked_light(textured.mesh(), textured.lights())
    for lights in (Ambient(0.0), LIGHTS):
        shown = photographed(baked, all_around(3), 48, lights)
        assert (eyes(shown.color) - eyes(lit.color)).abs().mean() < 0.01
    with pytest.raises(ValueError, match="no texture"):
        with_baked_light(icosphere(1), textured.lights())


def test_spreading_is_the_transpose_of_looking() -> None:
    """Breaks if pictures are averaged onto other places than those they are looked up at."""
    mesh = painted_torus()
    seen = samples(mesh, torus_views(), 0)
    image, values = torch.rand(64, 64, 2), torch.rand(*seen.shares.shape[:2], 2)
    wanted = (in_texture(image, seen) * values).sum()
    assert torch.isclose((spread(values, seen, (64, 64, 2)) * image).sum(), wanted, rtol=1e-4)
    colors = torch.rand(len(mesh.positions), 2)
    wanted = (at_vertices(colors, seen) * values).sum()
    assert torch.isclose((spread(values, seen, tuple(colors.shape)) * colors).sum(), wanted, rtol=1e-4)


def test_what_does_not_fit_into_memory_is_worked_out_again() -> None:
    """Breaks if a small store gives other samples than a large one."""
    mesh, views = painted_torus(), torus_views()
    large, small = SampleStore(mesh, views), SampleStore(mesh, views, most=0)
    for index in (0, 5, 0):
        for one, other in zip(vars(large[index]).values(), vars(small[index]).values(), strict=True):
            assert torch.equal(one, other)
    assert large[0] is large[0] and small[0] is not small[0]
    both = Samples.joined([large[0], large[1]])
    assert len(both) == len(large[0]) + len(large[1]) and both.uv.shape[0] == len(both)


def test_pictures_that_show_nothing_are_no_error() -> None:
    """Breaks if a mesh that no picture shows ends the fit."""
    views = torus_views()
    empty = Views(torch.zeros_like(views.color), torch.zeros_like(views.mask), views.camera, views.names)
    stage = fitted(AppearanceStage(bare(painted_torus()), empty, AppearanceSettings(steps=2)))
    assert stage.mesh().materials and all(isinstance(light, Light) for light in stage.lights())


def test_settings_that_make_no_sense_are_named() -> None:
    """Breaks if a wrong setting reaches the optimisation."""
    for wrong in ({"texture": "voxels"}, {"resolution": 3}, {"steps": -1}, {"learning_rate": 0.0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            AppearanceSettings(**wrong)  # type: ignore[arg-type]


@pytest.mark.long
def test_the_cow(shared_data) -> None:
    """Breaks if a real texture, at 24 pictures of 128², falls under 27 dB on held-out pictures."""
    mesh = io.load(shared_data / "meshes" / "spot.obj.gz").normalized()
    lights = (Ambient(0.5), Directional((0.4, 0.8, 0.45), 0.5))
    views = photographed(mesh, all_around(24), 128, lights)
    stage = fitted(AppearanceStage(Mesh(mesh.positions, mesh.faces), views))
    assert decibels(stage, photographed(mesh, all_around(7, 3.1), 128, lights)) > 33
