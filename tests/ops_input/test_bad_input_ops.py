"""What the operations say to input they cannot use, and what they make of input that is merely odd.

Whatever arrives, the process lives: kernels read raw memory, so everything they trust is checked before.
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from repousse.camera import Camera
from repousse.geometry import icosphere, topology
from repousse.gradients import Kato
from repousse.ops import Crossings, Fragments, crossings, interpolate, kato, rasterize

SIZE = (12, 10)
MESH = icosphere(1)  # 42 vertices, 80 faces
FACES = MESH.faces
POSITIONS = Camera.orbit(3.0).project(MESH.positions, SIZE).contiguous()
COLORS = torch.rand(42, 3, generator=torch.Generator().manual_seed(0))
FRAGMENTS = rasterize(POSITIONS, FACES, SIZE)
CROSSINGS = crossings(POSITIONS, MESH.topology, FRAGMENTS)
IMAGE = torch.rand(1, *SIZE, 3, generator=torch.Generator().manual_seed(1))

BACKENDS = pytest.mark.parametrize("backend", ["native", "reference"])


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def with_index(face: int, corner: int, index: int, faces: Tensor = FACES) -> Tensor:
    changed = faces.clone()
    changed[face, corner] = index
    return changed


def kato_gradient(image: Tensor, fragments: Fragments, mode: Any = "crossings") -> Tensor:
    positions = fragments.positions.detach().clone().requires_grad_()
    picture = Kato(mode)(image, fragments._replace(positions=positions), MESH.topology)
    slope = torch.linspace(-1, 1, picture.numel()).view_as(picture)
    return torch.autograd.grad((picture * slope).sum(), positions)[0]


# ---- indices ---------------------------------------------------------------------------------------------------------


@BACKENDS
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("index", [-1, 42, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize(("face", "corner"), [(0, 1), (15, 2), (37, 0), (79, 2)])
def test_vertices_that_do_not_exist(face: int, corner: int, index: int, backend: Any) -> None:
    """Breaks if an index outside of the vertices is read, in the first, a middle or the last group of faces."""
    expected = rf"rasterize: `faces` holds index {index} but `positions` has 42 rows \(face {face}\)"
    with pytest.raises(IndexError, match=expected):
        rasterize(POSITIONS, with_index(face, corner, index), SIZE, backend=backend)
    assert torch.equal(rasterize(POSITIONS, FACES, SIZE).face_id, FRAGMENTS.face_id)


@BACKENDS
def test_vertices_beyond_int32(backend: Any) -> None:
    """Breaks if an int64 index wraps into one that exists."""
    with pytest.raises(IndexError, match="but `positions` has 42 rows"):
        rasterize(POSITIONS, with_index(3, 0, 2**32 + 1, FACES.long()), SIZE, backend=backend)


@BACKENDS
@pytest.mark.parametrize(("face", "index"), [(0, 42), (79, -1), (40, 2**31 - 1)])
def test_attributes_that_do_not_exist(face: int, index: int, backend: Any) -> None:
    """Breaks if attribute indices are trusted because position indices were fine."""
    expected = rf"interpolate: `attribute_faces` holds index {index} but `attributes` has 42 rows \(face {face}\)"
    with pytest.raises(IndexError, match=expected):
        interpolate(COLORS, with_index(face, 1, index), FRAGMENTS, backend=backend)


@BACKENDS
def test_fewer_attributes_than_vertices(backend: Any) -> None:
    """Breaks if attributes on the faces of the positions are never checked."""
    with pytest.raises(IndexError, match=r"but `attributes` has 10 rows"):
        interpolate(COLORS[:10], FACES, FRAGMENTS, backend=backend)


@BACKENDS
@pytest.mark.parametrize("row", [[0, 81], [80, 1], [-1, 5], [4, -2], [2**62, 2**62]])
def test_ranges_that_do_not_exist(row: list[int], backend: Any) -> None:
    """Breaks if a range reaches beyond the faces, also where first + count overflows."""
    ranges = torch.tensor([[0, 80], row])
    with pytest.raises(IndexError, match=r"rasterize: `ranges` .* reaches beyond the 80 faces"):
        rasterize(POSITIONS[0], FACES, SIZE, ranges=ranges, backend=backend)


# ---- types and shapes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("positions", "error", "message"),
    [
        (POSITIONS[0], ValueError, r"must be clip coordinates \(B, V, 4\), got float32 \(42, 4\).*Camera.project"),
        (POSITIONS[..., :3], ValueError, r"\(B, V, 4\), got float32 \(1, 42, 3\)"),
        (POSITIONS.tolist(), ValueError, r"\(B, V, 4\), got list"),
        (POSITIONS.int(), TypeError, r"`positions` must be float32, got int32"),
        (POSITIONS.double(), TypeError, r"got float64 .*\.float\(\), or .* backend=\"reference\""),
    ],
)
def test_positions_of_another_kind(positions: Any, error: type[Exception], message: str) -> None:
    """Breaks if memory is read as something it is not, or the message does not help."""
    with pytest.raises(error, match=f"rasterize: .*{message}"):
        rasterize(positions, FACES, SIZE)


@BACKENDS
@pytest.mark.parametrize(
    ("faces", "error", "message"),
    [
        (FACES.float(), TypeError, "int32 or int64, got float32"),
        (FACES.bool(), TypeError, "int32 or int64, got bool"),
        (FACES[:, :2], ValueError, r"integer tensor \(F, 3\), got int32 \(80, 2\)"),
        (FACES[0], ValueError, r"integer tensor \(F, 3\), got int32 \(3,\)"),
        (FACES.tolist(), ValueError, r"integer tensor \(F, 3\), got list"),
    ],
)
def test_faces_of_another_kind(faces: Any, error: type[Exception], message: str, backend: Any) -> None:
    """Breaks if faces are read as something they are not."""
    with pytest.raises(error, match=f"rasterize: `faces` must be .*{message}"):
        rasterize(POSITIONS, faces, SIZE, backend=backend)
    with pytest.raises(error, match=f"interpolate: `attribute_faces` must be .*{message}"):
        interpolate(COLORS, faces, FRAGMENTS, backend=backend)


@pytest.mark.parametrize(
    "ranges", [torch.tensor([[0.0, 80.0]]), torch.tensor([0, 80]), torch.zeros(1, 3).long(), [[0, 80]]]
)
def test_ranges_of_another_kind(ranges: Any) -> None:
    """Breaks if ranges that are no integer pairs are rounded or read anyway."""
    with pytest.raises(ValueError, match=r"rasterize: `ranges` must be an integer tensor \(B, 2\) on the CPU, got"):
        rasterize(POSITIONS[0], FACES, SIZE, ranges=ranges)


@BACKENDS
@pytest.mark.parametrize("size", [(0, 10), (5, -1), (16385, 1), (9, 2**40), (9.0, 9.0), ("a", 1), 12, (1, 2, 3), None])
def test_sizes_that_cannot_be(size: Any, backend: Any) -> None:
    """Breaks if a size is passed on that is empty, no number of pixels, or beyond exact arithmetic."""
    with pytest.raises(ValueError, match="rasterize: `size` must be"):
        rasterize(POSITIONS, FACES, size, backend=backend)


@pytest.mark.parametrize("size", [(16384, 1), (1, 16384)])
def test_the_longest_images(size: tuple[int, int]) -> None:
    """Breaks if the largest size that is allowed is not drawn from end to end."""
    everywhere = torch.tensor([[[-1.0, -1, 0.5, 1], [3, -1, 0.5, 1], [-1, 3, 0.5, 1]]])
    assert (rasterize(everywhere, torch.tensor([[0, 1, 2]]), size).face_id == 0).all()


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"cull": "left"}, r'`cull` must be None, "back" or "front", got \'left\''),
        ({"cull": ["back"]}, r'`cull` must be None, "back" or "front", got \[\'back\'\]'),
        ({"backend": "gpu"}, r'`backend` must be "native" or "reference", got \'gpu\''),
    ],
)
def test_choices_that_do_not_exist(argument: dict[str, Any], message: str) -> None:
    """Breaks if a typing error chooses a default."""
    with pytest.raises(ValueError, match=message):
        rasterize(POSITIONS, FACES, SIZE, **argument)


@pytest.mark.parametrize(
    ("attributes", "error", "message"),
    [
        (COLORS[0], ValueError, r"must be \(Va, C\) or \(1, Va, C\), got float32 \(3,\)"),
        (COLORS.expand(3, -1, -1), ValueError, r"must be \(Va, C\) or \(1, Va, C\), got float32 \(3, 42, 3\)"),
        (COLORS.tolist(), ValueError, r"must be \(Va, C\) or \(1, Va, C\), got list"),
        (COLORS.double(), TypeError, r'must be float32, got float64 .*backend="reference"'),
        (COLORS.int(), TypeError, "must be float32, got int32"),
    ],
)
def test_attributes_of_another_kind(attributes: Any, error: type[Exception], message: str) -> None:
    """Breaks if attributes are read as something they are not."""
    with pytest.raises(error, match=f"interpolate: `attributes` {message}"):
        interpolate(attributes, FACES, FRAGMENTS)


def test_half_precision_is_drawn_in_float32() -> None:
    """Breaks if bfloat16 positions or attributes (from autocast) are refused or read as float32."""
    half = POSITIONS.bfloat16()
    fragments = rasterize(half, FACES, SIZE)
    assert torch.equal(fragments.face_id, rasterize(half.float(), FACES, SIZE).face_id)
    assert fragments.bary.dtype == fragments.depth.dtype == torch.float32
    assert interpolate(COLORS.bfloat16(), FACES, fragments).dtype == torch.float32
    found, expected = (crossings(p, MESH.topology, fragments) for p in (half, half.float()))
    assert all(map(torch.equal, found, expected))


# ---- things that do not belong together ------------------------------------------------------------------------------


def test_attribute_faces_of_another_mesh() -> None:
    """Breaks if pixels look up faces that the attributes do not have."""
    with pytest.raises(ValueError, match=r"`attribute_faces` has 5 faces, but 80 were rasterized"):
        interpolate(COLORS, FACES[:5], FRAGMENTS)


def test_topologies_of_another_mesh() -> None:
    """Breaks if edges are walked whose vertices do not exist."""
    with pytest.raises(ValueError, match="`topology` describes 320 faces, but 80 were rasterized"):
        crossings(POSITIONS, icosphere(2).topology, FRAGMENTS)
    with pytest.raises(ValueError, match="`topology` was built from other faces"):
        crossings(POSITIONS, topology(FACES + 10**6), FRAGMENTS)
    same = crossings(POSITIONS, topology(FACES.clone()), FRAGMENTS)  # equal faces in other memory are fine
    assert all(map(torch.equal, same, CROSSINGS))


def test_positions_of_another_frame() -> None:
    """Breaks if vertices are read beyond the end, because the list was made for more of them."""
    with pytest.raises(ValueError, match=r"crossings: `positions` is \(1, 5, 4\), but \(1, 42, 4\) was"):
        crossings(POSITIONS[:, :5], MESH.topology, FRAGMENTS)
    three = rasterize(POSITIONS.expand(3, -1, -1), FACES, SIZE)
    with pytest.raises(ValueError, match=r"crossings: `positions` is \(1, 42, 4\), but \(3, 42, 4\) was"):
        crossings(POSITIONS, MESH.topology, three)
    with pytest.raises(ValueError, match="interpolate: the fragments show 3 images of 1 sets of positions"):
        interpolate(COLORS, FACES, three._replace(positions=POSITIONS))


@pytest.mark.parametrize("mode", ["crossings", "released"])
def test_images_of_another_frame(mode: Any) -> None:
    """Breaks if a picture that was pooled, cut or permuted is read as if it had the fragments' pixels."""
    for image in (IMAGE[:, :5], IMAGE[..., 0], IMAGE.movedim(-1, 1), IMAGE.expand(2, -1, -1, -1)):
        with pytest.raises(ValueError, match=r"kato: `image` must be \(B, H, W, C\) with .* \(1, 12, 10\)"):
            kato_gradient(image, FRAGMENTS, mode)
    with pytest.raises(ValueError, match=r"2 sets of positions for 1 images|but \(2, 42, 4\) was drawn|facing"):
        kato_gradient(IMAGE, FRAGMENTS._replace(positions=POSITIONS.expand(2, -1, -1)), mode)


