# One word a task. Needs make and Python; everything else is installed into .venv, by uv, which is installed first.

PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .bootstrap/bin/uv)
BIN := .venv/bin
# the suite runs as many processes as there are cores, so each gets one thread; and it starts Python often enough that
# what was compiled is kept, whatever the environment says: torch and fastai take 20 s to compile, each time
TEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/pytest
# neighbours stay in one process, which makes what they share once; who is done early takes from who is not
SUITE := $(TEST) -n auto --dist worksteal

.PHONY: demo test test-slow check format bench faults docs clean

demo: .venv/.installed ## the main job on the bundled samples, without a network
	$(BIN)/ulmkit demo fa

test: .venv/.installed ## every test but the slow ones, in under five minutes on two cores
	$(SUITE) -m "not slow" $(ARGS)

test-slow: .venv/.installed ## the rest: kills, full disks, several processes, compilers, waits, huge inputs, all random cases
	ULMKIT_THOROUGH=1 $(SUITE) -m "slow or thorough" $(ARGS)

check: .venv/.check ## format, lint, types
	$(BIN)/ruff format --no-cache --check . # its cache of so many files is not always written
	$(BIN)/ruff check --no-cache .
	$(BIN)/mypy

format: .venv/.check
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/.bench ## what benchmarks/ measures against peers; give DATA=<folder with .jsonl.zst files>
	$(BIN)/python benchmarks/corpus.py $(DATA)

faults: .venv/.installed ## the full figures of the fault rows, in hours rather than seconds; TEXT=<folder with fa/, et/ …>
	$(BIN)/python tests/support/normalizer_fuzz.py --inputs 1000000 --processes $$(nproc) --growth $(if $(TEXT),--text $(TEXT))
	$(BIN)/python tests/support/normalizer_fuzz.py --new --forms train
	$(BIN)/python tests/support/fault_points.py
	$(BIN)/python tests/support/damage.py flips --times 1000
	$(BIN)/python tests/support/damage.py kills --times 200
	$(BIN)/python tests/support/damage.py changes --times 100
	$(BIN)/python tests/support/damage.py pairs --times 1320
	ULMKIT_CRAWL_KILLS=200 ULMKIT_BUILD_KILLS=20 ULMKIT_KILLS=100 ULMKIT_SAVE_KILLS=200 ULMKIT_FLIPS=500 $(TEST) -k "kill or flip" tests $(ARGS)

docs: .venv/.installed ## docs/cli.md from --help, the schema from sections.py, docs/normalization.md from a language folder, docs/filters.md, docs/sources.md, docs/settings.md, requirements/
	$(BIN)/python docs/make_cli.py
	$(BIN)/python docs/make_normalization.py
	$(BIN)/python docs/make_filters.py
	$(BIN)/python docs/make_sources.py
	$(BIN)/python docs/make_settings.py
	$(BIN)/python docs/make_requirements.py

clean:
	rm -rf .venv .bootstrap .pytest_cache .mypy_cache .ruff_cache

.bootstrap/bin/uv:
	$(PYTHON) -m venv .bootstrap
	.bootstrap/bin/python -m pip install --quiet --disable-pip-version-check uv

.venv/.installed: pyproject.toml | $(UV)
	test -x $(BIN)/python || $(UV) venv --quiet .venv
	VIRTUAL_ENV=.venv $(UV) pip install --quiet --editable . --group test
	touch $@

.venv/.check: .venv/.installed
	VIRTUAL_ENV=.venv $(UV) pip install --quiet --group check
	touch $@

.venv/.bench: .venv/.installed
	VIRTUAL_ENV=.venv $(UV) pip install --quiet --group bench
	touch $@
