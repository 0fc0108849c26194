"""Where meshes of glTF stand, and what strips and fans are made of."""

import json

import numpy as np
import pytest
import torch
import trimesh
from gltf_models import data_uri, load_tree, square
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NUMBERS = st.floats(-2, 2, width=16)
TRANSFORMS = st.fixed_dictionaries(
    {},
    optional={
        "translation": st.lists(NUMBERS, min_size=3, max_size=3),
        "rotation": st.lists(NUMBERS, min_size=4, max_size=4).filter(lambda q: sum(x * x for x in q) > 0.1),
        "scale": st.lists(st.sampled_from([-2.0, -0.5, 0.25, 1.0, 3.0]), min_size=3, max_size=3),
    },
) | st.fixed_dictionaries({"matrix": st.lists(NUMBERS, min_size=12, max_size=12).map(lambda m: affine(m))})


def affine(numbers):
    """Column by column, as glTF has it."""
    matrix = np.eye(4)
    matrix[:3] = np.array(numbers).reshape(3, 4)
    return matrix.T.reshape(-1).tolist()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TRANSFORMS, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_transforms_as_trimesh_has_them(tmp_path, transforms, random):
    """Breaks if a transform, their order, or that of a node in a node is another than the format's."""
    parents = [random.randrange(-1, i) for i in range(len(transforms))]
    nodes = [{"mesh": 0, **transform} for transform in transforms]
    for i, parent in enumerate(parents):
        if parent >= 0:
            nodes[parent].setdefault("children", []).append(i)
    tree = square(nodes=nodes, scenes=[{"nodes": [i for i, parent in enumerate(parents) if parent < 0]}])
    mesh, _ = load_tree(tmp_path, tree)
    found = mesh.positions[mesh.faces.long()].flatten(1).tolist()
    (tmp_path / "theirs.gltf").write_text(json.dumps(tree))
    scene = trimesh.load_scene(tmp_path / "theirs.gltf", process=False, skip_materials=True)
    expected = scene.to_geometry().triangles
    assert len(found) == len(expected) == 2 * len(nodes)
    middles = torch.tensor(found).reshape(-1, 3, 3).mean(1).double()
    theirs = torch.from_numpy(expected.mean(1))
    assert float(torch.cdist(middles, theirs).amin(1).amax()) < 1e-4
    assert float(torch.cdist(theirs, middles).amin(1).amax()) < 1e-4


@pytest.mark.parametrize(
    "node",
    [
        {"matrix": [1] * 15},
        {"matrix": ["a"] * 16},
        {"rotation": [0, 0, 0, 0]},
        {"scale": [1, 1, 1e400]},
        {"translation": 5},
        {"children": 5},
    ],
)
def test_transforms_that_are_none(tmp_path, node):
    """Breaks if numbers without sense are passed over, or end in an error that does not name the file."""
    with pytest.raises(ValueError, match=r"model.gltf is not an intact glTF file"):
        load_tree(tmp_path, square(nodes=[{"mesh": 0, **node}]))


@pytest.mark.parametrize(
    ("mode", "indices", "faces"),
    [
        (4, [0, 1, 2, 2, 1, 3], [[0, 1, 2], [2, 1, 3]]),
        (5, [0, 1, 2, 3, 0], [[0, 1, 2], [1, 3, 2], [2, 3, 0]]),
        (5, [0, 1, 2, 2, 3, 3, 1, 0], [[0, 1, 2], [3, 0, 1]]),
        (6, [0, 1, 2, 3], [[1, 2, 0], [2, 3, 0]]),
        (5, [0, 1], None),
        (4, [0, 1, 2, 3], None),
    ],
)
def test_modes(tmp_path, mode, indices, faces):
    """Breaks if triangles of a strip or fan are turned round, joints without area stay, or a rest is passed over."""
    tree = square()
    tree["meshes"][0]["primitives"][0]["mode"] = mode
    data = np.array(indices, dtype="<u2").tobytes()
    tree["buffers"].append({"byteLength": len(data), "uri": data_uri(data, "application/octet-stream")})
    tree["bufferViews"].append({"buffer": 1, "byteLength": len(data)})
    tree["accessors"][3] = {"bufferView": 4, "componentType": 5123, "count": len(indices), "type": "SCALAR"}
    if faces is None:
        with pytest.raises(ValueError, match=r"has no faces|are no triangles"):
            load_tree(tmp_path, tree)
    else:
        assert load_tree(tmp_path, tree)[0].faces.tolist() == faces


def test_interleaved_vertices(tmp_path):
    """Breaks if a stride or an offset inside a view is not kept."""
    tree = square()
    rows = np.zeros(4, dtype=[("uv", "<u2", 2), ("position", "<f4", 3)])
    rows["position"] = [[0, 0, 5], [1, 0, 5], [1, 1, 5], [0, 1, 5]]
    rows["uv"] = [[0, 65535], [65535, 65535], [65535, 0], [0, 0]]
    tree["buffers"].append({"byteLength": rows.nbytes, "uri": data_uri(rows.tobytes(), "application/octet-stream")})
    tree["bufferViews"].append({"buffer": 1, "byteLength": rows.nbytes, "byteStride": rows.itemsize})
    tree["accessors"][0] = {"bufferView": 4, "byteOffset": 4, "componentType": 5126, "count": 4, "type": "VEC3"}
    tree["accessors"][1] = {"bufferView": 4, "componentType": 5123, "count": 4, "type": "VEC2", "normalized": True}
    mesh, _ = load_tree(tmp_path, tree)
    assert mesh.positions.tolist() == rows["position"].tolist()
    uv = mesh.attributes["uv"]
    assert uv.values[uv.faces.long()][0].tolist() == [[0, 0], [1, 0], [1, 1]]
    for key, value in (("byteStride", 2), ("byteLength", rows.nbytes + 1)):
        before = tree["bufferViews"][4][key]
        tree["bufferViews"][4][key] = value
        with pytest.raises(ValueError, match=r"rows of accessors\[0\] do not fit|ends at byte"):
            load_tree(tmp_path, tree)
        tree["bufferViews"][4][key] = before
