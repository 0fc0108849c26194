"""A whole step of fitting, compiled and captured, with the kernels for GPUs."""

import pytest
import torch
from ops_gpu import gpu_kernels, needs_device
from test_fit_step import Fit, loss_and_gradients, views

pytest.importorskip("triton", reason="needs Triton: pip install triton")


@pytest.mark.long
def test_a_step_compiles_into_one_graph() -> None:
    """Breaks if a step needs Python while it runs, or gives other gradients than on the CPU."""
    camera, target = (value[:1] for value in views())
    fit = Fit()
    expected = loss_and_gradients(fit, fit, camera, target)
    with gpu_kernels() as device:
        fit, camera, target = Fit(device=device), camera.to(device), target.to(device)
        torch.compiler.reset()
        found = loss_and_gradients(fit, torch.compile(fit, fullgraph=True, backend="aot_eager"), camera, target)
    for have, want in zip(found, expected, strict=True):
        torch.testing.assert_close(have.cpu(), want, rtol=1e-3, atol=1e-5)


@needs_device
def test_a_step_is_captured() -> None:
    """Breaks if anything between parameters and their gradients waits for the device."""
    camera, target = views()
    fit, camera, target = Fit(device="cuda"), camera.to("cuda"), target.to("cuda")
    expected = loss_and_gradients(fit, fit, camera, target)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            fit.zero_grad()
            fit(camera, target).backward()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    fit.zero_grad()
    with torch.cuda.graph(graph):
        loss = fit(camera, target)
        loss.backward()
    graph.replay()
    for have, want in zip([loss.detach(), *(p.grad for p in fit.parameters())], expected, strict=True):
        torch.testing.assert_close(have, want, rtol=1e-4, atol=1e-6)


@needs_device
def test_inductor_gives_the_same_numbers() -> None:
    """Breaks if generated code lays tensors out in a way that kernels do not expect."""
    camera, target = views()
    fit, camera, target = Fit(device="cuda"), camera.to("cuda"), target.to("cuda")
    expected = loss_and_gradients(fit, fit, camera, target)
    torch.compiler.reset()
    found = loss_and_gradients(fit, torch.compile(fit, fullgraph=True), camera, target)
    for have, want in zip(found, expected, strict=True):
        torch.testing.assert_close(have, want, rtol=1e-3, atol=1e-5)
