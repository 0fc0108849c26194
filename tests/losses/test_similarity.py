"""Structural similarity against scikit-image."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from repousse import losses, metrics


def pictures(*shape, dtype=torch.float64):
    """Two pictures with structure: smooth waves and noise."""
    generator = torch.Generator().manual_seed(0)
    waves = torch.linspace(0, 9, shape[1]).sin()[:, None, None] * torch.linspace(0, 7, shape[2]).cos()[:, None]
    first, noise = torch.rand(2, *shape, dtype=dtype, generator=generator)
    return 0.5 + 0.4 * waves.to(dtype) + 0.1 * first, 0.5 + 0.3 * waves.to(dtype) + 0.2 * noise


def by_skimage(image, target, peak):
    return [
        structural_similarity(
            a, b, data_range=peak, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for a, b in zip(image.numpy(), target.numpy(), strict=True)
    ]


@pytest.mark.parametrize("peak", [1.0, 255.0])
def test_against_skimage(peak):
    """Breaks if windows, constants or borders are not those of Wang et al."""
    image, target = (peak * picture for picture in pictures(2, 33, 40, 3))
    expected = torch.tensor(by_skimage(image, target, peak), dtype=torch.float64)
    torch.testing.assert_close(metrics.ssim(image, target, peak=peak), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(losses.ssim(image, target, peak=peak), 1 - expected, rtol=0, atol=1e-12)


def test_single_precision():
    """Breaks if variances of bright, nearly flat pictures are lost to rounding."""
    image, target = (0.95 + 0.01 * picture for picture in pictures(1, 64, 64, 3))
    expected = by_skimage(image, target, 1.0)
    assert metrics.ssim(image.float(), target.float()).tolist() == pytest.approx(expected, abs=2e-5)


def test_mask_weighs_windows():
    """Breaks if masked windows are not normalised by what they see, or are averaged without their weight."""
    image, target = (picture[0, ..., 0].numpy() for picture in pictures(1, 16, 15, 1))
    weight = np.random.default_rng(0).random((16, 15)) * (np.arange(15) < 9)
    x = np.arange(-5, 6)
    gaussian = np.exp(-(x[:, None] ** 2 + x**2) / (2 * 1.5**2))
    total, sum_ = 0.0, 0.0
    for row in range(5, 11):
        for column in range(5, 10):
            window = np.s_[row - 5 : row + 6, column - 5 : column + 6]
            w = gaussian * weight[window] / (gaussian * weight[window]).sum()
            a, b = image[window], target[window]
            mean_a, mean_b = (w * a).sum(), (w * b).sum()
            var_a, var_b = (w * (a - mean_a) ** 2).sum(), (w * (b - mean_b) ** 2).sum()
            cov = (w * (a - mean_a) * (b - mean_b)).sum()
            value = (2 * mean_a * mean_b + 1e-4) * (2 * cov + 9e-4)
            value /= (mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4)
            total += value * weight[row, column]
            sum_ += weight[row, column]
    found = metrics.ssim(*(torch.as_tensor(p)[None] for p in (image, target)), mask=torch.as_tensor(weight)[None])
    assert found.item() == pytest.approx(total / sum_, abs=1e-12)


def test_nothing_seen_is_equal():
    """Breaks if an empty mask gives NaN instead of "no difference found"."""
    image, target = pictures(1, 16, 15, 1)
    assert metrics.ssim(image, target, mask=torch.zeros(1, 16, 15)).item() == 1


@pytest.mark.parametrize("similarity", [losses.ssim, metrics.ssim])
def test_bad_input(similarity):
    """Breaks if pictures smaller than a window give the mean of nothing."""
    small = torch.zeros(1, 10, 20, 3)
    with pytest.raises(ValueError, match=r"ssim: pictures must have at least 11 x 11 pixels, .* not 10 x 20"):
        similarity(small, small)
    with pytest.raises(ValueError, match="ssim: `peak` must be positive and finite but is 0"):
        similarity(torch.zeros(1, 20, 20, 3), torch.zeros(1, 20, 20, 3), peak=0)
