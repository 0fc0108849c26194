"""Files: meshes and pictures, read and written."""

from .meshes import load, save
from .movies import save_mp4
from .pictures import load_image, save_gif, save_png
from .srgb import linear_to_srgb, srgb_to_linear

__all__ = ["load", "save", "load_image", "save_gif", "save_mp4", "save_png", "linear_to_srgb", "srgb_to_linear"]
