"""Compiles what the calls of some folders of ops launch, for GPUs that need not be there.

Run as a program, not with TRITON_INTERPRET: `python cross_compile.py rasterize,layers first cuda:80 hip:gfx942`.
Kernels are not run: what a call computes is garbage. "first": of kernels that are launched with several constants only
the first variant becomes machine code, the others go as far as Triton's own code, where types are checked; this takes
a tenth of the time. "every": all become machine code.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import triton
from torch import Tensor
from triton._C.libtriton import ir
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, make_backend
from triton.runtime.jit import JITFunction

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "ops")]
_OPTIONS = ("num_warps", "num_stages", "enable_fp_fusion")
_TYPES = {torch.float32: "fp32", torch.float64: "fp64", torch.int64: "i64", torch.int32: "i32", torch.int16: "i16"}
_TYPES |= {torch.int8: "i8", torch.uint8: "u8", torch.bool: "i1"}


def target(name: str) -> GPUTarget:
    backend, architecture = name.split(":")
    return GPUTarget(backend, int(architecture) if backend == "cuda" else architecture, 32 if backend == "cuda" else 64)


def type_of(value: Any) -> str:
    if isinstance(value, Tensor):
        return "*" + _TYPES[value.dtype]
    if isinstance(value, bool):
        return "i1"
    if isinstance(value, int):
        if value == 1:  # launching makes a constant of it, which has no methods
            return "constexpr"
        return "i32" if -(2**31) <= value < 2**31 else "i64"
    return "fp32" if isinstance(value, float) else "constexpr"


def attributes(
    kernel: JITFunction, values: dict[str, Any], signature: dict[str, str], gpu: GPUTarget
) -> dict[tuple[int], Any]:
    """What a launch tells the compiler of addresses and numbers: whether 16 divides them, and that tensors are small.

    That decides how wide memory is read and added to.
    """
    backend, found = make_backend(gpu), {}
    for index, parameter in enumerate(kernel.params):
        value = values[parameter.name]
        if signature[parameter.name] == "constexpr" or isinstance(value, float) or parameter.do_not_specialize:
            continue
        of = backend.get_tensor_specialization if isinstance(value, Tensor) else backend.get_int_specialization
        found[(index,)] = backend.parse_attr(of(value, align=True))
    return found


def check_types(source: ASTSource, gpu: GPUTarget, options: dict[str, Any]) -> None:
    """Only the first step of compiling."""
    backend, context = make_backend(gpu), ir.context()
    ir.load_dialects(context)
    backend.load_dialects(context)
    parsed = backend.parse_options(options | source.parse_options())
    functions = backend.get_codegen_implementation(parsed)
    source.make_ir(gpu, parsed, functions, backend.get_module_map(), context)


class Compiler:
    """Stands in for running kernels."""

    def __init__(self, every: bool, targets: list[str]) -> None:
        self.every = every
        self.targets = {name: target(name) for name in targets}
        self.done: dict[tuple[Any, ...], Callable[..., Any]] = {}  # a variant: its kernel

    def run(self, kernel: JITFunction, *arguments: Any, grid: Any, warmup: bool, **named: Any) -> None:
        options = {name: named.pop(name) for name in _OPTIONS if name in named}
        values = dict(zip(kernel.arg_names, arguments, strict=False)) | named
        constant = {p.name for p in kernel.params if p.is_constexpr}
        signature = {name: "constexpr" if name in constant else type_of(value) for name, value in values.items()}
        constants = {(kernel.arg_names.index(n),): values[n] for n, kind in signature.items() if kind == "constexpr"}
        key = (kernel.fn, *signature.items(), *constants.items(), *options.items())
        if key in self.done:
            return
        complete = self.every or kernel.fn not in self.done.values()
        self.done[key] = kernel.fn
        if not complete:  # types are the same for all targets
            return check_types(ASTSource(kernel, signature, constants), next(iter(self.targets.values())), options)
        self.check_ones(kernel, values, signature, constants, options)
        for name, gpu in self.targets.items():
            source = ASTSource(kernel, signature, constants, attributes(kernel, values, signature, gpu))
            compiled = triton.compile(source, target=gpu, options=options)
            assembly = compiled.asm.get("ptx", "")
            for approximate in (".ftz", "fma.rn.f32", "fma.rn.f64"):
                # These would make results differ from those of the CPU.
                if approximate in assembly:
                    raise AssertionError(f"{kernel.fn.__name__} for {name} contains {approximate}")

    def check_ones(
        self,
        kernel: JITFunction,
        values: dict[str, Any],
        signature: dict[str, str],
        constants: dict[tuple[int], Any],
        options: dict[str, Any],
    ) -> None:
        """Whole numbers that are 1 become constants when a kernel is launched, which is another type."""
        names = {p.name for p in kernel.params if not p.is_constexpr and not p.do_not_specialize}
        ones = {name for name, value in values.items() if name in names and type(value) is int}
        if ones:
            signature = signature | dict.fromkeys(ones, "constexpr")
            constants = constants | {(kernel.arg_names.index(name),): 1 for name in ones}
            check_types(ASTSource(kernel, signature, constants), next(iter(self.targets.values())), options)


def main(folders: str, variants: str, targets: list[str]) -> None:
    compiler = Compiler(variants == "every", targets)
    JITFunction.run = lambda self, *arguments, **named: compiler.run(self, *arguments, **named)  # type: ignore
    from calls import calls

    from repousse.ops import library
    from repousse.ops.gpu import launch

    launch.read_count = lambda count: 8
    for deterministic in (False, True):
        for call in (call for folder in folders.split(",") for call in calls(folder)):
            torch.use_deterministic_algorithms(deterministic)
            library.gpu_kernel(call.op)(*call.arguments)
            torch.use_deterministic_algorithms(False)
    names = sorted(kernel.__name__ for kernel in set(compiler.done.values()))
    print(f"{len(compiler.done)} variants of {', '.join(names)}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
