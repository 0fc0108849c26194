"""Losses between pictures: against torch's own, by hand, and what masks promise."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from repousse import losses

LOSSES = {
    "l1": losses.l1,
    "l2": losses.l2,
    "huber": losses.huber,
    "ssim": losses.ssim,
    "pyramid": losses.pyramid,
    "laplacian pyramid": lambda *args, **options: losses.pyramid(*args, kind="laplacian", norm="l1", **options),
    "iou": losses.iou,
}
ALL = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


def pictures(*shape, seed=0, dtype=torch.float64):
    return torch.rand(2, *shape, dtype=dtype, generator=torch.Generator().manual_seed(seed)).unbind(0)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (losses.l1, torch.nn.L1Loss()),
        (losses.l2, torch.nn.MSELoss()),
        (losses.huber, torch.nn.HuberLoss(delta=0.1)),
        (lambda a, b: losses.huber(a, b, delta=0.7), torch.nn.HuberLoss(delta=0.7)),
    ],
)
def test_as_torch(ours, theirs):
    """Breaks if a formula differs from torch's, or pictures of the batch mix."""
    image, target = pictures(3, 16, 20, 3)
    expected = torch.stack([theirs(a, b) for a, b in zip(image, target, strict=True)])
    torch.testing.assert_close(ours(image, target), expected)


@ALL
def test_one_number_per_picture(loss):
    """Breaks if a picture's loss depends on the batch that it is in, on channels being named, or on the order."""
    image, target = pictures(3, 24, 17, 1)
    found = loss(image, target)
    assert found.shape == (3,)
    torch.testing.assert_close(loss(image[1:2], target[1:2]), found[1:2])
    torch.testing.assert_close(loss(image[..., 0], target), found)
    torch.testing.assert_close(loss(target, image), found)
    torch.testing.assert_close(loss(image, target[:1])[0], found[0])
    torch.testing.assert_close(loss(image[:1], target).shape, torch.Size([3]))


@ALL
def test_equal_pictures(loss):
    """Breaks if a picture and itself differ."""
    image = pictures(2, 24, 17, 1)[0].round()
    assert loss(image, image).abs().max() < 1e-12


@ALL
def test_mask_of_ones_is_no_mask(loss):
    """Breaks if borders or sums are treated differently with a mask; weights count relative to each other."""
    image, target = pictures(2, 24, 17, 1)
    plain = loss(image, target)
    for mask in (torch.ones(2, 24, 17), torch.ones(2, 24, 17, 1).bool(), torch.full((1, 24, 17), 3.5)):
        torch.testing.assert_close(loss(image, target, mask=mask), plain)


@ALL
def test_hidden_pixels_do_not_matter(loss):
    """Breaks if what the mask hides reaches the loss or the gradient: not even NaN may."""
    image, target = pictures(2, 24, 17, 1)
    mask = torch.zeros(2, 24, 17, dtype=torch.bool)
    mask[:, 4:19, 3:14] = True
    expected = loss(image, target, mask=mask)
    hidden = ~mask[..., None]
    image = image.masked_fill(hidden, math.nan).requires_grad_()
    found = loss(image, target.masked_fill(hidden, math.inf), mask=mask)
    torch.testing.assert_close(found, expected)
    (gradient,) = torch.autograd.grad(found.sum(), image)
    assert gradient.isfinite().all() and (gradient[hidden] == 0).all() and (gradient != 0).any()


@ALL
def test_empty_mask(loss):
    """Breaks if a mean over no pixel is NaN; negative weights count as 0."""
    image, target = pictures(2, 24, 17, 1)
    image.requires_grad_()
    mask = torch.zeros(2, 24, 17)
    mask[1] = 1
    found = loss(image, target, mask=mask)
    assert found[0] == 0
    torch.testing.assert_close(found[1:], loss(image[1:], target[1:]))
    (gradient,) = torch.autograd.grad(loss(image, target, mask=mask - 1).sum(), image)
    assert (gradient == 0).all()


@ALL
@pytest.mark.parametrize("masked", [False, True])
def test_derivative(loss, masked):
    """Breaks if the derivative is not that of the formula (finite differences in float64)."""
    image, target = pictures(2, 13, 12, 2, seed=3)
    mask = torch.rand(2, 13, 12, generator=torch.Generator().manual_seed(1)).round() if masked else None
    given = (image.requires_grad_(), target.requires_grad_())
    options = {"levels": 3} if loss is losses.pyramid else {}
    assert torch.autograd.gradcheck(lambda a, b: loss(a, b, mask=mask, **options), given, fast_mode=True)


@ALL
def test_the_mask_gets_no_gradient(loss):
    """Breaks if a rendered mask is moved to hide differences."""
    image, target = pictures(2, 24, 17, 1)
    mask = torch.rand(2, 24, 17, requires_grad=True)
    assert not loss(image, target, mask=mask).requires_grad