def test_crossings_of_another_frame() -> None:
    """Breaks if gradients are written to vertices that do not exist."""
    fine, large = icosphere(3), (40, 50)
    positions = Camera.orbit(3.0).project(fine.positions, large).contiguous()
    other = crossings(positions, fine.topology, rasterize(positions, fine.faces, large))

    def from_crossings(found: Crossings) -> Tensor:
        return kato.from_crossings(POSITIONS[..., :2], found, FRAGMENTS.face_id, FRAGMENTS.depth, IMAGE, IMAGE)

    with pytest.raises(IndexError, match=r"kato: `crossings.vertices` reaches beyond 42"):
        from_crossings(other)
    with pytest.raises(IndexError, match=r"kato: `crossings.inner` reaches beyond 120"):
        from_crossings(CROSSINGS._replace(inner=CROSSINGS.inner + 120))
    with pytest.raises(IndexError, match=r"kato: `face_id` reaches beyond 10"):
        kato_gradient(IMAGE, FRAGMENTS._replace(faces=FACES[:10]), "released")
    with pytest.raises(ValueError, match="crossings: `topology` describes 80 faces, but 10 were"):
        kato_gradient(IMAGE, FRAGMENTS._replace(faces=FACES[:10]))


def test_float64_fragments_do_not_reach_kernels() -> None:
    """Breaks if what the float64 reference made is read as float32."""
    exact = rasterize(POSITIONS.double(), FACES, SIZE, backend="reference")
    with pytest.raises(TypeError, match=r"`fragments.positions` must be float32, got float64"):
        interpolate(COLORS, FACES, exact)
    with pytest.raises(TypeError, match=r"`fragments.depth` must be float32, got float64"):
        crossings(POSITIONS, MESH.topology, exact)


