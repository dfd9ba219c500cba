# `make demo` and `make test` do all set-up on a fresh machine: a virtual environment from the hash-locked requirements.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: setup demo test nightly bench docs lint stub lock clean

setup: $(READY)

# uv comes from the same lock file; it installs everything else by hash, with hard links from its cache. Compiled once
# here: where Python writes no bytecode, as in many containers, every start of a process would compile torch again.
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -o '^uv==[0-9.]*' requirements.lock)"
	VIRTUAL_ENV=.venv $(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode requirements.lock
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: setup
	$(BIN)/curate demo --out demo

# pymatting compiles for a minute when it is first imported: once, while the code is checked, not in every test process
test: setup
	$(BIN)/python -c "import pymatting" & $(MAKE) --no-print-directory lint && wait
	$(BIN)/python -m pytest -n 3 --dist worksteal --durations 40

# what needs longer than a change should wait: more damaged inputs, and builds that are killed and go on
nightly: setup
	CURATE_MUTATIONS=20000 $(BIN)/python -m pytest -n 3 tests/curation
	CURATE_ROUND_KILLS=20 $(BIN)/python -m pytest -n 3 -m nightly
	CURATE_REAL_MUTATIONS=200 $(BIN)/python -m pytest tests/real/test_label_studio_borders_real.py
	$(BIN)/python -m tests.bench kills cluster

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# the types of the verbs as functions, after a change of their flags
stub: setup
	$(BIN)/python -m tests.house.python_stub > pipelines/__init__.pyi

bench: setup
	$(BIN)/python -m tests.bench

# the site, into site/; it asks nothing of the network, and can be opened from the disk
docs: setup
	$(BIN)/mkdocs build --strict --quiet

lock: setup
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
		--no-header --extra all --extra dev --extra docs --extra heif --output-file requirements.lock pyproject.toml

clean:
	rm -rf demo bench site .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
