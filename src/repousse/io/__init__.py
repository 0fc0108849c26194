"""Files: meshes and pictures, read and written."""

from .meshes import load, save
from .pictures import load_image, save_gif, save_png

__all__ = ["load", "save", "load_image", "save_gif", "save_png"]
