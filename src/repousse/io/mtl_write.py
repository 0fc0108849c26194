"""Materials to MTL text and PNG files, which `mtl_materials` reads as the same materials."""

import re
from collections.abc import Sequence

import torch

from repousse.geometry import Material, Texture
from repousse.geometry.material import Factor

from .images import encode_png


class MtlWriter:
    """Collects what a material file and its textures hold.

    stem   of all names of files: "stem.mtl", "stem_<material>_<what>.png"
    names  of the materials, as usemtl has to call them
    files  pictures by name
    notes  what MTL cannot hold
    """

    def __init__(self, materials: Sequence[Material], stem: str) -> None:
        self.stem = stem
        self.files: dict[str, bytes] = {}
        self.notes: list[str] = []
        self._pictures: dict[tuple[int, str], str] = {}  # a picture that materials share is written once
        self.names = _distinct([_line(material.name) for material in materials], "material")
        for name, material in zip(self.names, materials, strict=True):
            if material.name not in ("", name):
                self.notes.append(f"the name {material.name!r} of a material, which is {name!r} there")
        stems = _distinct([re.sub(r"[^A-Za-z0-9-]+", "_", name)[:40].strip("_") for name in self.names], "material")
        blocks = [self._block(*named) for named in zip(materials, self.names, stems, strict=True)]
        self.text = "\n".join(blocks)

    def _block(self, material: Material, name: str, stem: str) -> str:
        lines = [f"newmtl {name}"]
        self._note_losses(material, name)
        transparent = material.alpha != "opaque"
        color = _numbers(material.base_color, name, "base_color")
        emission = _numbers(material.emission, name, "emission")
        roughness = _numbers(material.roughness, name, "roughness")[0]
        exponent = min(max(2 / max(roughness, 1e-2) ** 4 - 2, 0), 1000)
        lines += [
            f"Kd {_text(color[:3])}",
            "Ks 0.5 0.5 0.5",  # Blender's notation for the 4 % that all but metals reflect
            f"Ke {_text(emission)}",
            f"Ns {exponent:.6g}",
            f"Pr {_text([roughness])}",
            f"Pm {_text(_numbers(material.metallic, name, 'metallic'))}",
            f"d {_text(color[3:] if transparent and len(color) > 3 else [1.0])}",
            "illum 2",
        ]
        if (texture := material.base_color_texture) is not None:
            file = self._picture(texture, slice(None), f"{stem}_color", name, srgb=True)
            # Readers take a black factor for "all from the texture"; a product with black needs none.
            lines += [f"map_Kd {file}"] * any(color[:3])
            lines += [f"map_d {file}"] * (transparent and texture.image.shape[2] == 4)
        if (texture := material.metallic_roughness_texture) is not None:
            for key, what, channel in (("map_Pr", "roughness", 1), ("map_Pm", "metallic", 2)):
                one = slice(channel, channel + 1)
                lines.append(f"{key} {self._picture(texture, one, f'{stem}_{what}', name)}")
        if (texture := material.normal_texture) is not None:
            strength = _text(_numbers(material.normal_scale, name, "normal_scale"))
            file = self._picture(texture, slice(None), f"{stem}_normal", name)
            lines += [f"norm -bm {strength} {file}", f"map_Bump -bm {strength} {file}"]  # the second for Blender
        if (texture := material.emission_texture) is not None and any(emission):
            lines.append(f"map_Ke {self._picture(texture, slice(None), f'{stem}_emission', name, srgb=True)}")
        return "\n".join(lines) + "\n"

    def _picture(self, texture: Texture, channels: slice, stem: str, name: str, *, srgb: bool = False) -> str:
        """The words that follow map_...: options, and the name of the file."""
        key = (id(texture.image), f"{channels}{srgb}")
        if key not in self._pictures:
            file = f"{self.stem}_{stem}.png"
            try:
                self.files[file] = encode_png(texture.image[..., channels], srgb=srgb)
            except ValueError as error:
                raise ValueError(f"save: a texture of material {name!r}: {error}") from error
            self._pictures[key] = file
        clamp = "-clamp on " if texture.wrap == ("clamp", "clamp") else ""
        return clamp + self._pictures[key]

    def _note_losses(self, material: Material, name: str) -> None:
        lost = []
        if material.alpha == "mask":
            lost.append("the alpha mask (it is blended there)")
        color = torch.as_tensor(material.base_color)
        if material.alpha == "opaque" and len(color) > 3 and color[3] != 1:
            lost.append("the alpha that an opaque material ignores")
        if material.occlusion_texture is not None:
            lost.append("the occlusion")
        if material.double_sided:
            lost.append("double_sided")
        for field, texture in material.textures():
            if field == "occlusion_texture":
                continue
            if tuple(texture.wrap) not in (("repeat", "repeat"), ("clamp", "clamp")):
                lost.append(f"the wrap {texture.wrap} of {field}")
            if texture.filter != "linear":
                lost.append(f"the filter {texture.filter!r} of {field}")
        if lost:
            self.notes.append(f"{', '.join(lost)} of material {name!r}")


def _line(name: str) -> str:
    """A name that the rest of a line can hold."""
    name = name.encode("utf-8", errors="replace").decode("utf-8")
    return re.sub(r"[\x00-\x1f\x7f]|\s(?=#)", "_", name).strip().rstrip("\\").lstrip("#").strip()


def _distinct(names: list[str], default: str) -> list[str]:
    """The names, made different (in any case: some file systems ignore it) and none empty."""
    taken: set[str] = set()
    result = []
    for number, name in enumerate(names, 1):
        wanted = name or f"{default}_{number}"
        candidate, count = wanted, 2
        while candidate.lower() in taken:
            candidate, count = f"{wanted}_{count}", count + 1
        taken.add(candidate.lower())
        result.append(candidate)
    return result


def _numbers(value: Factor, name: str, what: str) -> list[float]:
    numbers = torch.as_tensor(value, dtype=torch.float64).detach().cpu().reshape(-1)
    if not numbers.isfinite().all():
        raise ValueError(f"save: `{what}` of material {name!r} is {numbers.tolist()}, not finite")
    return numbers.tolist()


def _text(numbers: Sequence[float]) -> str:
    return " ".join(f"{number:.9g}" for number in numbers)
