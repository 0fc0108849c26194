# repousse: everything a developer or a new user runs. `make demo` and `make test` need Python 3.11+ and a
# C++ compiler, nothing else.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
READY  := $(VENV)/.ready
BUILT  := $(VENV)/.built
IN_PLACE := src/repousse/core/repousse_native.so
NATIVE := CMakeLists.txt $(shell find src native -name '*.cpp' -o -name '*.h')

.PHONY: demo test check check-long bench gpu gpu-bench browser wheel clean

demo: $(BUILT)
	$(BIN)/python -m repousse.apps.demo --out out

test: $(BUILT)
	$(BIN)/python -m pytest -n 2

check: $(BUILT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python -m pytest tests/test_layers.py

# The tests that take minutes, then the property tests on examples that nobody has seen yet.
check-long: $(BUILT)
	$(BIN)/python -m pytest -m long
	$(BIN)/python -m pytest --hypothesis-profile explore tests/ops tests/geometry tests/gradients

bench: $(BUILT)
	$(BIN)/python -m benchmarks.run

# The kernels for GPUs on a GPU, with the PyTorch that $(PYTHON) already has; nothing is installed. All must agree with
# the kernels for the CPU on scenes of real sizes; then the small scenes once more, with every access checked.
GPU_RUN := PYTHONPATH=src:. $(PYTHON)

gpu: $(IN_PLACE)
	$(PYTHON) -c 'import sys, torch; sys.exit(None if torch.cuda.is_available() else "make gpu: PyTorch of $(PYTHON) sees no GPU; set PYTHON=...")'
	$(GPU_RUN) -m pytest tests/ops_gpu
	if command -v compute-sanitizer > /dev/null; then \
	  PYTORCH_NO_CUDA_MEMORY_CACHING=1 PYTHONPATH=src:. compute-sanitizer --error-exitcode 1 \
	    $(PYTHON) -m pytest tests/ops_gpu/test_contract_gpu.py -k small; \
	else echo "make gpu: no compute-sanitizer here; accesses were not checked"; fi

gpu-bench: $(IN_PLACE)
	$(GPU_RUN) -m benchmarks.gpu

# For the test of `repousse view`, which is skipped, and says so, where there is no browser.
browser:
	command -v chromium > /dev/null || { apt-get -qq update && apt-get -qq -y install chromium > /dev/null; } || true

wheel: $(READY)
	$(PIP) wheel -q -c constraints.txt --no-deps --wheel-dir dist .

clean:
	rm -rf build dist out $(IN_PLACE) .pytest_cache .ruff_cache .hypothesis $(VENV)

# The native library beside its Python files, for use without installation.
$(IN_PLACE): $(NATIVE)
	mkdir -p build
	cmake -S . -B build/in-place -DCMAKE_BUILD_TYPE=Release > build/in-place.log
	cmake --build build/in-place -j >> build/in-place.log
	cp build/in-place/repousse_native.so $@

# torch first: with it in place no other package pulls a build for another accelerator.
$(READY): constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("repousse needs Python 3.11 or newer; set PYTHON=..." if sys.version_info < (3, 11) else 0)'
	command -v $${CXX:-c++} > /dev/null || { echo "repousse needs a C++20 compiler: gcc 12 or clang 15, or newer"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -q -c constraints.txt torch
	touch $@

$(BUILT): $(READY) $(NATIVE)
	rm -f $(IN_PLACE)
	$(PIP) install -q -c constraints.txt -e '.[dev]'
	touch $@
