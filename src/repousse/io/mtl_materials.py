"""Materials of OBJ models.

MTL describes a surface by the lighting models of 1990; what programs write today adds metallic and roughness.
It becomes a `Material` as follows.

base_color   Kd, times map_Kd. Kd is linear and pictures are sRGB, as Blender reads and writes them (three.js
             takes Kd for sRGB, too; the format says nothing). Without Kd it is white. A black Kd with a map
             is white as well: exporters mean "all from the map", and a product with black would hide it.
alpha        d, or else 1 - Tr, times map_d: "blend" if that is below 1 or there is a map, else "opaque". Tr 1
             counts as opaque, because MeshLab and others write it for that, and nobody exports the invisible.
             map_d is the alpha channel of its picture if there is one, else its brightness (-imfchan: another
             one). The alpha of map_Kd alone is kept in the texture, where an opaque material ignores it.
metallic     Pm, times map_Pm (linear). Without both it is 0.
roughness    Pr, times map_Pr (linear). Without both it follows from the exponent Ns of the highlight: GGX with
             alpha = roughness² is about as wide as Blinn-Phong for roughness = (2 / (Ns + 2))^(1/4); 1 without
             Ns and for a material without a highlight (Ks black, or illum 0 or 1).
emission     Ke, times map_Ke, by the rules of Kd; black without both.
normal       norm, or map_Bump (bump) if its picture is one of normals, as Blender writes it; -bm is
             normal_scale. A picture of heights is not loaded.
wrap         "clamp" with -clamp on, else "repeat".

Not used: Ka, the tint of Ks, Ni, Tf, and illum otherwise.
"""

from pathlib import Path

import torch
from torch import Tensor

from repousse.geometry import Material, Texture

from .files import Folders
from .mtl import Block, Map, parse_mtl
from .textures import Pictures

# (scale, offset) that a material applies to uv.
Placement = tuple[tuple[float, float], tuple[float, float]]
_WEIGHTS = torch.tensor([0.2126, 0.7152, 0.0722])  # of red, green and blue in brightness


