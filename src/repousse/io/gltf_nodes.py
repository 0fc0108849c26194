"""The tree of nodes of a glTF scene: which mesh stands where."""

import numpy as np

from .gltf_file import GltfFile


def placed_meshes(file: GltfFile) -> list[tuple[int, np.ndarray]]:
    """(number of the mesh, float64 (4, 4) from the mesh to the scene) of all nodes with a mesh.

    In the order of meshes, and then of nodes, in the file. ValueError if the nodes are no tree.
    """
    nodes = file.tree.get("nodes", [])
    children = [_children(node) for node in nodes]
    scenes = file.tree.get("scenes")
    if scenes:
        roots = file.entry("scenes", file.tree.get("scene", 0)).get("nodes", [])
    else:
        below = {child for some in children for child in some if type(child) is int}
        roots = [i for i in range(len(nodes)) if i not in below]
    # With one parent for each node, and none for the roots, nothing that a scene shows can be part of a loop.
    seen = set()
    for index in [*(roots if scenes else ()), *(child for some in children for child in some)]:
        file.entry("nodes", index)
        if index in seen:
            raise ValueError(f"nodes[{index}] stands in several places or contains itself")
        seen.add(index)
    found = []
    waiting = [(index, np.eye(4)) for index in roots]
    while waiting:
        index, outer = waiting.pop()
        transform = outer @ _transform(nodes[index])
        if "mesh" in nodes[index]:
            file.entry("meshes", nodes[index]["mesh"])
            found.append((nodes[index]["mesh"], index, transform))
        waiting += [(child, transform) for child in children[index]]
    return [(mesh, transform) for mesh, _, transform in sorted(found, key=lambda entry: entry[:2])]


def _children(node: dict) -> list:
    children = node.get("children", [])
    if not isinstance(children, list):
        raise ValueError(f"children of a node are {children!r}, not a list")
    return children


def _transform(node: dict) -> np.ndarray:
    """Its matrix, or scaled, then turned, then moved."""
    if "matrix" in node:
        return _numbers(node, "matrix", 16).reshape(4, 4).T  # column by column
    result = np.eye(4)
    if "rotation" in node:
        result[:3, :3] = _rotation(_numbers(node, "rotation", 4))
    if "scale" in node:
        result[:3, :3] *= _numbers(node, "scale", 3)
    if "translation" in node:
        result[:3, 3] = _numbers(node, "translation", 3)
    return result


def _numbers(node: dict, key: str, count: int) -> np.ndarray:
    numbers = np.array(node[key], dtype=np.float64)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise ValueError(f"{key} of a node should be {count} finite numbers, not {node[key]!r}")
    return numbers


def _rotation(quaternion: np.ndarray) -> np.ndarray:
    """(3, 3) of (x, y, z, w), of any length but 0."""
    length = np.linalg.norm(quaternion)
    if length == 0:
        raise ValueError("rotation of a node is 0")
    x, y, z, w = quaternion / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
