"""Triton declares that its functions never return: they may be called in kernels only. So calls are not checked."""

from typing import Any

def __getattr__(name: str) -> Any: ...
