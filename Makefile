# make reproduce: from a clone to every table and figure.  make test: from a clone to a passed test suite.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(abspath $(VENV))/bin

.PHONY: reproduce fetch test test-long lint readme vit clean

# A kill -9 at the wrong moment leaves DVC's note of its running stages half-written, and then it refuses to start.
reproduce: $(VENV)/installed
	@$(BIN)/python -m json.tool .dvc/tmp/rwlock > /dev/null 2>&1 || rm -f .dvc/tmp/rwlock
	PATH="$(BIN):$$PATH" dvc repro

# Two workers: threads beside them would only wait for one another.
test: $(VENV)/installed fetch
	PATH="$(BIN):$$PATH" OMP_NUM_THREADS=1 python -m pytest -m "not long" --numprocesses 2 --dist loadfile --no-loadscope-reorder

# Those that run the whole pipeline at reduced size, need a browser or a Ray cluster, or take many seconds. A cluster takes
# the machine for itself.
test-long: $(VENV)/installed-ray fetch
	PATH="$(BIN):$$PATH" OMP_NUM_THREADS=1 python -m pytest -m long --ignore tests/distributed --numprocesses 2 --dist loadfile --no-loadscope-reorder
	PATH="$(BIN):$$PATH" python -m pytest -m long tests/distributed

fetch: $(VENV)/installed
	PATH="$(BIN):$$PATH" prefiqs fetch

lint: $(VENV)/installed
	PATH="$(BIN):$$PATH" ruff check .
	PATH="$(BIN):$$PATH" ruff format --check .
	PATH="$(BIN):$$PATH" mypy
	PATH="$(BIN):$$PATH" nbstripout --verify notebooks/*.ipynb training/notebooks/*.ipynb

vit: $(VENV)/installed
	PATH="$(BIN):$$PATH" dvc repro training/dvc.yaml

readme: $(VENV)/installed
	PATH="$(BIN):$$PATH" python -m prefiqs.reporting.headline

# The lock pins versions; pip finds the CPU or CUDA build of PyTorch by itself.
$(VENV)/installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[dev]" --constraint requirements.lock
	touch $@

$(VENV)/installed-ray: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable ".[ray]" --constraint requirements.lock
	touch $@

clean:
	rm -rf $(VENV) data/benchmarks data/pruned data/embeddings data/scores data/jacobian data/executed site