class Library:
    """The materials that the material files of a model define, with their textures.

    blocks  what the files say, by the name of the material
    """

    def __init__(self, folders: Folders) -> None:
        self.blocks: dict[str, Block] = {}
        self._folders = folders
        self._pictures = Pictures(folders)
        self._notes: list[str] = []
        self._files: set[Path] = set()
        self._single: dict[int, Tensor] = {}  # brightness of pictures, by their identity
        self._normals: dict[int, bool] = {}  # by identity of the picture

    @property
    def notes(self) -> list[str]:
        """What is missing, broken, or cannot be held by a `Material`."""
        return list(dict.fromkeys(self._notes + self._pictures.notes))

    def read(self, name: str) -> None:
        """Take in a material file; of materials that several files define, the first counts."""
        name = name.strip('"')
        try:
            path = self._folders.find(name)
            if path in self._files:
                return
            self._files.add(path)
            text = path.read_bytes().decode("utf-8-sig", errors="replace")
        except (LookupError, OSError) as error:
            self._notes.append(f"material file {name!r} {error.args[0] if isinstance(error, LookupError) else error}")
            return
        blocks, notes = parse_mtl(text, path.parent)
        for block in blocks:
            self.blocks.setdefault(block.name, block)
        self._notes += notes

    def material(self, name: str) -> tuple[Material, Placement | None]:
        """The material of that name, and how its textures lie on uv if not as they are.

        A plain one if there is none of that name. Textures that cannot be read are left out.
        """
        if name not in self.blocks:
            return Material(name=name), None
        block = self.blocks[name]
        color, color_texture, transparent = self._base_color(block)
        metallic, roughness, metallic_roughness = self._metallic_roughness(block)
        normal, strength = self._normal(block)
        emission_texture = self._texture(self._picture(block, "map_ke", srgb=True), block.maps.get("map_ke"), 3)
        emission = block.numbers.get("ke", (0.0, 0.0, 0.0))
        if emission_texture is not None and not any(emission):
            emission = (1.0, 1.0, 1.0)
        material = Material(
            name=name,
            base_color=color,
            base_color_texture=color_texture,
            metallic=metallic,
            roughness=roughness,
            metallic_roughness_texture=metallic_roughness,
            normal_texture=normal,
            normal_scale=strength,
            emission=emission,
            emission_texture=emission_texture,
            alpha="blend" if transparent else "opaque",
        )
        return material, self._placement(block)

    def _base_color(self, block: Block) -> tuple[tuple[float, ...], Texture | None, bool]:
        """Factor with alpha, texture, and whether the material is transparent."""
        opacity = _share(block, "d", 1.0)
        if "d" not in block.numbers and 0 < _share(block, "tr", 0.0) < 1:
            opacity = 1 - _share(block, "tr", 0.0)
        image = self._picture(block, "map_kd", srgb=True)
        color = block.numbers.get("kd", (1.0, 1.0, 1.0))
        if image is not None and not any(color):
            color = (1.0, 1.0, 1.0)
        alpha = self._channel(block, "map_d", "m")
        described = block.maps.get("map_kd") or block.maps.get("map_d")
        if image is None and alpha is not None:
            image = torch.ones(1, 1, 3).expand(*alpha.shape[:2], 3)
        same = image is not None and image.shape[2] == 4 and block.maps["map_kd"] == block.maps.get("map_d")
        if image is not None and alpha is not None and not same:
            color_only = image.expand(-1, -1, 3) if image.shape[2] == 1 else image[..., :3]
            image = self._joined(block, ("map_kd", "map_d"), [color_only, alpha])
        texture = self._texture(image, described, 3 if image is None or image.shape[2] < 4 else 4)
        return (*color, opacity), texture, opacity < 1 or alpha is not None

    def _metallic_roughness(self, block: Block) -> tuple[float, float, Texture | None]:
        """Metallic, roughness and the texture of both."""
        roughness, metallic = self._channel(block, "map_pr", "l"), self._channel(block, "map_pm", "l")
        factors = (
            _share(block, "pm", 0.0 if metallic is None else 1.0),
            _share(block, "pr", _roughness_of_highlight(block) if roughness is None else 1.0),
        )
        known = roughness if roughness is not None else metallic
        if known is None:
            return *factors, None
        channels = [torch.ones(1, 1, 1).expand_as(known) if x is None else x for x in (None, roughness, metallic)]
        image = self._joined(block, ("map_pr", "map_pm"), channels)
        return *factors, self._texture(image, block.maps["map_pm" if roughness is None else "map_pr"], 3)

    def _normal(self, block: Block) -> tuple[Texture | None, float]:
        for key in ("norm", "map_bump"):
            image = self._picture(block, key, srgb=False)
            if image is None:
                continue
            if image.shape[2] >= 3 and (key == "norm" or self._holds_normals(image)):
                return self._texture(image, block.maps[key], 3), block.maps[key].strength
            self._notes.append(f"{block.maps[key].file!r} was not loaded, it holds heights and not normals")
        return None, 1.0

    def _placement(self, block: Block) -> Placement | None:
        """-s and -o, which belong to each map, but a mesh has one set of uv."""
        found = list(dict.fromkeys((used.scale, used.offset) for used in block.maps.values()))
        if len(found) > 1:
            self._notes.append(f"-s and -o of material {block.name!r} differ between its maps, the first ones count")
        return found[0] if found and found[0] != ((1.0, 1.0), (0.0, 0.0)) else None

    def _channel(self, block: Block, key: str, default: str) -> Tensor | None:
        """The one channel (H, W, 1) that a map of numbers uses."""
        image = self._picture(block, key, srgb=False)
        if image is None or image.shape[2] == 1:
            return image
        channel = block.maps[key].channel or default
        if channel == "m" and image.shape[2] == 4:
            return image[..., 3:]
        if channel in ("r", "g", "b"):
            at = "rgb".index(channel)
            return image[..., at : at + 1]
        if id(image) not in self._single:
            grey = (image[..., :3] == image[..., :1]).all()
            self._single[id(image)] = image[..., :1] if grey else (image[..., :3] @ _WEIGHTS)[..., None]
        return self._single[id(image)]

    def _picture(self, block: Block, key: str, *, srgb: bool) -> Tensor | None:
        if key not in block.maps:
            return None
        return self._pictures.read(block.maps[key].file, srgb=srgb, base=block.folder)

    def _joined(self, block: Block, keys: tuple[str, str], images: list[Tensor]) -> Tensor | None:
        return self._pictures.joined((block.folder, *(block.maps.get(key) for key in keys), keys), images)

    def _texture(self, image: Tensor | None, used: Map | None, channels: int) -> Texture | None:
        image = None if image is None else self._pictures.with_channels(image, channels)
        if image is None or used is None:
            return None
        return Texture(image, ("clamp", "clamp") if used.clamp else ("repeat", "repeat"))

    def _holds_normals(self, image: Tensor) -> bool:
        """Whether the colours are vectors of about length 1 that point outwards on average."""
        if id(image) not in self._normals:
            normals = image[..., :3] * 2 - 1
            x, y, z = normals.mean((0, 1)).tolist()
            unit = abs(float(normals.norm(dim=-1).mean()) - 1) < 0.2
            self._normals[id(image)] = unit and z > 0.5 and abs(x) < 0.3 and abs(y) < 0.3
        return self._normals[id(image)]


def _share(block: Block, key: str, default: float) -> float:
    return min(max(block.numbers.get(key, (default,))[0], 0.0), 1.0)


def _roughness_of_highlight(block: Block) -> float:
    dull = not any(block.numbers.get("ks", (1.0,))) or block.numbers.get("illum", (2.0,))[0] in (0, 1)
    exponent = block.numbers.get("ns", (0.0,))[0]
    return 1.0 if dull or exponent <= 0 else (2 / (exponent + 2)) ** 0.25
