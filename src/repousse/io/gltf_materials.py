"""Materials of glTF files, read."""

import math
from collections.abc import Container
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from repousse.geometry import Material, Texture
from repousse.geometry.material import Alpha, Wrap

from .gltf_file import GltfFile
from .images import Allowance, decode

# Our name of each texture: glTF's name, whether it holds colours, and how many channels it may have with us.
TEXTURES = {
    "base_color_texture": ("baseColorTexture", True, (3, 4)),
    "metallic_roughness_texture": ("metallicRoughnessTexture", False, (3,)),
    "normal_texture": ("normalTexture", False, (3,)),
    "occlusion_texture": ("occlusionTexture", False, (1, 3)),
    "emission_texture": ("emissiveTexture", True, (3,)),
}
REPEAT = 10497
WRAPS: dict[int, Wrap] = {REPEAT: "repeat", 33071: "clamp", 33648: "mirror"}
NEAREST, LINEAR = 9728, 9729
ALPHAS: dict[str, Alpha] = {"OPAQUE": "opaque", "MASK": "mask", "BLEND": "blend"}
EMISSIVE_STRENGTH = "KHR_materials_emissive_strength"
# What is read, or has a note of its own.
KNOWN_EXTENSIONS = (
    EMISSIVE_STRENGTH,
    "KHR_materials_unlit",
    "KHR_materials_pbrSpecularGlossiness",
    "KHR_texture_transform",
    "KHR_texture_basisu",
    "EXT_texture_webp",
)
_NEAREST_MIN = (9728, 9984, 9986)  # NEAREST, and NEAREST_MIPMAP_...

_LARGEST = float(np.finfo(np.float32).max)

_Transform = tuple[tuple[float, float], float, tuple[float, float]]
_UNMOVED: _Transform = ((0.0, 0.0), 0.0, (1.0, 1.0))


@dataclass(frozen=True)
class Surface:
    """A material, and where on the mesh its textures lie.

    uv_set     number of the TEXCOORD attribute that they use
    transform  float64 (3, 3)  acts on (u, v, 1) with glTF's v, downwards (KHR_texture_transform); None: none
    """

    material: Material
    uv_set: int = 0
    transform: np.ndarray | None = None

    def without_textures(self) -> "Surface":
        return Surface(replace(self.material, **{name: None for name, _ in self.material.textures()}))


class MaterialReader:
    """Reads the materials of a file, each one once; textures that share a picture share its tensor.

    A texture that is missing, broken or of an unknown kind is left out and named in `notes`, the factor of the
    quantity stays. A mesh has one set of uv: textures that lie elsewhere than the first one are left out likewise.
    Surfaces that are `unlit` in the file are read as the material that other programs without this extension show.
    """

    def __init__(self, file: GltfFile) -> None:
        self.file = file
        self.notes: list[str] = []
        self._surfaces: dict[tuple[int, bool], Surface] = {}
        self._textures: dict[tuple[int, str | float], Texture] = {}
        self._images: dict[tuple, Tensor] = {}
        self._allowance = Allowance()

    @property
    def materials(self) -> list[Material]:
        """Those that were asked for, in the order of the file."""
        return [self._surfaces[key].material for key in sorted(self._surfaces)]

    def surface(self, index: int, attributes: Container[str]) -> Surface:
        """Material `index` of the file on a primitive with these attributes; without uv it has no textures.

        ValueError if there is no such material or its numbers are no numbers.
        """
        key = (index, False)
        if key not in self._surfaces:
            self._surfaces[key] = self._read(self.file.entry("materials", index), index)
        surface = self._surfaces[key]
        if f"TEXCOORD_{surface.uv_set}" in attributes or not any(surface.material.textures()):
            return surface
        name = surface.material.name or f"#{index}"
        self.note(f"textures of material {name!r} are missing where the mesh has no TEXCOORD_{surface.uv_set}")
        return self._surfaces.setdefault((index, True), surface.without_textures())

    def _read(self, entry: dict, index: int) -> Surface:
        name = str(entry.get("name", ""))
        shown = repr(name or f"#{index}")
        extensions = entry.get("extensions", {})
        metallic = entry.get("pbrMetallicRoughness", {})
        if "KHR_materials_pbrSpecularGlossiness" in extensions and not metallic:
            metallic = _from_glossiness(extensions["KHR_materials_pbrSpecularGlossiness"])
            self.note(f"material {shown} has specular colours (KHR_materials_pbrSpecularGlossiness), which are ignored")
        if "KHR_materials_unlit" in extensions:
            self.note(f"material {shown} is unlit in the file, and is lit here; the albedo shader shows it as meant")
        strength = _numbers(extensions.get(EMISSIVE_STRENGTH, {}), "emissiveStrength", (1.0,))[0]
        alpha = entry.get("alphaMode", "OPAQUE")
        if alpha not in ALPHAS:
            raise ValueError(f"alphaMode of material {shown} is {alpha!r}")
        material = Material(
            name=name,
            base_color=_numbers(metallic, "baseColorFactor", (1.0, 1.0, 1.0, 1.0)),
            metallic=_numbers(metallic, "metallicFactor", (1.0,))[0],
            roughness=_numbers(metallic, "roughnessFactor", (1.0,))[0],
            normal_scale=_numbers(entry.get("normalTexture", {}), "scale", (1.0,))[0],
            emission=tuple(value * strength for value in _numbers(entry, "emissiveFactor", (0.0, 0.0, 0.0))),
            alpha=ALPHAS[alpha],
            alpha_cutoff=_numbers(entry, "alphaCutoff", (0.5,))[0],
            double_sided=bool(entry.get("doubleSided", False)),
        )
        return self._textured(material, {**entry, **metallic}, shown)

    def _textured(self, material: Material, entry: dict, shown: str) -> Surface:
        textures: dict[str, Any] = {}
        places = []
        for field, (key, _, _) in TEXTURES.items():
            if key not in entry:
                continue
            try:
                place = _place(entry[key])
                if places and place != places[0]:
                    raise ValueError("it lies elsewhere than the material's first texture")
                textures[field] = self._texture(entry[key], field)
                places.append(place)
            except (ValueError, OSError) as error:
                self.note(f"{key} of material {shown} was not loaded ({error})")
            except (LookupError, TypeError, AttributeError) as error:
                self.note(f"{key} of material {shown} was not loaded (its description is malformed: {error!r})")
        uv_set, transform = places[0] if places else (0, _UNMOVED)
        moved = None if transform == _UNMOVED else _matrix(transform)
        return Surface(replace(material, **textures), uv_set, moved)

    def _texture(self, reference: dict, field: str) -> Texture:
        _, srgb, channels = TEXTURES[field]
        strength = _numbers(reference, "strength", (1.0,))[0]
        number = reference["index"]
        if (number, field) not in self._textures:
            texture = self.file.entry("textures", number)
            sampler = self.file.entry("samplers", texture["sampler"]) if "sampler" in texture else {}
            magnified, minified = sampler.get("magFilter"), sampler.get("minFilter")
            nearest = magnified == NEAREST or (magnified is None and minified in _NEAREST_MIN)
            wrap = WRAPS[sampler.get("wrapS", REPEAT)], WRAPS[sampler.get("wrapT", REPEAT)]
            image = self._image(_source(texture), srgb, channels)
            self._textures[number, field] = Texture(image, wrap, "nearest" if nearest else "linear")
        texture = self._textures[number, field]
        # Only occlusion has a strength; it is part of the texture with us.
        if strength != 1 and (number, strength) not in self._textures:
            self._allowance.take("it", *texture.image.shape[:2])
            self._textures[number, strength] = replace(texture, image=1 + strength * (texture.image - 1))
        return texture if strength == 1 else self._textures[number, strength]

    def _image(self, index: int, srgb: bool, channels: tuple[int, ...]) -> Tensor:
        """Decoded once for all entries that name the same bytes; with one of these numbers of channels."""
        entry = self.file.entry("images", index)
        key = entry.get("uri"), entry.get("bufferView"), srgb
        if key not in self._images:
            data = self.file[entry["uri"]] if "uri" in entry else bytes(self.file.view(entry["bufferView"]))
            if data[:7] == b"\xabKTX 20":
                raise ValueError("it is a KTX2 file; export its textures as PNG")
            uri = entry.get("uri", "data:")
            name = entry.get("name") or (f"#{index}" if uri.startswith("data:") else uri)
            self._images[key] = decode(data, f"its image {name!r}", srgb=srgb, allowance=self._allowance)
        image = self._images[key]
        if image.shape[2] in channels:
            return image
        if (*key, channels) not in self._images:
            self._allowance.take("it", *image.shape[:2])
            # Grey as a colour, or without an alpha that means nothing here.
            changed = image.expand(-1, -1, 3) if image.shape[2] == 1 else image[..., :3]
            self._images[*key, channels] = changed.contiguous()
        return self._images[*key, channels]

    def note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