def test_devices_must_agree() -> None:
    """Breaks if a tensor without memory here is given to a kernel."""
    for call in (
        lambda: rasterize(POSITIONS.to("meta"), FACES, SIZE),
        lambda: rasterize(POSITIONS, FACES.to("meta"), SIZE),
        lambda: interpolate(COLORS.to("meta"), FACES, FRAGMENTS),
        lambda: interpolate(COLORS, FACES.to("meta"), FRAGMENTS),
        lambda: crossings(POSITIONS.to("meta"), MESH.topology, FRAGMENTS),
        lambda: crossings(POSITIONS, MESH.topology.to("meta"), FRAGMENTS),
        lambda: kato_gradient(IMAGE.to("meta"), FRAGMENTS),
        lambda: kato_gradient(IMAGE, FRAGMENTS._replace(positions=POSITIONS.to("meta"))),
    ):
        with pytest.raises(ValueError, match=r"is on .* but .* on .*\. Move all inputs to one device"):
            call()
    shapes = rasterize(POSITIONS.to("meta"), FACES.to("meta"), SIZE)  # a dry run is possible
    assert shapes.face_id.shape == (1, *SIZE) and shapes.face_id.device.type == "meta"


# ---- odd, but fine ---------------------------------------------------------------------------------------------------


@BACKENDS
def test_a_mesh_without_faces(backend: Any) -> None:
    """Breaks if nothing to draw is an error, in either direction."""
    positions = POSITIONS.clone().requires_grad_()
    fragments = rasterize(positions, FACES[:0], SIZE, backend=backend)
    assert (fragments.face_id == -1).all() and fragments.facing.shape == (1, 0)
    image = interpolate(COLORS, FACES[:0], fragments, backend=backend)
    assert image.shape == (1, *SIZE, 3) and not image.any()
    if backend == "native":
        assert not torch.autograd.grad(image.sum() + fragments.depth.sum(), positions)[0].any()
    nothing = rasterize(POSITIONS[:, :0], FACES[:0], SIZE, backend=backend)
    assert (nothing.face_id == -1).all()


