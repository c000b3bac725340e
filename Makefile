# make reproduce: from a copy of this repository to every table and figure.  make test: to a passed test suite.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
# Quoted wherever it is used: the repository may be in a folder whose name holds blanks.
BIN := $(abspath $(VENV))/bin
# Compiled modules are kept, even where the environment forbids it: each stage is a process, and would compile them again.
RUN := PYTHONDONTWRITEBYTECODE= PATH="$(BIN):$$PATH"
TEST := $(RUN) OMP_NUM_THREADS=1 python -m pytest --dist loadfile --no-loadscope-reorder --numprocesses

.PHONY: reproduce run check fetch test test-long lint docs readme tutorials vit clean

reproduce: $(VENV)/installed dvc
	$(RUN) dvc repro

# make run PRESET=wild: a run of its own beside the default one.
run: $(VENV)/installed dvc
	$(RUN) prefiqs run "$(PRESET)"

# Compares the tables of a fresh run with the committed ones.
check: $(VENV)/installed
	$(RUN) prefiqs check

# A kill -9 at the wrong moment leaves DVC's note of its running stages half-written, and then it refuses to start. An
# unpacked archive has no .git, which DVC wants to be told.
.PHONY: dvc
dvc: $(VENV)/installed
	@"$(BIN)/python" -m json.tool .dvc/tmp/rwlock > /dev/null 2>&1 || rm -f .dvc/tmp/rwlock
	@test -e .git || $(RUN) dvc config --local core.no_scm true

# Two workers: threads beside them would only wait for one another.
test: $(VENV)/installed-dev fetch
	$(TEST) 2 -m "not long"

# Those that run the whole pipeline at reduced size, need a browser or a Ray cluster, or take many seconds. A cluster takes
# the machine for itself.
test-long: $(VENV)/installed-ray fetch
	$(TEST) 2 -m long --ignore tests/apps/ray
	$(TEST) 0 -m long tests/apps/ray

fetch: $(VENV)/installed
	$(RUN) prefiqs fetch

lint: $(VENV)/installed-dev
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) nbstripout --verify notebooks/*.ipynb training/notebooks/*.ipynb

# Trains vit-prefiqs again, hours on two cores: see training/README.md.
vit: $(VENV)/installed
	$(RUN) prefiqs notebook training/notebooks/01_teach.ipynb training/reports
	$(RUN) prefiqs notebook training/notebooks/02_distil.ipynb training/reports

# The site, in site/. Its gallery shows the faces and scores that `make reproduce` has left in data/.
docs: $(VENV)/installed-dev
	$(RUN) prefiqs site

readme: $(VENV)/installed
	$(RUN) python docs/readme_results.py

# The tutorials with their outputs, in reports/tutorials/; links lead back to where their sources lie.
tutorials: $(VENV)/installed
	for name in tutorial_quality_in_ten_minutes score_your_own_photos your_own_recogniser; do \
	  $(RUN) prefiqs notebook "notebooks/$$name.ipynb" reports/tutorials || exit; done
	sed -i -E 's#\]\(\.\./#](../../#g; s#\]\(([0-9]{2}_)#](../../notebooks/\1#g' reports/tutorials/*.ipynb

# What a run needs. The lock pins versions; pip finds the CPU or CUDA build of PyTorch by itself. Python compiles a module
# when it is first imported; all at once would take a minute.
INSTALL = "$(BIN)/python" -m pip install --quiet --no-compile --constraint requirements.lock --editable
$(VENV)/installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) ".[pipeline]"
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(INSTALL) ".[dev]"
	touch $@

$(VENV)/installed-ray: $(VENV)/installed-dev
	$(INSTALL) ".[ray]"
	touch $@

clean:
	rm -rf $(VENV) data/benchmarks data/cache data/contributions data/derivatives data/embeddings data/executed data/exits
	rm -rf data/pruned data/report data/runs data/weights site
	find data/methods data/results -type f ! -name README.md -delete
