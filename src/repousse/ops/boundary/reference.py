"""The derivative of pixel-integrated images by the edges that are seen in them: the specification in plain Python.

An edge from A to B on the screen whose faces lie on one side, with outward normal n = rot90(B - A) (as long as the
edge), and whose ends move by v_A and v_B, sweeps over an area of n . ((1 - s) v_A + s v_B) ds. So a part of it from s0
to s1 inside pixel p, with middle s, changes the loss by

    (s1 - s0) sum_c G[p, c] (L_in - L_out)_c  n . ((1 - s) v_A + s v_B):    exact, for v is linear along the edge.

G is the gradient of the loss by the image. L_in, the edge's own surface, and L_out, what lies behind it, are taken from
the two pixels beside the edge, along the axis across it. What lies between their centres and the part decides whether
it is seen, and whether they show what is beside it: see `_Scene.look`. L_in is carried outwards: see `outline.share`.
"""

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from repousse.ops.boundary.meetings import meetings
from repousse.ops.boundary.outline import Line, Part, Piece, Sample, cut, fill_gaps, meets, share
from repousse.ops.crossings.reference import Sides, edge_ends
from repousse.ops.intersections.reference import intersections
from repousse.ops.rasterize.reference import project

CURVED = 0.1  # share of a change between pixels that smooth shading may leave over
LESS = 0.1  # colours that change less than this within faces, compared with across edges, are flat
LEVEL = 1e-5  # change of depth between pixels below which a surface is parallel to the screen
LEAST = 0.03  # pixels from an edge: nearer colours are carried no further
PROBE = 4  # changes within faces are looked at in every fourth row


def boundary(topology: Any, fragments: Any, image: Tensor, grad: Tensor) -> Tensor:
    """The gradient by `fragments.positions`, float64; arguments as for `repousse.ops.boundary.boundary`."""
    positions = fragments.positions.detach()
    total = torch.zeros(positions.shape, dtype=torch.float64)
    packed = fragments.ranges is not None
    for number in range(fragments.face_id.shape[0]):
        scene = _Scene(topology, fragments, image.detach().double(), grad.double(), number)
        creases = scene.creases()  # which also finds whether shading is flat
        _add_lines(scene, scene.silhouettes(), total if packed else total[number], silhouettes=True)
        _add_lines(scene, creases, total if packed else total[number], silhouettes=False)
    found = intersections(fragments, image, topology)
    if len(found.inner):
        corners, gradient = meetings(found, fragments, image, grad)
        total.view(-1, 4).index_add_(0, corners.flatten(), gradient.reshape(-1, 4))
    return total


def _add_lines(scene: "_Scene", lines: list[Line], total: Tensor, *, silhouettes: bool) -> None:
    pieces = [piece for index, line in enumerate(lines) for piece in cut(line, index, scene.size)]
    parts = scene.silhouette_parts(lines, pieces) if silhouettes else scene.crease_parts(lines, pieces)
    for index, line in enumerate(lines):
        own = [part for part in parts if part.piece.line == index]
        scene.prefer_own_faces(line, own)
        fill_gaps(own, "surface")
        fill_gaps(own, "behind")
        for part in own:
            behind = part.behind
            if behind is None or part.lost:
                continue
            surface = part.surface or scene.nearby(part.piece.pixel, behind.pixel, line.depth(part.middle))
            if surface is not None:
                weight = part.piece.weight * (part.end - part.begin)
                change = weight * scene.jump(part.piece.pixel, surface, behind)
                _add_end(scene, line, line.shares[0], change * (1 - part.middle), total)
                _add_end(scene, line, line.shares[1], change * part.middle, total)


def _add_end(scene: "_Scene", line: Line, share: float, change: float, total: Tensor) -> None:
    """What moving the point at `share` of the edge changes; outwards is (-dy, dx) times the side."""
    a, b = line.ends
    x, y, _, w = ((1 - share) * scene.vertices[a] + share * scene.vertices[b]).tolist()
    height, width = scene.size
    by_x = -line.side * line.way[1] * change * width / 2 / w
    by_y = line.side * line.way[0] * change * height / 2 / w
    clip = torch.tensor([by_x, by_y, 0, -(by_x * x + by_y * y) / w], dtype=torch.float64)
    total[a] += (1 - share) * clip
    total[b] += share * clip


