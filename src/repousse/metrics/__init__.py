"""Figures to report, each of which is one number per picture, mesh or cloud of points: (B,).

Pictures: `psnr`, `ssim`, and `iou` of silhouettes. Surfaces: `compare`, `f_score`; the chamfer distance is
`losses.chamfer`.
"""

from repousse.metrics.images import iou, psnr, ssim
from repousse.metrics.surfaces import Comparison, compare, f_score

__all__ = ["psnr", "ssim", "iou", "compare", "Comparison", "f_score"]
