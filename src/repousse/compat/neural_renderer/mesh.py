"""Mesh of `neural_renderer`: vertices, faces and texture cubes, with the two ways of making one."""

import os
from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn

from repousse.compat.neural_renderer.obj_files import load_obj
from repousse.compat.neural_renderer.tensors import ArrayLike, float_tensor

TEXTURE_DEVIATION = 0.05  # of the normal distribution that fresh texture cubes are drawn from


class Mesh(nn.Module):
    """A mesh to optimise, in either of the two released forms.

    >>> mesh = Mesh("teapot.obj", texture_size=4)  # Chainer: everything is a parameter
    >>> mesh = Mesh(vertices, faces, textures)     # PyTorch port: tensors are kept as given

    vertices       float (V, 3), or the path of an .obj file
    faces          int (F, 3); with a path: the texture size, if given
    textures       float (F, T, T, T, 3), or None for cubes drawn from N(0, 0.05); with a path: normalization,
                   if given
    texture_size   T of drawn cubes
    normalization  with a path: fit the mesh into the cube [-1, 1]^3
    filename_obj   the path, by its released name

    Attributes: vertices, faces (int32), textures, num_vertices, num_faces, texture_size. From a path the
    vertices are a Parameter; vertices given as a tensor stay that tensor, so the gradient reaches what
    computed them. Drawn cubes are a Parameter and stand for colours before a sigmoid (`logits` is True);
    given ones are colours and, unlike in the released port, are really kept. `vertices` and `textures` may be
    replaced by other tensors. `to(device)` moves all.
    """

    vertices: Tensor
    faces: Tensor
    textures: Tensor

    def __init__(
        self,
        vertices: ArrayLike | str | os.PathLike[str] | None = None,
        faces: ArrayLike | None = None,
        textures: ArrayLike | bool | None = None,
        texture_size: int = 4,
        normalization: bool = True,
        *,
        filename_obj: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        path = vertices if isinstance(vertices, str | os.PathLike) else filename_obj
        if path is not None:
            texture_size = faces if isinstance(faces, int) else texture_size
            normalization = textures if isinstance(textures, bool) else normalization
            loaded, faces = load_obj(path, normalization)[:2]
            vertices, textures = nn.Parameter(loaded), None
        if vertices is None or faces is None or isinstance(vertices, str | os.PathLike) or isinstance(textures, bool):
            raise TypeError("Mesh: pass the path of an .obj file, or vertices, faces and perhaps textures.")
        self.vertices = float_tensor(vertices, "Mesh: `vertices`")
        index = torch.as_tensor(faces, device=self.vertices.device)
        if self.vertices.ndim != 2 or self.vertices.shape[1] != 3 or index.ndim != 2 or index.shape[1] != 3:
            raise ValueError(
                "Mesh: `vertices` must be (vertices, 3) and `faces` (faces, 3), "
                f"but are {tuple(self.vertices.shape)} and {tuple(index.shape)}."
            )
        self.register_buffer("faces", index.int())
        self.logits = textures is None
        self.textures = self._drawn(texture_size) if textures is None else self._given(textures)

    def _drawn(self, size: int) -> nn.Parameter:
        if size < 2:
            raise ValueError(f"Mesh: `texture_size` must be at least 2, but is {size}.")
        noise = torch.randn(self.num_faces, size, size, size, 3, dtype=self.vertices.dtype, device=self.vertices.device)
        return nn.Parameter(TEXTURE_DEVIATION * noise)

    def _given(self, textures: ArrayLike) -> Tensor:
        cubes = float_tensor(textures, "Mesh: `textures`")
        size = cubes.shape[1] if cubes.ndim == 5 else 0
        if cubes.shape != (self.num_faces, size, size, size, 3):
            raise ValueError(f"Mesh: `textures` must be ({self.num_faces}, T, T, T, 3), but is {tuple(cubes.shape)}.")
        return cubes

    @classmethod
    def fromobj(
        cls,
        filename_obj: str | os.PathLike[str],
        normalization: bool = True,
        load_texture: bool = False,
        texture_size: int = 4,
        texture_wrapping: str = "REPEAT",
        use_bilinear: bool = True,
    ) -> Self:
        """A mesh from an .obj file, in the form of the PyTorch port; see `load_obj` for the arguments."""
        loaded = load_obj(filename_obj, normalization, texture_size, load_texture, texture_wrapping, use_bilinear)
        return cls(*loaded, texture_size=texture_size)

    @property
    def num_vertices(self) -> int:
        """Number of vertices."""
        return self.vertices.shape[0]

    @property
    def num_faces(self) -> int:
        """Number of faces."""
        return self.faces.shape[0]

    @property
    def texture_size(self) -> int:
        """T of the texture cubes."""
        return self.textures.shape[1]

    def get_batch(self, batch_size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Vertices (B, V, 3), faces (B, F, 3) and colours (B, F, T, T, T, 3) for B = `batch_size` pictures.

        Drawn texture cubes pass a sigmoid; colours that were given or loaded do not. Differentiable.
        """
        colors = torch.sigmoid(self.textures) if self.logits else self.textures
        vertices, faces, colors = (
            tensor.expand(batch_size, *tensor.shape) for tensor in (self.vertices, self.faces, colors)
        )
        return vertices, faces, colors

    def set_lr(self, lr_vertices: float, lr_textures: float) -> None:
        """Set the factors on the step size that `Adam` uses for the vertices and for the textures."""
        self.vertices.lr = lr_vertices  # type: ignore[attr-defined]
        self.textures.lr = lr_textures  # type: ignore[attr-defined]

    def __setattr__(self, name: str, value: Any) -> None:
        # A module does not let a plain tensor replace a parameter; the released mesh, no module, does.
        if name in ("vertices", "textures") and not isinstance(value, nn.Parameter):
            self.__dict__.get("_parameters", {}).pop(name, None)
        super().__setattr__(name, value)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        for name in ("vertices", "textures"):
            if name in self.__dict__:
                self.__dict__[name] = fn(self.__dict__[name])
        return self
