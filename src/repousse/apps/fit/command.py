"""The command `repousse fit`."""

import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from repousse import io
from repousse.apps.common import InputError, Result, Run, first_line, plural, require
from repousse.apps.fit.appearance import AppearanceSettings, AppearanceStage
from repousse.apps.fit.checkpoint import Checkpoints, digest
from repousse.apps.fit.driver import Intervals, Maker, Outcome, run
from repousse.apps.fit.frame import Frame
from repousse.apps.fit.live import LiveView
from repousse.apps.fit.poses import aligned
from repousse.apps.fit.report import evaluate, write_report
from repousse.apps.fit.schedule import Quality, hull_resolution, shape_settings
from repousse.apps.fit.shape import ShapeStage, has_colors
from repousse.apps.fit.stage import Stage
from repousse.data import Views, load_views, save_views, splits
from repousse.geometry import Mesh, icosphere
from repousse.voxels import photo_hull, visual_hull


@dataclass(frozen=True)
class Fit:
    """Find the shape, the colours and the light of an object from pictures of it with known cameras."""

    images: Annotated[Path, tyro.conf.Positional]
    """Folder with transforms.json (NeRF, instant-ngp) or a COLMAP reconstruction; pictures with alpha or masks."""
    out: Path = Path("out/fit")
    """Folder the results are written to."""
    quality: Quality = "normal"
    """How fine the mesh becomes, and how many steps that takes: quick, normal or high."""
    start: str = "hull"
    """What to start from: hull (what masks and colours leave of a box), sphere, or a mesh file in their world."""
    size: int = 512
    """Pictures with a longer side are made smaller, pixels."""
    texture: Literal["uv", "vertices"] = "uv"
    """Where colours go: into a texture, or onto the vertices."""
    truth: Path | None = None
    """Mesh file of the true shape, to measure the distance to it."""
    held_out: int = 8
    """Of each so many pictures the first only judges the result; 0: none. A folder's own test pictures come first."""
    refine_cameras: bool = False
    """Correct cameras that are a little off, by about a degree, along with the shape."""
    checkpoint_every: float = 10.0
    """Seconds between checkpoints."""
    resume: bool = False
    """Go on from the latest checkpoint in the folder, after Ctrl-C or a crash."""
    view: bool = False
    """Show the fit live in the browser."""
    seed: int = 0
    """Of the order in which pictures are looked at."""

    def __post_init__(self) -> None:
        require(self.size >= 16, f"size must be at least 16 pixels, not {self.size}")
        require(self.held_out == 0 or self.held_out >= 2, f"held_out must be 0, or 2 or more, not {self.held_out}")
        require(self.checkpoint_every > 0, f"checkpoint_every must be positive, not {self.checkpoint_every:g}")


def fit(settings: Fit) -> Result:
    """Fit a mesh to the pictures of a folder; writes mesh.glb, a turntable, report.html and metrics.json.

    Ctrl-C ends the fit early and is no error: the result is the mesh so far. InputError, in one line, for what cannot
    be used.
    """
    train, held_out = _pictures(settings)
    truth = None if settings.truth is None else _mesh(settings.truth)
    start, frame = _start(settings, train)
    work = Run("fit", settings.out)
    identity = _identity(settings, train, start)
    with closing(LiveView()) if settings.view else nullcontext() as live:
        outcome = run(
            _plan(settings, frame.views(train), frame.inside(start)),
            Checkpoints(settings.out),
            identity,
            resume=settings.resume,
            intervals=Intervals(seconds=settings.checkpoint_every),
            watch=None if live is None else live.watch,
        )
        result = _written(settings, work, outcome, frame, train, held_out, truth)
        if live is not None:
            live.show(outcome.stage.mesh(), outcome.stage.lights(), "finished")
            _wait(result)
    return result


def _pictures(settings: Fit) -> tuple[Views, Views | None]:
    """Those to learn from and those to judge by."""

    def load(split: str | None) -> Views:
        return load_views(settings.images, split=split, longest=settings.size, progress=True)

    views = _tried(lambda: load(None))
    if settings.held_out == 0:
        return views, None
    if "test" in splits(settings.images) and "train" in splits(settings.images):
        return views, _tried(lambda: load("test"))
    if len(views) < 2 * settings.held_out:
        return views, None
    return views.split(settings.held_out)


def _start(settings: Fit, views: Views) -> tuple[Mesh, Frame]:
    """What the fit starts from, in the world, and the frame it works in."""
    if settings.start not in ("hull", "sphere"):
        mesh = _mesh(Path(settings.start))
        return mesh, Frame.of(mesh)
    resolution = hull_resolution(settings.quality)
    # Half a cell more saves thin parts; the fit takes it away where it does not belong.
    where = {"resolution": resolution, "grow": 0.5}
    if settings.start == "hull" and has_colors(views):
        hull = _tried(lambda: photo_hull(views.color, views.mask, views.camera, **where))
    else:
        hull = _tried(lambda: visual_hull(views.mask, views.camera, **where))
    frame = Frame.of(hull)
    return (hull if settings.start == "hull" else frame.outside(_bare(icosphere(3)))), frame


