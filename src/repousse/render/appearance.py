"""What the visible surface looks like: materials, textures and attributes at every sample."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from repousse import ops
from repousse.core.numbers import tensor_of
from repousse.geometry import Attribute, Material, Mesh, Texture
from repousse.render.tangents import bend, tangents
from repousse.shading.points import side_seen

Backend = Literal["native", "reference"]
Quantity = Tensor | float


class Appearance:
    """The quantities of `Material` at the samples of `fragments`, each computed when it is asked for.

    Each is (B, H, W, C) or broadcasts to it; a number where the mesh has no material. Textures are as coarse as the
    samples lie apart; without `mipmaps`, for samples that are no grid on the screen, at full resolution.

    Raises ValueError if a material has a texture and the mesh no "uv", and for attributes of unusual width.
    """

    def __init__(self, mesh: Mesh, fragments: ops.Fragments, backend: Backend, *, mipmaps: bool = True) -> None:
        self.mesh = mesh
        self.fragments = fragments
        self.backend: Backend = backend
        self.mipmaps = mipmaps
        self.materials = mesh.materials
        names = ", ".join(repr(material.name) for material in self.materials if material.textures())
        if names and "uv" not in mesh.attributes:
            raise ValueError(
                f'render: the materials {names} have textures but the mesh has no attribute "uv". Add one with '
                "mesh.with_attribute, or use materials without textures."
            )
        self._material = self._material_seen()
        self._base_color: Tensor | None = None
        self._uv: tuple[Tensor, Tensor | None] | None = None

    @property
    def base_color(self) -> Tensor:
        """(B, H, W, 3 or 4): factor x texture x the attribute "color", 0 where nothing is seen."""
        if self._base_color is None:  # functools.cached_property would not compile: it takes a lock
            self._base_color = self._colored()
        return self._base_color

    @property
    def alpha(self) -> Quantity:
        """Of each sample by its material: 1 where opaque, 0 or 1 where masked, anything between where blended."""
        modes = [material.alpha for material in self.materials]
        if all(mode == "opaque" for mode in modes):
            return 1.0
        color = self.base_color
        alpha = color[..., 3:] if color.shape[-1] == 4 else torch.ones_like(color[..., :1])
        cutoff = self._choose([[float(material.alpha_cutoff)] for material in self.materials])
        mode = self._choose([[float(_MODES.index(mode))] for mode in modes])
        masked = (alpha >= cutoff).to(alpha.dtype)
        return torch.where(mode == _MODES.index("blend"), alpha, torch.where(mode == 0, torch.ones_like(alpha), masked))

    @property
    def metallic(self) -> Quantity:
        return self._factor("metallic") * self._textured("metallic_roughness_texture", 1.0, channel=2)

    @property
    def roughness(self) -> Quantity:
        return self._factor("roughness") * self._textured("metallic_roughness_texture", 1.0, channel=1)

    @property
    def emission(self) -> Quantity:
        return self._factor("emission") * self._textured("emission_texture", 1.0)

    @property
    def occlusion(self) -> Quantity:
        """Of the material's texture, times the mesh's attribute "occlusion" on the side that is seen."""
        found = self._textured("occlusion_texture", 1.0, channel=0)
        given = usual_attribute(self.mesh, "occlusion")
        if given is None:
            return found
        shares = self._interpolated(given)
        if shares.shape[-1] == 2:
            front, back = shares.split(1, -1)
            shares = torch.where(side_seen(self.fragments, shares.dtype) > 0, front, back)
        return found * shares

    def bent(self, normal: Tensor) -> Tensor:
        """`normal`, the outward unit normal (B, H, W, 3), turned by the normal map where there is one."""
        if not self._textures("normal_texture"):
            return normal
        sampled = self._textured("normal_texture", _FLAT)
        assert isinstance(sampled, Tensor)
        tangent = ops.interpolate(*tangents(self.mesh), self.fragments, backend=self.backend)
        return bend(normal, tangent, sampled, self._factor("normal_scale"))

    @property
    def double_sided(self) -> Tensor:
        """bool (B, H, W, 1), or (1,) if there is one material."""
        return self._choose([[float(material.double_sided)] for material in self.materials]) > 0

    def _colored(self) -> Tensor:
        color = self._vertex_color()
        for part in (self._textured("base_color_texture", 1.0), self._factor("base_color")):
            if isinstance(part, Tensor):
                color = _product(color, part)
        return color

    def _vertex_color(self) -> Tensor:
        """The attribute "color", white without."""
        given = usual_attribute(self.mesh, "color")
        if given is None:
            covered = (self.fragments.face_id >= 0).to(self.mesh.positions.dtype)[..., None]
            return covered.expand(*covered.shape[:3], 3)
        color = self._interpolated(given)
        return color if self.materials else color[..., :3]  # without a material there is no transparency

    def _material_seen(self) -> Tensor | None:
        """int64 (B, H, W): index of the material seen, -1 where none is; None if there are not several."""
        ids = self.fragments.face_id
        if self.mesh.material_id is None or len(self.materials) < 2:
            return None
        return torch.where(ids >= 0, self.mesh.material_id[ids.clamp(min=0).long()].long(), -1)

    def _coordinates(self) -> tuple[Tensor, Tensor | None]:
        """uv (B, H, W, 2) and, for mipmaps, its derivatives (B, H, W, 2, 2)."""
        if self._uv is None:
            uv = usual_attribute(self.mesh, "uv")
            assert uv is not None  # asked for by textures alone
            given = uv.values, uv.faces, self.fragments
            if self.mipmaps:
                self._uv = ops.interpolate(*given, derivatives=True, backend=self.backend)
            else:
                self._uv = ops.interpolate(*given, backend=self.backend), None
        return self._uv

    def _interpolated(self, attribute: Attribute) -> Tensor:
        return ops.interpolate(attribute.values, attribute.faces, self.fragments, backend=self.backend)

    def _choose(self, rows: Sequence[Tensor | Sequence[float]]) -> Tensor:
        """One row (C,) per material to the samples: (B, H, W, C), or (C,) if there is only one."""
        like = self.mesh.positions
        table = torch.stack([tensor_of(row, like.dtype, like.device) for row in rows])
        return table[0] if self._material is None else table[self._material.clamp(min=0)]

    def _factor(self, name: str) -> Quantity:
        if not self.materials:
            return getattr(Material(), name) if name not in ("base_color", "emission") else float(name != "emission")
        like = self.mesh.positions
        rows = [tensor_of(getattr(material, name), like.dtype, like.device).reshape(-1) for material in self.materials]
        if name == "base_color":
            rows = [torch.cat((row, row.new_ones(1))) if len(row) == 3 else row for row in rows]
        return self._choose(rows)

    def _textures(self, name: str) -> list[Texture]:
        found = [getattr(material, name) for material in self.materials]
        return [texture for texture in found if texture is not None]

    def _textured(self, name: str, missing: float | Sequence[float], channel: int | None = None) -> Quantity:
        """The texture of that name at each sample, and `missing` where the material has none."""
        textures = self._textures(name)
        if not textures:
            like = self.mesh.positions
            return missing if isinstance(missing, float) else tensor_of(missing, like.dtype, like.device)
        uv, derivatives = self._coordinates()
        images = _alike([t.image.to(uv.dtype) for t in textures])
        if self._material is None:
            only = textures[0]
            found = ops.texture(
                images[0], uv, derivatives=derivatives, filter=only.filter, wrap=only.wrap, backend=self.backend
            )
            return found if channel is None else found[..., channel : channel + 1]
        numbers, count = [], 0
        for material in self.materials:
            has = getattr(material, name) is not None
            numbers.append(count if has else -1)
            count += has
        which = tensor_of((*numbers, -1), torch.int32, uv.device)[self._material]  # -1 finds the last
        found = ops.texture(
            images,
            uv,
            which=which,
            derivatives=derivatives,
            filter=[t.filter for t in textures],
            wrap=[t.wrap for t in textures],
            backend=self.backend,
        )
        if channel is not None:
            found = found[..., channel : channel + 1]
        neutral = tensor_of(missing, found.dtype, found.device)
        return torch.where(which[..., None] < 0, neutral, found)


def usual_attribute(mesh: Mesh, name: str) -> Attribute | None:
    """One of the attributes that have a meaning, or None; ValueError if it is too wide or narrow for that meaning."""
    found = mesh.attributes.get(name)
    if found is not None and found.values.shape[-1] not in _CHANNELS[name]:
        wanted = " or ".join(map(str, _CHANNELS[name]))
        raise ValueError(
            f"render: the attribute {name!r} has {found.values.shape[-1]} channels, it should have {wanted}. "
            "Store other values under another name."
        )
    return found


_CHANNELS = {"color": (3, 4), "uv": (2,), "normal": (3,), "occlusion": (1, 2)}
_MODES = ("opaque", "mask", "blend")
_FLAT = (0.5, 0.5, 1.0)  # a normal map that changes nothing


def _alike(images: list[Tensor]) -> list[Tensor]:
    """The images with as many channels as the richest: grey becomes RGB, and a missing alpha 1."""
    channels = max(image.shape[-1] for image in images)
    grown = [image.expand(-1, -1, 3) if image.shape[-1] == 1 < channels else image for image in images]
    return [
        torch.cat((image, torch.ones_like(image[..., :1])), -1) if image.shape[-1] == 3 < channels else image
        for image in grown
    ]


def _product(one: Tensor, other: Tensor) -> Tensor:
    """Colours times colours; where only one has an alpha, the other's is 1."""
    if one.shape[-1] == other.shape[-1]:
        return one * other
    short, long = (one, other) if one.shape[-1] < other.shape[-1] else (other, one)
    color = short * long[..., :3]
    return torch.cat((color, long[..., 3:].expand(*color.shape[:-1], 1)), -1)
