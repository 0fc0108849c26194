"""Figures of pictures: against scikit-image, and by hand. `test_similarity.py` has those of structural similarity."""

import math

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from repousse import metrics


@pytest.mark.parametrize("peak", [1.0, 255.0])
def test_psnr_against_skimage(peak):
    """Breaks if the peak is not squared, or pictures of the batch are averaged together."""
    image, target = peak * torch.rand(2, 3, 8, 9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = [
        peak_signal_noise_ratio(a, b, data_range=peak) for a, b in zip(target.numpy(), image.numpy(), strict=True)
    ]
    assert metrics.psnr(image, target, peak=peak).tolist() == pytest.approx(expected)


def test_psnr_of_a_mask():
    """Breaks if masked pixels count, or no difference is not infinite."""
    image = torch.zeros(1, 8, 8, 3)
    target = image.clone()
    target[:, :4] = 0.1
    target[:, 4:] = math.nan
    mask = (torch.arange(8) < 4)[None, :, None].expand(1, 8, 8)
    assert metrics.psnr(image, target, mask=mask).item() == pytest.approx(20)
    assert metrics.psnr(image, image).item() == math.inf
    assert metrics.psnr(image, target, mask=torch.zeros(1, 8, 8)).item() == math.inf


def test_iou_by_hand():
    """Breaks if coverage is not decided by the threshold, or hidden pixels count."""
    a = torch.tensor([0.9, 0.6, 0.4, 0.0, 0.0, 0.0]).view(1, 1, 6)
    b = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0, 0.0]).view(1, 1, 6)
    assert metrics.iou(a, b).item() == pytest.approx(1 / 4)
    assert metrics.iou(a, b, threshold=0.3).item() == pytest.approx(2 / 4)
    assert metrics.iou(a, b, mask=torch.tensor([1.0, 1, 1, 0, 0, 0]).view(1, 1, 6)).item() == pytest.approx(1 / 3)
    assert metrics.iou(torch.zeros(2, 8, 8), torch.zeros(2, 8, 8)).tolist() == [1, 1]


def test_bad_peak():
    """Breaks if decibels of a negative peak are given."""
    with pytest.raises(ValueError, match="psnr: `peak` must be positive and finite but is inf"):
        metrics.psnr(torch.zeros(1, 8, 8), torch.zeros(1, 8, 8), peak=math.inf)