def _numbers(entry: dict, key: str, default: tuple[float, ...]) -> tuple[float, ...]:
    """As many finite numbers as `default` has; a single one may stand alone."""
    found = entry.get(key, default)
    values = tuple(found) if isinstance(found, (list, tuple)) else (found,)
    numeric = all(isinstance(value, (int, float)) and abs(value) <= _LARGEST for value in values)
    if len(values) != len(default) or not numeric:
        raise ValueError(f"{key} of a material should be {len(default)} finite numbers, not {found!r}")
    return tuple(map(float, values))


def _from_glossiness(entry: dict) -> dict:
    """What the older specular-glossiness model has in common with ours."""
    glossiness = _numbers(entry, "glossinessFactor", (1.0,))[0]
    metallic = {"metallicFactor": 0.0, "roughnessFactor": 1 - glossiness}
    shared = {"diffuseFactor": "baseColorFactor", "diffuseTexture": "baseColorTexture"}
    return metallic | {ours: entry[theirs] for theirs, ours in shared.items() if theirs in entry}


def _source(texture: dict) -> int:
    """Number of the image of a texture."""
    extensions = texture.get("extensions", {})
    if "EXT_texture_webp" in extensions:
        return extensions["EXT_texture_webp"]["source"]
    if "source" not in texture:
        raise ValueError(f"it is stored as {', '.join(extensions) or 'nothing'}; export its textures as PNG")
    return texture["source"]


def _place(reference: dict) -> tuple[int, _Transform]:
    """Set of uv, and (offset, rotation, scale)."""
    extension = reference.get("extensions", {}).get("KHR_texture_transform", {})
    uv_set = extension.get("texCoord", reference.get("texCoord", 0))
    offset, scale = (_numbers(extension, key, (x, x)) for key, x in (("offset", 0.0), ("scale", 1.0)))
    rotation = _numbers(extension, "rotation", (0.0,))[0]
    if type(uv_set) is not int:
        raise ValueError(f"its texCoord is {uv_set!r}")
    return uv_set, ((offset[0], offset[1]), rotation, (scale[0], scale[1]))


def _matrix(transform: _Transform) -> np.ndarray:
    """Scaled, then turned, then moved, as KHR_texture_transform says.

    The angle turns uv counter-clockwise as seen, and glTF's v points down: this is what the extension's text and its
    test model say; the signs of its code sample are the other way round.
    """
    (x, y), angle, (width, height) = transform
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine * width, sine * height, x], [-sine * width, cosine * height, y], [0, 0, 1]])
