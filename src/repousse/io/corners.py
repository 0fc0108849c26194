"""What every mesh format is turned into, and the exact welding and splitting of vertices."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from repousse.geometry import Material

# What a corner without a value gets, if other corners of the mesh have one. Normals have no sensible
# stand-in.
_MISSING = {"uv": 0.0, "color": 1.0}
_MOST, _LONGEST = 12, 600  # of what is told: how many, how many letters each


@dataclass
class Corners:
    """A mesh as a file holds it.

    positions   float64 (V, 3)
    faces       int64 (F, 3)
    attributes  name -> (values float64 (N, C), index of each face corner int64 (F, 3), -1 where it has none)
    notes       what the file held and a mesh does not, in words
    materials   of the faces; the same object is the same material
    material_id int64 (F,)  which of `materials` each face has, -1 where it has none; None: no face has any
    """

    positions: np.ndarray
    faces: np.ndarray
    attributes: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    materials: list[Material] = field(default_factory=list)
    material_id: np.ndarray | None = None

    def check(self, what: str) -> None:
        """Raise ValueError if there are no faces, an index has no vertex, or a number is not finite."""
        if not len(self.faces):
            raise ValueError(f"{what} has no faces ({len(self.positions)} vertices)")
        parts = {"vertex": (self.positions, self.faces), **self.attributes}
        for name, (values, faces) in parts.items():
            low = 0 if name == "vertex" else -1
            wrong = ((faces < low) | (faces >= len(values))).any(-1)
            if wrong.any():
                face = int(wrong.argmax())
                raise ValueError(
                    f"{what}: face {face} refers to {name} {faces[face].tolist()} (counted from 0), "
                    f"but there are {len(values)}; is the file cut off?"
                )
            broken = ~np.isfinite(values).all(-1)
            if broken.any() and name == "normal":
                # Exporters write such normals for triangles without area; the shape is fine without.
                del self.attributes["normal"]
                self.notes.append(f"normal was not loaded, because {int(broken.sum())} are not finite")
            elif broken.any():
                row = int(broken.argmax())
                raise ValueError(f"{what}: {name} {row} (counted from 0) is {values[row].tolist()}, not finite")

        if self.material_id is not None:
            wrong = (self.material_id < -1) | (self.material_id >= len(self.materials))
            if wrong.any():
                face = int(wrong.argmax())
                raise ValueError(
                    f"{what}: face {face} refers to material {self.material_id[face]} (counted from 0), "
                    f"but there are {len(self.materials)}"
                )

    def fill(self) -> None:
        """Give corners without a value a neutral one; drop an attribute that has none.

        Likewise faces without a material get a plain one, if others have any, and materials without faces go.
        """
        self._fill_materials()
        for name, (values, faces) in list(self.attributes.items()):
            without = int((faces < 0).any(-1).sum())
            if not without:
                continue
            if name not in _MISSING or without == len(faces):
                del self.attributes[name]
                self.notes.append(f"{name} was not loaded, because {without} of {len(faces)} faces have none")
                continue
            neutral = np.full((1, values.shape[1]), _MISSING[name])
            filled = np.where(faces < 0, len(values), faces)
            self.attributes[name] = np.concatenate((values, neutral)), filled
            self.notes.append(f"{without} of {len(faces)} faces have no {name}, theirs is {_MISSING[name]:g}")

    def _fill_materials(self) -> None:
        if self.material_id is None or (self.material_id < 0).all():
            self.materials, self.material_id = [], None
            return
        if (self.material_id < 0).any():
            self.material_id = np.where(self.material_id < 0, len(self.materials), self.material_id)
            self.materials = [*self.materials, Material()]
        used, self.material_id = np.unique(self.material_id, return_inverse=True)
        self.materials = [self.materials[i] for i in used]


def concatenate(parts: list[Corners]) -> Corners:
    """All parts as one mesh, in order. A material that several parts have appears once."""
    if len(parts) == 1:
        return parts[0]
    faces, base = [], 0
    for part in parts:
        faces.append(part.faces + base)
        base += len(part.positions)
    whole = Corners(np.concatenate([part.positions for part in parts]), np.concatenate(faces))
    for name in dict.fromkeys(name for part in parts for name in part.attributes):
        channels = max(part.attributes[name][0].shape[1] for part in parts if name in part.attributes)
        values, indices, base = [], [], 0
        for part in parts:
            if name not in part.attributes:
                indices.append(np.full_like(part.faces, -1))
                continue
            rows, index = part.attributes[name]
            # Only colours differ in width: some parts have an alpha and the others are opaque.
            values.append(np.pad(rows, ((0, 0), (0, channels - rows.shape[1])), constant_values=1.0))
            indices.append(np.where(index < 0, -1, index + base))
            base += len(rows)
        whole.attributes[name] = np.concatenate(values), np.concatenate(indices)
    whole.notes = list(dict.fromkeys(note for part in parts for note in part.notes))
    whole.materials, whole.material_id = concatenated_materials(parts)
    return whole


def concatenated_materials(parts: list[Corners]) -> tuple[list[Material], np.ndarray | None]:
    """`materials` and `material_id` for the faces of all parts, in order."""
    if all(part.material_id is None for part in parts):
        return [], None
    numbers: dict[Material, int] = {}  # materials are equal if they are the same object
    ids = []
    for part in parts:
        if part.material_id is None:
            ids.append(np.full(len(part.faces), -1))
            continue
        new = [numbers.setdefault(material, len(numbers)) for material in part.materials]
        ids.append(np.array([*new, -1])[part.material_id])  # -1 finds the last one
    return list(numbers), np.concatenate(ids)


def told(notes: list[str], between: str) -> str:
    """The notes as one sentence that fits on a screen, whatever a file made them say."""
    shown = [note if len(note) <= _LONGEST else note[:_LONGEST] + "..." for note in notes[:_MOST]]
    return between.join(shown) + (f"{between}{len(notes) - _MOST} more" if len(notes) > _MOST else "")


def listed(names: Sequence[str]) -> str:
    """Names in quotes, not all of them if there are many."""
    return ", ".join(map(repr, names[:_MOST])) + (f" and {len(names) - _MOST} more" if len(names) > _MOST else "")


def weld(values: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Merge rows that are equal bit by bit (and -0 with 0), keeping the order of first appearance.

    values  float32 or float64 (N, C);  faces int (F, 3). Returns both, the faces pointing into fewer rows.
    """
    values = values + 0.0  # -0 becomes 0
    bits = values.view(np.int32 if values.dtype == np.float32 else np.int64)
    order = np.lexsort(bits.T)  # stable: the first of equal rows is the earliest
    starts = np.ones(len(bits), dtype=bool)
    starts[1:] = (bits[order[1:]] != bits[order[:-1]]).any(-1)
    first = order[starts][np.cumsum(starts) - 1]  # for each sorted row, the earliest row equal to it
    representative = np.empty_like(order)
    representative[order] = first
    kept = representative == np.arange(len(bits))
    return values[kept], (np.cumsum(kept) - 1)[representative[faces]]


def split(count: int, indices: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """One vertex for each combination of indices that occurs at a corner, for formats with a single index.

    count    number of positions; those that no face uses are kept, with index 0 of the rest
    indices  int (F, 3) each, the first is that of the positions

    Returns rows int64 (N, len(indices)), ordered by position so that welding brings back the same order, and
    faces int64 (F, 3) into them.
    """
    keys = np.stack([index.reshape(-1) for index in indices], -1).astype(np.int64)
    unused = np.setdiff1d(np.arange(count), keys[:, 0])
    extra = np.zeros((len(unused), keys.shape[1]), dtype=np.int64)
    extra[:, 0] = unused
    rows, inverse = np.unique(np.concatenate((keys, extra)), axis=0, return_inverse=True)
    return rows, inverse.reshape(-1)[: len(keys)].reshape(-1, 3)