@BACKENDS
def test_an_empty_batch(backend: Any) -> None:
    """Breaks if no image at all divides by zero, forwards or backwards."""
    positions, colors = POSITIONS[:0].clone().requires_grad_(), COLORS.clone().requires_grad_()
    fragments = rasterize(positions, FACES, SIZE, backend=backend)
    image = interpolate(colors, FACES, fragments, backend=backend)
    found = crossings(positions, MESH.topology, fragments, backend=backend)
    assert image.shape == (0, *SIZE, 3) and fragments.facing.shape == (0, 80) and len(found.inner) == 0
    gradients = torch.autograd.grad(image.sum() + fragments.depth.sum(), (positions, colors), allow_unused=True)
    assert all(gradient is None or not gradient.any() for gradient in gradients)
    packed = rasterize(POSITIONS[0], FACES, SIZE, ranges=torch.empty(0, 2, dtype=torch.int64), backend=backend)
    assert packed.face_id.shape == (0, *SIZE) and not packed.facing.any()


@pytest.mark.parametrize("mode", ["crossings", "released"])
def test_estimators_of_nothing(mode: Any) -> None:
    """Breaks if no image, no channel or no crossing is an error in the sweeps."""
    none = rasterize(POSITIONS[:0], FACES, SIZE)
    assert kato_gradient(IMAGE[:0], none, mode).shape == (0, 42, 4)
    assert not kato_gradient(IMAGE[..., :0], FRAGMENTS, mode).any()
    behind = POSITIONS * torch.tensor([1.0, 1.0, -1.0, -1.0])
    empty = rasterize(behind, FACES, SIZE)
    assert not kato_gradient(IMAGE, empty, mode).any()


@BACKENDS
def test_a_mesh_behind_the_camera(backend: Any) -> None:
    """Breaks if what is behind the eye is mirrored into the picture, or is an error."""
    behind = POSITIONS * torch.tensor([1.0, 1.0, -1.0, -1.0])
    fragments = rasterize(behind, FACES, SIZE, backend=backend)
    assert (fragments.face_id == -1).all() and not fragments.depth.any()
    assert len(crossings(behind, MESH.topology, fragments, backend=backend).inner) == 0