def _plan(settings: Fit, views: Views, start: Mesh) -> list[Maker]:
    """The stages: shape, and appearance if the pictures show more than silhouettes."""

    def shape(before: Stage | None) -> Stage:
        schedule = shape_settings(
            settings.quality,
            views,
            sphere=settings.start == "sphere",
            poses=settings.refine_cameras,
            seed=settings.seed,
        )
        return ShapeStage(views, start, schedule)

    def appearance(before: Stage | None) -> Stage:
        assert isinstance(before, ShapeStage)
        return AppearanceStage(before.mesh(), before.views(), AppearanceSettings(texture=settings.texture))

    return [shape, appearance] if has_colors(views) else [shape]


def _written(
    settings: Fit,
    work: Run,
    outcome: Outcome,
    frame: Frame,
    train: Views,
    held_out: Views | None,
    truth: Mesh | None,
) -> Result:
    """Judge the result and write it."""
    mesh, lights = frame.outside(outcome.stage.mesh()), outcome.stage.lights()
    if settings.refine_cameras:
        train = _refined(outcome, frame, train)
        _tried(lambda: save_views(settings.out / "cameras", train))
    judges = train if held_out is None else held_out
    metrics: dict[str, Any] = {}
    if held_out is not None:
        metrics["held_out"] = evaluate(mesh, lights, held_out, truth)
        if settings.refine_cameras:
            metrics["held_out_aligned"] = evaluate(mesh, lights, aligned(mesh, held_out, frame))
    metrics["train"] = evaluate(mesh, lights, train, truth if held_out is None else None)
    metrics |= {"steps": outcome.steps, "seconds": outcome.seconds, "stopped": outcome.stopped}
    work.mesh("mesh.glb", mesh)
    names = {name: str(value) for name, value in vars(settings).items() if name not in ("resume", "view")}
    report = write_report(settings.out, mesh, lights, train, held_out, outcome.curves, names, metrics)
    telling = ("turntable.gif", "shape_0.png", "shape_4.png")  # colours, the shape alone, its faces
    first = [path for name in telling for path in report if path.name == name]
    rest = [path for path in report if path.parent == settings.out and path not in first]
    work.written[:] = [*first, *work.written, *rest]
    found = metrics["train" if held_out is None else "held_out"]
    words = [
        f"silhouette IoU {found['silhouette_iou']:.4f}, PSNR {found['psnr']:.1f} dB, SSIM {found['ssim']:.3f} on "
        f"{plural(len(judges), 'picture' if held_out is None else 'held-out picture')}",
        f"{len(mesh.positions):,} vertices after {plural(outcome.steps, 'step')}",
    ]
    numbers = {name: float(found[name]) for name in ("silhouette_iou", "psnr", "ssim")}
    if truth is not None:
        words.insert(1, f"chamfer {found['chamfer_percent']:.2f} % of the diagonal")
        numbers["chamfer_percent"] = float(found["chamfer_percent"])
    if "held_out_aligned" in metrics:
        better = metrics["held_out_aligned"]
        words.insert(1, f"{better['silhouette_iou']:.4f}, {better['psnr']:.1f} dB with their cameras aligned")
    if outcome.stopped:
        words.append("stopped early (go on with --resume)")
    return work.done("; ".join(words), vertices=len(mesh.positions), steps=outcome.steps, **numbers)


def _refined(outcome: Outcome, frame: Frame, views: Views) -> Views:
    """The pictures learnt from, with the cameras that were found."""
    shape = outcome.stages[0]
    assert isinstance(shape, ShapeStage)
    return replace(views, camera=shape.corrected(views.camera, frame))


def _identity(settings: Fit, views: Views, start: Mesh) -> dict[str, str]:
    """What a checkpoint belongs to: all settings that change the result, the pictures, and the mesh of `start`."""
    names = ("quality", "start", "size", "texture", "held_out", "refine_cameras", "seed")
    pictures = digest(views.color, views.mask, views.camera.world_to_camera, views.camera.projection)
    found = {name: str(getattr(settings, name)) for name in names}
    return {**found, "pictures": pictures, "start mesh": digest(start.positions, start.faces)}


def _mesh(path: Path) -> Mesh:
    require(path.is_file(), f"there is no file {path}")
    try:
        return _bare(io.load(path))
    except Exception as error:  # whatever a damaged file makes a parser raise, the user wants one line
        raise InputError(f"{path} cannot be read as a mesh: {first_line(error)}") from error


def _bare(mesh: Mesh) -> Mesh:
    return Mesh(mesh.positions, mesh.faces)


def _tried(make: Callable[[], Any]) -> Any:
    """Errors of the library as one line, without the name of the function that found it."""
    try:
        return make()
    except (ValueError, OSError, ImportError) as error:
        if isinstance(error, InputError):
            raise
        line = first_line(error)
        head, _, tail = line.partition(": ")
        raise InputError(tail if head.isidentifier() and tail else line) from error


def _wait(result: Result) -> None:
    """Keep the page until Ctrl-C."""
    print(f"{result}\nThe page stays until Ctrl-C", flush=True)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        print()
