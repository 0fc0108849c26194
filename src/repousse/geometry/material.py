"""Textures and materials, as glTF 2.0 defines them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from numbers import Real
from typing import Any, Literal

import torch
from torch import Tensor

Wrap = Literal["repeat", "clamp", "mirror"]
Alpha = Literal["opaque", "mask", "blend"]
Factor = float | Sequence[float] | Tensor


@dataclass(frozen=True, eq=False)
class Texture:
    """A picture that is laid over a surface by its attribute "uv".

    image   float (H, W, C)  row 0 is the top (v = 1); colours linear, not sRGB
    wrap    (along u, along v)  what lies outside [0, 1]: "repeat", "clamp" or "mirror"
    filter  "linear" (between texels and mipmaps) or "nearest" (texels are seen as squares)

    Differentiable in `image`. TypeError or ValueError for anything else.
    """

    image: Tensor
    wrap: tuple[Wrap, Wrap] = ("repeat", "repeat")
    filter: Literal["linear", "nearest"] = "linear"

    def __post_init__(self) -> None:
        if not isinstance(self.image, Tensor) or not self.image.is_floating_point():
            got = self.image.dtype if isinstance(self.image, Tensor) else type(self.image).__name__
            raise TypeError(f"Texture: `image` should be a float tensor (H, W, C) in [0, 1], not {got}.")
        if self.image.ndim != 3 or not 1 <= self.image.shape[2] <= 4 or 0 in self.image.shape:
            raise ValueError(f"Texture: `image` should be (H, W, C) with C from 1 to 4, not {tuple(self.image.shape)}.")
        if len(self.wrap) != 2 or not set(self.wrap) <= {"repeat", "clamp", "mirror"}:
            raise ValueError(f'Texture: `wrap` is a pair of "repeat", "clamp" or "mirror", not {self.wrap!r}.')
        if self.filter not in ("linear", "nearest"):
            raise ValueError(f'Texture: `filter` is "linear" or "nearest", not {self.filter!r}.')

    def to(self, target: torch.device | str | torch.dtype) -> Texture:
        return replace(self, image=self.image.to(target))

    def __repr__(self) -> str:
        height, width, channels = self.image.shape
        return f"Texture({height} × {width}, {channels} channels)"


@dataclass(frozen=True, eq=False)
class Material:
    """What a surface is made of: the metallic-roughness model of glTF 2.0, with its names and defaults.

    Each quantity is a factor times, if there is one, a texture. Colours are linear, not sRGB. Factors are
    numbers or tensors; these and the images of textures are differentiable.

    name                        free
    base_color                  (3,) or (4,)  reflectance and alpha; times the mesh's "color" attribute
    base_color_texture          C = 3 or 4
    metallic                    0 (plastic, wood, ...) to 1 (metal). glTF's default is 1; ours is 0, because
                                a mesh without a material is no mirror
    roughness                   0 (polished) to 1 (matt)
    metallic_roughness_texture  C = 3: roughness in channel 1 (green), metallic in channel 2 (blue)
    normal_texture              C = 3: tangent-space normal in [0, 1], x along u, y along v, z outwards
    normal_scale                x and y of the normal are multiplied by it
    occlusion_texture           channel 0: share of ambient light that arrives
    emission                    (3,)  light the surface gives off
    emission_texture            C = 3
    alpha                       "opaque": alpha is ignored; "mask": seen where alpha >= alpha_cutoff;
                                "blend": mixed with what lies behind
    alpha_cutoff                for "mask"
    double_sided                whether the back of the surface can be seen when a renderer culls backs
    """

    name: str = ""
    base_color: Factor = (1.0, 1.0, 1.0, 1.0)
    base_color_texture: Texture | None = None
    metallic: float | Tensor = 0.0
    roughness: float | Tensor = 1.0
    metallic_roughness_texture: Texture | None = None
    normal_texture: Texture | None = None
    normal_scale: float | Tensor = 1.0
    occlusion_texture: Texture | None = None
    emission: Factor = (0.0, 0.0, 0.0)
    emission_texture: Texture | None = None
    alpha: Alpha = "opaque"
    alpha_cutoff: float = 0.5
    double_sided: bool = False

    def __post_init__(self) -> None:
        for name, channels in _TEXTURES.items():
            texture = getattr(self, name)
            if texture is None:
                continue
            if not isinstance(texture, Texture):
                raise TypeError(f"Material: `{name}` is a {type(texture).__name__}. Give Texture(image).")
            if texture.image.shape[2] not in channels:
                raise ValueError(
                    f"Material: `{name}` has {texture.image.shape[2]} channels, it should have "
                    f"{' or '.join(map(str, channels))}."
                )
        for name, lengths in {"base_color": (3, 4), "emission": (3,)}.items():
            value = torch.as_tensor(getattr(self, name))
            if value.ndim != 1 or len(value) not in lengths:
                wanted = " or ".join(f"({length},)" for length in lengths)
                raise ValueError(f"Material: `{name}` should be {wanted}, not {tuple(value.shape)}.")
        for name in ("metallic", "roughness", "normal_scale", "alpha_cutoff"):
            value = getattr(self, name)
            if not isinstance(value, Real) and not (isinstance(value, Tensor) and value.numel() == 1):
                got = tuple(value.shape) if isinstance(value, Tensor) else repr(value)
                raise ValueError(f"Material: `{name}` should be a number or a tensor with one, not {got}.")
        if self.alpha not in ("opaque", "mask", "blend"):
            raise ValueError(f'Material: `alpha` is "opaque", "mask" or "blend", not {self.alpha!r}.')

    def textures(self) -> list[tuple[str, Texture]]:
        """(name of the field, texture) for each texture there is."""
        found = [(name, getattr(self, name)) for name in _TEXTURES]
        return [(name, texture) for name, texture in found if texture is not None]

    def to(self, target: torch.device | str | torch.dtype) -> Material:
        """The material with its tensors on another device or in another precision."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        moved: dict[str, Any] = {k: v.to(target) for k, v in values.items() if isinstance(v, (Tensor, Texture))}
        return replace(self, **moved)


# Fields that are textures, and how many channels they may have.
_TEXTURES = {
    "base_color_texture": (3, 4),
    "metallic_roughness_texture": (3,),
    "normal_texture": (3,),
    "occlusion_texture": (1, 3),
    "emission_texture": (3,),
}