@BACKENDS
@pytest.mark.usefixtures("threads")
def test_vertices_that_are_not_finite_are_counted(backend: Any) -> None:
    """Breaks if NaN or infinity crashes, reaches other faces, or is not reported with the number of faces."""
    positions = POSITIONS.repeat(2, 1, 1)
    positions[0, 3, 0], positions[0, 7, 3], positions[1, 3, 2] = torch.nan, torch.inf, -torch.inf
    touched = (FACES == 3).any(1) | (FACES == 7).any(1)
    count = int(touched.sum() + (FACES == 3).any(1).sum())
    with pytest.warns(RuntimeWarning, match=f"rasterize: {count} faces have a vertex that is NaN or infinite"):
        fragments = rasterize(positions, FACES, SIZE, backend=backend)
    assert (fragments.facing[0][touched] == 0).all()
    rest = rasterize(POSITIONS, FACES[~touched], SIZE).face_id[0]
    expected = torch.where(rest >= 0, torch.nonzero(~touched)[:, 0][rest.long().clamp(min=0)], -1)
    assert torch.equal(fragments.face_id[0].long(), expected)


@BACKENDS
def test_packed_vertices_that_are_not_finite_are_counted(backend: Any) -> None:
    """Breaks if faces outside of all ranges are counted."""
    positions = POSITIONS[0].clone()
    positions[int(FACES[70, 0])] = torch.nan
    bad = (FACES[70, 0] == FACES).any(1)
    ranges = torch.tensor([[0, 60], [60, 20]])
    with pytest.warns(RuntimeWarning, match=f"rasterize: {int(bad.sum())} faces have"):
        rasterize(positions, FACES, SIZE, ranges=ranges, backend=backend)
    if not bad[:60].any():
        rasterize(positions, FACES, SIZE, ranges=ranges[:1], backend=backend)


@pytest.mark.filterwarnings("ignore:rasterize")
@pytest.mark.parametrize("mode", ["crossings", "released"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("coordinate", [0, 2, 3])
def test_vertices_that_are_not_finite_leave_gradients_finite(coordinate: int, value: float, mode: Any) -> None:
    """Breaks if 0 times infinity of a vertex that is not seen reaches the gradient."""
    positions = POSITIONS.clone()
    positions[0, 3, coordinate] = value
    positions.requires_grad_()
    fragments = rasterize(positions, FACES, SIZE)
    image = interpolate(COLORS, FACES, fragments)
    image = Kato(mode)(image, fragments, MESH.topology)
    (gradient,) = torch.autograd.grad((image - 0.3).square().sum() + fragments.depth.sum(), positions)
    assert gradient.isfinite().all() and gradient.any() and not gradient[0, 3].any()


def test_memory_layout_does_not_matter() -> None:
    """Breaks if strides are ignored, in any argument or in the fragments."""
    strided = POSITIONS.transpose(1, 2).contiguous().transpose(1, 2)
    fragments = rasterize(strided, FACES.long().T.contiguous().T, SIZE)
    assert torch.equal(fragments.face_id, FRAGMENTS.face_id)
    colors = COLORS.T.contiguous().T
    plain = interpolate(COLORS, FACES, FRAGMENTS)
    assert torch.equal(interpolate(colors, FACES.T.contiguous().T, fragments), plain)

    def turned(tensor: Tensor) -> Tensor:
        return tensor.transpose(1, 2).contiguous().transpose(1, 2)

    loose = FRAGMENTS._replace(
        face_id=turned(FRAGMENTS.face_id),
        bary=turned(FRAGMENTS.bary),
        depth=turned(FRAGMENTS.depth),
        facing=FRAGMENTS.facing.T.contiguous().T,
    )
    assert torch.equal(interpolate(colors, FACES, loose), plain)
    assert all(map(torch.equal, crossings(strided, MESH.topology, loose), CROSSINGS))
    for mode in ("crossings", "released"):
        expected = kato_gradient(IMAGE, FRAGMENTS, mode)
        assert torch.equal(kato_gradient(turned(IMAGE), loose._replace(positions=strided), mode), expected)


def test_some_pixels_of_the_fragments() -> None:
    """Breaks if a cut of the picture is read with the strides of the whole."""
    cut = FRAGMENTS._replace(face_id=FRAGMENTS.face_id[:, ::2, 3:], bary=FRAGMENTS.bary[:, ::2, 3:])
    assert torch.equal(interpolate(COLORS, FACES, cut), interpolate(COLORS, FACES, FRAGMENTS)[:, ::2, 3:])
