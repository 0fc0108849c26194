# repousse: everything a developer or a new user runs. `make demo` and `make test` need Python 3.11+ and a
# C++ compiler, nothing else.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
READY  := $(VENV)/.ready
BUILT  := $(VENV)/.built
NATIVE := CMakeLists.txt $(shell find src native -name '*.cpp' -o -name '*.h')

.PHONY: demo test check check-long bench browser wheel clean

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

# For the test of `repousse view`, which is skipped, and says so, where there is no browser.
browser:
	command -v chromium > /dev/null || { apt-get -qq update && apt-get -qq -y install chromium > /dev/null; } || true

wheel: $(READY)
	$(PIP) wheel -q -c constraints.txt --no-deps --wheel-dir dist .

clean:
	rm -rf build dist out .pytest_cache .ruff_cache .hypothesis $(VENV)

# torch first: with it in place no other package pulls a build for another accelerator.
$(READY): constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("repousse needs Python 3.11 or newer; set PYTHON=..." if sys.version_info < (3, 11) else 0)'
	command -v $${CXX:-c++} > /dev/null || { echo "repousse needs a C++20 compiler: gcc 12 or clang 15, or newer"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -q -c constraints.txt torch
	touch $@

$(BUILT): $(READY) $(NATIVE)
	$(PIP) install -q -c constraints.txt -e '.[dev]'
	touch $@