@dataclass
class _Scene:
    """One image of a batch, as Python lists."""

    topology: Any
    fragments: Any
    images: Tensor
    grads: Tensor
    number: int
    size: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        f, packed = self.fragments, self.fragments.ranges is not None
        self.size = tuple(f.face_id.shape[1:])
        self.ids = f.face_id[self.number].flatten().tolist()
        self.depths = f.depth[self.number].detach().flatten().tolist()
        self.facing = f.facing[0 if packed else self.number].tolist()
        rounded = (f.positions if packed else f.positions[self.number]).detach().float()
        self.vertices = rounded.double()
        self.screen = project(rounded, self.size)
        self.color, self.grad = (one[self.number].flatten(0, 1) for one in (self.images, self.grads))
        self.faces, self.sides = self.topology.faces.tolist(), Sides(self.topology)
        first, count = f.ranges[self.number].tolist() if packed else (0, len(self.faces))
        self.edges = [e for e in range(len(self.sides.edges)) if first <= self.sides.owner(e) < first + count]
        self.flat = False

    # ---- lines -------------------------------------------------------------------------------------------------------

    def line(self, edge: int) -> Line | None:
        a, b = self.sides.edges[edge]
        ends = edge_ends(self.vertices.float(), self.screen, a, b, self.size)
        if ends is None:
            return None
        (ax, ay), (bx, by) = ((end.x / 256, end.y / 256) for end in ends)
        face, direction = self.sides.around[edge][0]
        side = direction if self.facing[face] > 0 else -direction
        shares, zeta = (ends[0].share, ends[1].share), (ends[0].zeta, ends[1].zeta)
        return Line(edge, (a, b), (ax, ay), (bx - ax, by - ay), zeta, shares, side)

    def silhouettes(self) -> list[Line]:
        found = [self.line(edge) for edge in self.edges if self.sides.silhouette(edge, self.facing)]
        return [line for line in found if line is not None]

    def creases(self) -> list[Line]:
        """Edges between the faces that two neighbouring pixels show in different colours.

        Smooth shading changes between neighbouring pixels, too. So both faces must also be seen one pixel further on,
        and their colours, carried to where they meet, must differ; unless all faces of the image are of one colour.
        """
        height, width = self.size
        found, across, within = [], [], []
        for one in range(height * width):
            row, column = divmod(one, width)
            pairs = ((1, column, width), (width, row, height))
            for step, place, limit in pairs:
                if place + 1 >= limit or self.ids[one] < 0 or self.ids[one + step] < 0:
                    continue
                two = one + step
                change = float((self.color[one] - self.color[two]).abs().sum())
                if self.ids[one] == self.ids[two]:
                    within += [change] if step == 1 and row % PROBE == 0 else []
                    continue
                edge = self.common_edge(self.ids[one], self.ids[two])
                if edge is None or (not change and self.color.shape[-1] == 1):  # masks hardly change
                    continue
                across.append(change)
                room = place >= 1 and place + 2 < limit
                known = room and self.ids[one - step] == self.ids[one] and self.ids[two + step] == self.ids[two]
                if change and (not known or self.apart(Sample(one, one - step, 0.5), Sample(two, two + step, 0.5))):
                    found.append((edge, known))
        if found and within and across:
            self.flat = sum(within) / len(within) < LESS * sum(across) / len(across)
        lines = [self.line(edge) for edge in sorted({edge for edge, known in found if known or self.flat})]
        return [line for line in lines if line is not None]

    def common_edge(self, one: int, two: int) -> int | None:
        for edge in self.topology.face_edges[one].tolist():
            if edge >= 0:
                sides = self.topology.edge_faces[edge].tolist()
                if (sides[1] if sides[0] == one else sides[0]) == two:
                    return edge
        return None

    # ---- colours -----------------------------------------------------------------------------------------------------

    def value(self, sample: Sample) -> Tensor:
        return self.color[sample.pixel] + sample.way * (self.color[sample.pixel] - self.color[sample.further])

    def jump(self, pixel: int, surface: Sample, behind: Sample) -> float:
        return float(self.grad[pixel] @ (self.value(surface) - self.value(behind)))

    def apart(self, one: Sample, two: Sample) -> bool:
        """Is there a jump? Not if the colours' lines could meet between the two pixels."""
        a, b = self.color[one.pixel], self.color[two.pixel]
        slopes = 2 * (self.value(one) - a + self.value(two) - b)
        return bool(((self.value(one) - self.value(two)).abs() > slopes.abs() / 2 + CURVED * (a - b).abs()).any())

    def nearby(self, pixel: int, behind: int, zeta: float) -> Sample | None:
        """The pixel around that shows something at about the depth of an edge, but not the face behind it."""
        (height, width), (row, column) = self.size, divmod(pixel, self.size[1])
        rows, columns = (range(max(0, k - 1), min(n, k + 2)) for k, n in ((row, height), (column, width)))
        around = [r * width + c for r in rows for c in columns]
        around = [at for at in around if self.ids[at] >= 0 and self.ids[at] != self.ids[behind]]
        best = min(around, key=lambda at: abs(self.depths[at] - zeta), default=None)
        return None if best is None else Sample(best, best, 0)

    def prefer_own_faces(self, line: Line, parts: list[Part]) -> None:
        """Beside a narrow face the inner pixel may show its neighbour: other parts may know better."""
        faces = self.topology.edge_faces[line.edge].tolist()
        own = [part.surface is not None and self.ids[part.surface.pixel] in faces for part in parts]
        if any(own):
            for part, is_own in zip(parts, own, strict=True):
                part.surface = part.surface if is_own else None

    # ---- parts -------------------------------------------------------------------------------------------------------

    def centre(self, pixel: int) -> tuple[float, float]:
        return pixel % self.size[1] + 0.5, pixel // self.size[1] + 0.5

    def beside(self, line: Line, pixel: int) -> tuple[int | None, int | None, int]:
        """The pixels on the side of the face and on the other one, and the step from the former to the latter."""
        height, width = self.size
        inside = line.inside(self.centre(pixel))
        grows = line.way[1] < 0 if line.steep else line.way[0] > 0
        step = -1 if (inside == (line.side < 0)) == grows else 1
        place, limit = (pixel % width, width) if line.steep else (pixel // width, height)
        offset = step if line.steep else step * width
        across = pixel + offset if 0 <= place + step < limit else None
        return (pixel, across, offset) if inside else (across, pixel, -offset)

    def silhouette_parts(self, lines: list[Line], pieces: list[Piece]) -> list[Part]:
        """All visible parts of silhouettes."""
        found = []
        for piece in pieces:
            line = lines[piece.line]
            start, end = line.at(piece.begin), line.at(piece.end)
            cuts = []
            for other in pieces:
                crossing = lines[other.line]
                if other.pixel != piece.pixel or other.line == piece.line or set(crossing.ends) & set(line.ends):
                    continue
                if meets(crossing, other, start, end) is not None:
                    before, after = crossing.beyond(start), crossing.beyond(end)
                    cuts.append(piece.begin + (piece.end - piece.begin) * before / (before - after))
            cuts = [piece.begin, *sorted(cuts), piece.end]
            parts = [Part(*pair, piece) for pair in pairwise(cuts) if pair[0] < pair[1]]
            found += [(part, behind) for part in parts for seen, behind in [self.look(part, lines, pieces)] if seen]
            seen = [part.surface.pixel for part in parts if part.surface is not None]
            piece.surface = min(seen, default=None)
        for part, behind in found:
            if behind is not None:
                part.lost = behind.surface is None
                part.behind = None if behind.surface is None else Sample(behind.surface, behind.surface, 0)
        return [part for part, _ in found]

    def look(self, part: Part, lines: list[Line], pieces: list[Piece]) -> tuple[bool, Piece | None]:
        """Finds what is on both sides of a part. Returns whether it is seen, and the piece with which the surface
        behind it begins, if that begins between it and the outer pixel's centre.

        Going from the centre of the outer pixel to the part, one may pass other silhouettes. Where a nearer surface
        begins, the part is hidden. Where a surface ends, what the pixel shows is not what lies behind the part; if that
        was nearer than the edge, this alone does not hide it. Where a surface begins further away, that lies behind.
        """
        line = lines[part.piece.line]
        inner, outer, towards = self.beside(line, part.piece.pixel)
        middle, zeta = line.at(part.middle), line.depth(part.middle)
        ended = nearer_ended = leaves = lost = False
        behind, behind_depth = None, math.inf
        for other in pieces:
            if other.line == part.piece.line or other.pixel not in (inner, outer):
                continue
            crossing = lines[other.line]
            begins = crossing.beyond(middle) < 0
            t = None if outer is None else meets(crossing, other, self.centre(outer), middle)
            if t is not None:
                depth = crossing.depth(t)
                if begins and depth < zeta:
                    return False, None
                if begins and depth < behind_depth:
                    behind, behind_depth = other, depth
                ended |= not begins
                nearer_ended |= not begins and depth < zeta
            if begins and inner is not None and meets(crossing, other, self.centre(inner), middle) is not None:
                leaves = True
                lost |= bool(set(crossing.ends) & set(line.ends))
        outer_face, outer_depth = (-1, math.inf) if outer is None else (self.ids[outer], self.depths[outer])
        outer_depth = math.inf if outer_face < 0 else outer_depth
        if outer is not None:
            if outer_depth <= zeta and not nearer_ended:
                return False, None
            part.behind = None if ended else Sample(outer, outer, 0)
        if inner is not None:
            face = self.ids[inner]
            other = face < 0 or face == outer_face or lost or (leaves and self.depths[inner] > zeta)
            part.surface = None if other else self.inwards(line, inner, -towards, lines, pieces)
        return True, behind if outer is not None and behind_depth < outer_depth else None

    def inwards(self, line: Line, pixel: int, step: int, lines: list[Line], pieces: list[Piece]) -> Sample:
        """The colour of a part's own surface, carried to where its jump counts by its change since the next pixel
        inwards, if that shows the same surface."""
        (height, width), further = self.size, pixel + step
        row, column = divmod(pixel, width)
        (x, y), (place, limit) = self.centre(pixel), (column, width) if line.steep else (row, height)
        own = Sample(pixel, pixel, 0)
        if not 0 <= place + (1 if step > 0 else -1) < limit or self.ids[further] < 0 or not any(line.way):
            return own
        if (self.flat and self.ids[further] != self.ids[pixel]) or self.parted(pixel, further, lines, pieces):
            return own
        (ax, ay), (dx, dy) = line.a, line.way
        t = min(max((y - ay) / dy if line.steep else (x - ax) / dx, 0.0), 1.0)
        at = line.at(t)
        distance = min(max(abs(at[0] - x) if line.steep else abs(at[1] - y), LEAST), 1.0)
        rise = self.depths[pixel] - self.depths[further]
        onwards = (line.depth(t) - self.depths[pixel]) / rise if rise > LEVEL else 0.0
        return Sample(pixel, further, share(distance, onwards))

    def parted(self, one: int, two: int, lines: list[Line], pieces: list[Piece]) -> bool:
        """Is there a silhouette between the centres of two pixels?"""
        start, end = self.centre(one), self.centre(two)
        near = [piece for piece in pieces if piece.pixel in (one, two)]
        return any(meets(lines[piece.line], piece, start, end) is not None for piece in near)

    def crease_parts(self, lines: list[Line], pieces: list[Piece]) -> list[Part]:
        """The pieces of creases beside which one of their faces is seen, or nothing nearer."""
        found = []
        for piece in pieces:
            line = lines[piece.line]
            faces = self.topology.edge_faces[line.edge].tolist()
            inner, outer, towards = self.beside(line, piece.pixel)
            samples = self.carried(line, faces[0], inner, -towards), self.carried(line, faces[1], outer, towards)
            seen = any(p is not None and self.ids[p] == f for p, f in zip((inner, outer), faces, strict=True))
            zeta = line.depth((piece.begin + piece.end) / 2)
            if seen or not self.covered(line, zeta, piece.pixel):
                # Colours of two places would make a jump out of smooth shading: both are taken from the same part.
                both = samples if None not in samples else (None, None)
                found.append(Part(piece.begin, piece.end, piece, *both))
        return found

    def covered(self, line: Line, zeta: float, pixel: int) -> bool:
        """Is something unrelated seen in front of a crease?"""
        face = self.ids[pixel]
        return face >= 0 and self.depths[pixel] <= zeta and not set(self.faces[face]) & set(line.ends)

    def carried(self, line: Line, face: int, pixel: int | None, away: int) -> Sample | None:
        """The colour of a face where a line passes."""
        if pixel is None or self.ids[pixel] != face:
            return None
        height, width = self.size
        (x, y), (place, limit) = self.centre(pixel), (pixel % width, width) if line.steep else (pixel // width, height)
        exists = 0 <= place + (1 if away > 0 else -1) < limit
        if not exists or self.ids[pixel + away] != face:
            return Sample(pixel, pixel, 0) if self.flat else None
        (ax, ay), (dx, dy) = line.a, line.way
        way = ax + dx * (y - ay) / dy - x if line.steep else ay + dy * (x - ax) / dx - y
        return Sample(pixel, pixel + away, min(1.0, abs(way)))
