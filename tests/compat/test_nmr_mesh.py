"""Mesh of `repousse.compat.neural_renderer` in its two released forms."""

import pytest
import torch
from torch import nn

from repousse.compat.neural_renderer import Adam, Mesh

OBJ = "v 0 0 0\nv 2 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1 3 4\n"


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "two.obj"
    file.write_text(OBJ)
    return file


def tensors() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.rand(4, 3), torch.tensor([[0, 1, 2], [0, 2, 3]]), torch.rand(2, 3, 3, 3, 3)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: Mesh(str(path), 3, False),
        lambda path: Mesh(path, texture_size=3, normalization=False),
        lambda path: Mesh(filename_obj=path, texture_size=3, normalization=False),
    ],
)
def test_chainer_form(path, make):
    """Breaks if the positional or named arguments of the Chainer release are read differently."""
    torch.manual_seed(0)
    mesh = make(path)
    assert (mesh.num_vertices, mesh.num_faces, mesh.texture_size) == (4, 2, 3)
    assert mesh.vertices.max() == 2 and mesh.faces.dtype == torch.int32
    assert {name for name, _ in mesh.named_parameters()} == {"vertices", "textures"}
    assert mesh.textures.shape == (2, 3, 3, 3, 3) and 0.03 < mesh.textures.std() < 0.07
    assert Mesh(path).vertices.abs().max() == 1 and Mesh(path).texture_size == 4


def test_get_batch_shows_drawn_textures_through_a_sigmoid(path):
    """Breaks if the batch is not the mesh itself, repeated, or the sigmoid is missing."""
    mesh = Mesh(path)
    vertices, faces, colors = mesh.get_batch(3)
    assert vertices.shape == (3, 4, 3) and faces.shape == (3, 2, 3) and colors.shape == (3, 2, 4, 4, 4, 3)
    torch.testing.assert_close(colors[2], torch.sigmoid(mesh.textures))
    (vertices.sum() + colors.sum()).backward()
    assert torch.equal(mesh.vertices.grad, torch.full((4, 3), 3.0)) and mesh.textures.grad is not None


def test_port_form_keeps_what_it_is_given():
    """Breaks if given textures are dropped or measured along the axis of faces, as in the released port."""
    vertices, faces, textures = tensors()
    vertices.requires_grad_()
    mesh = Mesh(vertices, faces, textures)
    assert mesh.textures is textures and mesh.texture_size == 3
    assert mesh.vertices is vertices and mesh.num_faces == 2
    assert torch.equal(mesh.get_batch(2)[2][1], textures)
    mesh = Mesh(vertices * 2, faces, None, 5)
    assert mesh.texture_size == 5 and isinstance(mesh.textures, nn.Parameter)
    mesh.get_batch(1)[0].sum().backward()
    assert vertices.grad is not None and (vertices.grad == 2).all()


def test_fromobj(path):
    """Breaks if the port's constructor from a file loses an argument."""
    (path.parent / "two.mtl").write_text("newmtl red\nKd 1 0 0.25\n")
    path.write_text("mtllib two.mtl\nusemtl red\n" + OBJ)
    mesh = Mesh.fromobj(path, normalization=False, load_texture=True, texture_size=3)
    assert mesh.vertices.max() == 2
    assert torch.equal(mesh.get_batch(1)[2][0], torch.tensor([1.0, 0, 0.25]).expand(2, 3, 3, 3, 3))
    assert Mesh.fromobj(str(path), texture_size=6).texture_size == 6


def test_set_lr_reaches_the_optimiser(path):
    """Breaks if the factors are not where Adam looks for them."""
    mesh = Mesh(path)
    before = mesh.vertices.detach().clone(), mesh.textures.detach().clone()
    mesh.set_lr(0.01, 1.0)
    optimizer = Adam(alpha=0.1).setup(mesh)
    vertices, _, colors = mesh.get_batch(1)
    (vertices.sum() + colors.sum()).backward()
    optimizer.update()
    torch.testing.assert_close(before[0] - mesh.vertices, torch.full((4, 3), 0.001), atol=1e-6, rtol=0)
    torch.testing.assert_close(before[1] - mesh.textures, torch.full((2, 4, 4, 4, 3), 0.1), atol=1e-5, rtol=0)


def test_tensors_may_be_replaced_and_moved(path):
    """Breaks if a plain tensor cannot take the place of a parameter, or stays behind when the mesh moves."""
    mesh = Mesh(path)
    mesh.textures = torch.zeros(2, 2, 2, 2, 3)
    assert mesh.texture_size == 2 and [name for name, _ in mesh.named_parameters()] == ["vertices"]
    mesh.double()
    assert mesh.textures.dtype == mesh.vertices.dtype == torch.float64 and mesh.faces.dtype == torch.int32
    mesh.textures = nn.Parameter(mesh.textures)
    assert "textures" in dict(mesh.named_parameters())


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda v, f, t: Mesh(v), TypeError),
        (lambda v, f, t: Mesh(), TypeError),
        (lambda v, f, t: Mesh(v[None], f), ValueError),
        (lambda v, f, t: Mesh(v, f, t[:1]), ValueError),
        (lambda v, f, t: Mesh(v, f, t[..., :2]), ValueError),
        (lambda v, f, t: Mesh(v, f, None, 1), ValueError),
        (lambda v, f, t: Mesh(v.long(), f), TypeError),
    ],
)
def test_wrong_input_is_refused(call, error):
    """Breaks if a mesh is made of what is none."""
    with pytest.raises(error, match="Mesh"):
        call(*tensors())
