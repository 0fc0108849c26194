"""What is refused, and that the message says what was asked and what arrived."""

import math

import pytest
import torch

from repousse.camera import Camera

EYE = (0.0, 0.0, 3.0)
NAN = math.nan


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"eye": (1.0, 1.0, 1.0), "target": (1.0, 1.0, 1.0)}, "coincide.*eye = "),
        ({"eye": torch.tensor([EYE, (0.0, 0.0, 0.0)])}, r"coincide.*camera 1"),
        ({"eye": (0.0, 3.0, 0.0)}, "`up` is zero or parallel"),
        ({"up": (0.0, 0.0, 0.0)}, "`up` is zero or parallel"),
        ({"eye": (0.0, 0.0, NAN)}, "nan"),
        ({"fov": 0.0}, "radians, between 0 and pi, got fov = 0"),
        ({"fov": math.pi}, "got fov = 3.14159"),
        ({"fov": 60.0}, "got fov = 60"),
        ({"fov": torch.tensor([0.5, NAN])}, r"got fov = nan \(camera 1\)"),
        ({"near": 0.0}, "0 < near < far, got near = 0, far = 100"),
        ({"near": -1.0}, "near = -1"),
        ({"near": 2.0, "far": 2.0}, "near = 2, far = 2"),
        ({"extent": 0.0}, "`extent`.*got extent = 0"),
        ({"extent": 1.0, "far": math.inf}, "far < inf"),
        ({"extent": 1.0, "near": -1.0}, "0 <= near"),
        ({"extent": 1.0, "fov": 1.0}, "not both"),
        ({"eye": (1.0, 2.0)}, r"`eye` should be \(3,\) or \(B, 3\), got shape \(2,\)"),
        ({"fov": torch.ones(2, 2)}, r"`fov` should be a number or \(B,\), got shape \(2, 2\)"),
        ({"eye": torch.rand(2, 3) + 1, "target": torch.zeros(3, 3)}, "2 in `eye`, 3 in `target`"),
        ({"eye": torch.rand(2, 3) + 1, "fov": torch.ones(3)}, "2 in `world_to_camera`, 3 in `projection`"),
    ],
)
def test_look_at(arguments, message):
    """Breaks if a camera without a meaning is built, or the error does not name the argument."""
    with pytest.raises(ValueError, match=message):
        Camera.look_at(**{"eye": EYE, **arguments})


def test_types():
    """Breaks if a wrong type surfaces as an error from inside torch."""
    with pytest.raises(TypeError, match="`eye` should be a number"):
        Camera.look_at("above")
    with pytest.raises(TypeError, match=r"floating tensor, got torch.int64"):
        Camera(torch.eye(4).long(), torch.eye(4))
    with pytest.raises(ValueError, match=r"`projection` should be \(4, 4\) or \(B, 4, 4\), got shape \(3, 3\)"):
        Camera(torch.eye(4), torch.eye(3))
    with pytest.raises(ValueError, match=r"float32 on cpu, `projection` torch.float64"):
        Camera(torch.eye(4), torch.eye(4).double())
    with pytest.raises(ValueError, match="no cameras"):
        Camera.stack([])


def test_orbit():
    """Breaks if a camera inside its target or behind it is accepted."""
    with pytest.raises(ValueError, match="`distance` should be positive, got distance = 0"):
        Camera.orbit(0.0)
    with pytest.raises(ValueError, match=r"camera 1"):
        Camera.orbit(torch.tensor([1.0, -1.0]))
    with pytest.raises(ValueError, match="batches do not match: 2 in `elevation`, 3 in `target`"):
        Camera.orbit(1.0, torch.zeros(2), target=torch.zeros(3, 3))


def test_from_opencv():
    """Breaks if a transposed K, a scaled or a mirrored R goes through."""
    k, r, t = torch.tensor([[50.0, 0, 32], [0, 50, 24], [0, 0, 1]]), torch.eye(3), torch.zeros(3)
    with pytest.raises(ValueError, match="third row"):
        Camera.from_opencv(k.T, r, t, (48, 64))
    for wrong in (2 * r, torch.diag(torch.tensor([1.0, -1.0, 1.0]))):
        with pytest.raises(ValueError, match="not a rotation"):
            Camera.from_opencv(k, wrong, t, (48, 64))
    with pytest.raises(ValueError, match=r"`t` should be \(3,\) or \(B, 3\), got shape \(3, 1\)"):
        Camera.from_opencv(k, r, t[:, None], (48, 64))
    with pytest.raises(ValueError, match="2 in `K`, 3 in `R`"):
        Camera.from_opencv(k.expand(2, 3, 3), r.expand(3, 3, 3), t, (48, 64))
    with pytest.raises(ValueError, match="near = 5, far = 1"):
        Camera.from_opencv(k, r, t, (48, 64), near=5.0, far=1.0)


def test_projecting():
    """Breaks if shapes, batches, dtypes or sizes that do not fit are broadcast to something."""
    camera = Camera.look_at(torch.rand(2, 3) + 1)
    with pytest.raises(ValueError, match=r"`points` should be \(N, 3\) or \(B, N, 3\), got \(5, 2\)"):
        camera.project(torch.zeros(5, 2), (4, 4))
    with pytest.raises(ValueError, match="2 in `camera`, 3 in `points`"):
        camera.project(torch.zeros(3, 5, 3), (4, 4))
    with pytest.raises(ValueError, match=r"float64 on cpu, the camera torch.float32"):
        camera.project(torch.zeros(5, 3).double(), (4, 4))
    for size in ((0, 4), (4,), 4):
        with pytest.raises(ValueError, match=r"`size` should be \(height, width\)"):
            camera.project(torch.zeros(5, 3), size)  # pyright: ignore
    with pytest.raises(ValueError, match=r"`depth` should be \(N\) or \(B, N\), got \(\)"):
        camera.unproject(torch.zeros(5, 2), torch.tensor(1.0), (4, 4))
    with pytest.raises(ValueError, match="5 `pixels` but 4 values"):
        camera.unproject(torch.zeros(5, 2), torch.ones(4), (4, 4))
