"""House rules that can be read off the source: the order of layers, the length of files, and what stays out."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "repousse"
# From the lowest to the highest: a module imports only from its own layer or from those before it.
LAYERS = (
    ("core",),
    ("geometry", "camera", "io"),
    ("ops",),
    ("losses", "metrics", "optim", "data"),
    ("shading", "gradients", "voxels"),
    ("render",),
    ("apps", "compat"),
    ("cli",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
TOP = "the whole package"  # `import repousse` needs all layers up to render
RANK[TOP] = RANK["render"]
EXEMPT = (PACKAGE / "__init__.py", PACKAGE / "__main__.py")
MAX_LINES = 380
MODULES = sorted(PACKAGE.rglob("*.py"))


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def dotted(path: Path) -> list[str]:
    """repousse/ops/kato/reference.py -> ["repousse", "ops", "kato", "reference"]."""
    parts = ["repousse", *path.relative_to(PACKAGE).with_suffix("").parts]
    return parts[:-1] if parts[-1] == "__init__" else parts


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """(line, layer) of each import of this package's modules, wherever in the file it stands."""
    here = dotted(path) if path.name == "__init__.py" else dotted(path)[:-1]
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            base = base + (node.module.split(".") if node.module else [])
            names = [[*base, alias.name] for alias in node.names]
        else:
            continue
        for name in names:
            if name[0] == "repousse":
                yield node.lineno, name[1] if len(name) > 1 and name[1] in RANK else TOP


def violations(path: Path) -> list[str]:
    layer = dotted(path)[1]
    return [
        f"{relative(path)}:{line}: `{layer}` imports from `{other}`, which lies above it"
        for line, other in imported(path)
        if RANK[other] > RANK[layer]
    ]


def fail_with(problems: list[str], advice: str) -> None:
    if problems:
        pytest.fail("\n".join([*problems, advice]), pytrace=False)


def test_every_folder_has_a_layer() -> None:
    """Breaks if a folder is added without saying where it belongs, here and in docs/design.md."""
    found = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    found |= {path.stem for path in PACKAGE.glob("*.py") if path not in EXEMPT}
    fail_with(
        [f"repousse/{name} is in no layer" for name in sorted(found - RANK.keys())],
        "Add it to LAYERS in this test and to the list in docs/design.md.",
    )
    documented = (ROOT / "docs" / "design.md").read_text().split("## Layers")[1].split("```")[1]
    highest_first = [line.split() for line in documented.strip().splitlines()]
    assert [set(names) for names in highest_first] == [set(names) for names in reversed(LAYERS)]


def test_modules_import_only_from_layers_below() -> None:
    """Breaks if a lower layer comes to need a higher one, at any place in its code."""
    problems = [line for path in MODULES if path not in EXEMPT for line in violations(path)]
    order = " < ".join("/".join(names) for names in LAYERS)
    fail_with(problems, f"Layers: {order}. Move what is shared down, or pass it in as an argument.")


def test_the_rule_would_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks if an import escapes the rule above by the way it is written."""
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path / "repousse")
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    folder = tmp_path / "repousse" / "geometry" / "sub"
    folder.mkdir(parents=True)
    forbidden = (
        "import repousse.ops",
        "from repousse.ops import rasterize",
        "from repousse import ops",
        "from repousse import Mesh, render",
        "import repousse as rp",
        "from ...ops import rasterize",
        "from ... import ops",
        "def f():\n    import repousse.cli",
    )
    for number, source in enumerate(forbidden):
        path = folder / f"module{number}.py"
        path.write_text(source)
        assert violations(path), source
    allowed = folder / "allowed.py"
    allowed.write_text("import torch\nfrom repousse.core import checks\nfrom ..mesh import Mesh\nfrom . import x")
    assert not violations(allowed)


def test_files_are_short() -> None:
    """Breaks if a source file, Python or C++, grows beyond what one can keep in mind."""
    sources = [path for folder in ("src", "native") for path in (ROOT / folder).rglob("*")]
    lengths = {p: len(p.read_text().splitlines()) for p in sources if p.suffix in (".py", ".cpp", ".h")}
    assert len(lengths) > 50
    fail_with(
        [f"{relative(path)} has {lines} lines" for path, lines in lengths.items() if lines > MAX_LINES],
        f"At most {MAX_LINES}: split it where its parts have names.",
    )


def exported(package: Path) -> set[str]:
    """The names that a package's `__all__` lists, or those it imports if it has none."""
    tree = parse(package / "__init__.py")
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(getattr(t, "id", "") == "__all__" for t in node.targets):
            return set(ast.literal_eval(node.value))
    return {alias.asname or alias.name for n in tree.body if isinstance(n, ast.ImportFrom) for alias in n.names}


def public_functions(path: Path) -> Iterator[ast.FunctionDef]:
    """Functions that the package of `path` exports, and the public methods of classes that it exports."""
    names = exported(path.parent)
    for node in parse(path).body:
        if isinstance(node, ast.FunctionDef) and node.name in names:
            yield node
        if isinstance(node, ast.ClassDef) and node.name in names:
            methods = (item for item in node.body if isinstance(item, ast.FunctionDef))
            yield from (m for m in methods if not m.name.startswith("_") or m.name in ("__init__", "__call__"))


def test_public_functions_name_their_arguments() -> None:
    """Breaks if a public function takes **kwargs: nobody could see what it understands."""
    functions = [(path, function) for path in MODULES for function in public_functions(path)]
    assert {"rasterize", "render", "icosphere"} <= {function.name for _, function in functions}
    fail_with(
        [
            f"{relative(path)}:{function.lineno}: {function.name} takes **{function.args.kwarg.arg}"
            for path, function in functions
            if function.args.kwarg
        ],
        "Write its parameters out; more than about eight belong into a frozen dataclass.",
    )


def device_names(path: Path) -> Iterator[int]:
    """Lines that name an accelerator in code: `"cuda:0"`, `torch.cuda`, `x.cuda()`. Docstrings may."""
    tree = parse(path)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        text = ""
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            text = node.value
        elif isinstance(node, ast.Attribute):
            text = node.attr
        if text.split(":")[0] in ("cuda", "mps", "xpu", "hip"):
            yield node.lineno


def test_devices_are_named_in_ops_only() -> None:
    """Breaks if a device is chosen by name anywhere else: everything follows the tensors it is given."""
    elsewhere = [path for path in MODULES if dotted(path)[1:2] != ["ops"]]
    fail_with(
        [f"{relative(path)}:{line} names a device" for path in elsewhere for line in device_names(path)],
        "Use the device of an argument (`positions.device`).",
    )
