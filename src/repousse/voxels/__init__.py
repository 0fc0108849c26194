"""Grids of voxels: from meshes and back, binvox files, and how well two grids agree."""

from .binvox import load_binvox, save_binvox
from .from_mesh import voxelize
from .grid import VoxelGrid
from .hull import visual_hull
from .iou import voxel_iou
from .photo import photo_hull
from .released import released_mean, released_voxels
from .resize import resize
from .to_mesh import marching_cubes, to_cubes

__all__ = [
    "VoxelGrid",
    "voxelize",
    "resize",
    "marching_cubes",
    "visual_hull",
    "photo_hull",
    "to_cubes",
    "voxel_iou",
    "released_voxels",
    "released_mean",
    "load_binvox",
    "save_binvox",
]