@ALL
def test_half_precision_is_widened(loss):
    """Breaks if sums over pixels are rounded to bfloat16."""
    image, target = (picture.bfloat16() for picture in pictures(2, 24, 17, 1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(image, target)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, loss(image.float(), target.float()))


def test_masked_mean_by_hand():
    """Breaks if weights are not normalised, or channels counted twice."""
    image = torch.tensor([1.0, 3.0]).view(1, 1, 2, 1).expand(1, 1, 2, 3)
    target = torch.zeros(1, 1, 2, 3)
    mask = torch.tensor([3.0, 1.0]).view(1, 1, 2, 1)
    assert losses.l1(image, target, mask=mask).item() == pytest.approx((3 * 1 + 1 * 3) / 4)
    assert losses.l2(image, target, mask=mask).item() == pytest.approx((3 * 1 + 1 * 9) / 4)


def test_iou_by_hand():
    """Breaks if the formula is not that of the released loss."""
    a = torch.tensor([1.0, 1.0, 0.5, 0.0, 0.0, 0.0]).view(1, 1, 6)
    b = torch.tensor([1.0, 0.0, 0.5, 0.5, 0.0, 0.0]).view(1, 1, 6)
    assert losses.iou(a, b).item() == pytest.approx(1 - 1.25 / (1 + 1 + 0.75 + 0.5))
    mask = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]).view(1, 1, 6)
    assert losses.iou(a, b, mask=mask).item() == pytest.approx(1 - 1.25 / 2.75)


def test_empty_silhouettes_agree():
    """Breaks if two empty silhouettes give 0 / 0, here or in the derivative."""
    empty = torch.zeros(1, 8, 8, requires_grad=True)
    loss = losses.iou(empty, torch.zeros(1, 8, 8))
    loss.backward()
    assert loss.item() == 0 and empty.grad is not None and (empty.grad == 0).all()
    assert losses.iou(empty, torch.ones(1, 8, 8)).item() == 1


@given(st.integers(0, 10**6), st.integers(5, 9), st.integers(5, 9))
@settings(deadline=None, max_examples=25)
def test_masks_cut_pictures(seed, height, width):
    """Breaks if a mask does not do what cutting the picture does."""
    image, target = pictures(1, 12, 12, 3, seed=seed)
    mask = torch.zeros(1, 12, 12)
    mask[:, :height, :width] = 1
    for loss in (losses.l1, losses.l2, losses.huber, losses.iou):
        torch.testing.assert_close(
            loss(image, target, mask=mask), loss(image[:, :height, :width], target[:, :height, :width])
        )


A = torch.zeros(2, 16, 16, 3)


@pytest.mark.parametrize(
    ("image", "target", "mask", "error", "text"),
    [
        (
            A,
            torch.zeros(2, 16, 15, 3),
            None,
            ValueError,
            "`image` is \\(2, 16, 16, 3\\) but `target` is \\(2, 16, 15, 3\\)",
        ),
        (A, torch.zeros(3, 16, 16, 3), None, ValueError, "a batch of 1 goes with any"),
        (A, A[..., :1], None, ValueError, "same size and channels"),
        (A[0], A[0], None, ValueError, "looks like one picture \\(H, W, C\\). Add the batch: image\\[None\\]"),
        (A[0, 0], A, None, ValueError, "must be \\(B, H, W, C\\) or \\(B, H, W\\)"),
        (A[:0], A, None, ValueError, "not empty"),
        (A.byte(), A, None, TypeError, "must be floats, got uint8 .* image / 255"),
        (A, A.bool(), None, TypeError, "`target` must be floats, got bool .* target.float\\(\\)"),
        (A.numpy(), A, None, TypeError, "must be a tensor, got ndarray"),
        (A, A, torch.ones(2, 16, 16, 3), ValueError, "`mask` is \\(2, 16, 16, 3\\) but must be \\(2, 16, 16\\)"),
        (A, A, torch.ones(3, 16, 16), ValueError, "`mask` is"),
        (A, A, torch.ones(2, 16, 16, dtype=torch.int64), TypeError, "`mask` must be floats"),
    ],
)
@ALL
def test_bad_pictures(loss, image, target, mask, error, text):
    """Breaks if pictures that do not fit are broadcast, or the message no longer says what to do."""
    with pytest.raises(error, match=text):
        loss(image, target, mask=mask)


def test_huber_needs_a_delta():
    """Breaks if delta = 0, a loss that is 0 everywhere, is accepted."""
    with pytest.raises(ValueError, match="huber: `delta` must be positive but is 0"):
        losses.huber(A, A, delta=0)
