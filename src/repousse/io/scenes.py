"""Scenes of meshes, read by trimesh."""

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Placed(NamedTuple):
    """A mesh at one place of a scene.

    name       of the mesh
    node       name of its node
    transform  (4, 4), from the mesh to the scene
    mesh       trimesh.Trimesh
    """

    name: str
    node: str
    transform: np.ndarray
    mesh: Any


def read_scene(data: bytes, kind: str, path: Path, resolver: object = None) -> list[Placed]:
    """The triangle meshes of a scene, in the order of the file, each one by the names of its nodes.

    resolver  gives the content of other files: resolver[name] -> bytes

    ValueError, which names `path`, for whatever trimesh cannot read, and if there are none.
    """
    import trimesh  # here, because it takes half a second that most programs need not spend

    try:
        scene = trimesh.load_scene(
            io.BytesIO(data),
            file_type=kind,
            resolver=resolver,  # pyright: ignore[reportArgumentType]
            process=False,
            skip_materials=True,
        )
        # trimesh walks the tree backwards; this is the order of meshes and nodes in the file.
        order = {name: i for i, name in enumerate(scene.geometry)}
        nodes = sorted((order[scene.graph[node][1]], node) for node in scene.graph.nodes_geometry)
        found = []
        for _, node in nodes:
            transform, name = scene.graph[node]
            if isinstance(scene.geometry[name], trimesh.Trimesh):
                found.append(Placed(str(name), str(node), np.asarray(transform), scene.geometry[name]))
    except Exception as error:  # whatever a parser runs into on a broken file
        cause = str(error) or type(error).__name__
        raise ValueError(f"load: {path} is not an intact {kind} file ({cause}); is it cut off?") from error
    if not found:
        raise ValueError(f"load: {path} has no triangles; is it a {kind} file, and complete?")
    return found
