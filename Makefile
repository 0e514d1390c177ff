# make run    creates the environment if need be, then runs the Tox21 benchmark; ARGS="--preset smoke" adds arguments
# make test   creates it if need be, then runs the tests;  make test-fast  the quick ones of them;  make test-thorough  more
# make docs   the pages of docs/ as a site in site/, without network;  make shown  what pages show of results/, made anew
# make results  tables, the page and pictures in results/ made anew from its records, and what pages show of them
# make lint   ruff and mypy;  make format  ruff's formatting;  make clean  removes the environment
#
# PYTHON=python3.12 picks an interpreter; TORCH=torch==2.13.0 picks a build of torch (see docs/guide/installation.md).

VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.complete
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name))))
# pinned version of torch; its CPU build carries the suffix +cpu
PINNED := $(shell sed -n 's/^\(torch==.*\)/\1/p' constraints.txt)
ARGS   ?=

.PHONY: run test test-thorough test-fast docs shown results lint format clean help

run: $(STAMP)
	$(BIN)/python -m pbgraph.bench tox21 $(ARGS)

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 $(ARGS)

test-thorough: $(STAMP)
	$(BIN)/python -m pytest -n 2 -m "thorough and not slow and not gpu and not network" $(ARGS)

test-fast: $(STAMP)
	$(BIN)/python -m pytest -n 2 -m "not lengthy and not thorough and not slow and not gpu and not network" $(ARGS)

docs: $(STAMP)
	@$(BIN)/python -c 'import material, mkdocstrings' 2>/dev/null || \
	  $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict $(ARGS)

shown: $(STAMP)
	$(BIN)/python docs/making/shown.py

results: $(STAMP)
	$(BIN)/python docs/making/tables.py

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV)

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

# The stamp is written last: an interrupted installation is taken up again, a complete one costs nothing.
$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "no python3 found: install Python 3.11 or newer"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is older than 3.11: install Python 3.11 or newer, or call make with PYTHON=/path/to/python"; exit 2; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  echo "$(PYTHON) cannot create environments: on Debian and Ubuntu run 'apt install python3-venv'"; exit 2; }
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt "pip>=25.1"
	@$(MAKE) --no-print-directory torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev \
	  --editable ".$$($(BIN)/python -c 'import sys; print("[deepchem]" if sys.version_info < (3, 12) else "")')"
	touch $(STAMP)

# On Linux without an NVIDIA GPU, torch's CPU build is used where the configured indexes offer it.
.PHONY: torch
torch:
ifdef TORCH
	$(BIN)/python -m pip install --quiet "$(TORCH)"
else
	@if [ "$$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null; then \
	  $(BIN)/python -m pip install --quiet "$(PINNED)+cpu" 2>/dev/null || { \
	    echo "no CPU build of $(PINNED) is offered by the configured package indexes: installing the default build, with its"; \
	    echo "CUDA packages of several GB. To avoid that, stop here and see 'GPU or not' in docs/guide/installation.md."; \
	    $(BIN)/python -m pip install --quiet "$(PINNED)"; }; \
	else $(BIN)/python -m pip install --quiet "$(PINNED)"; fi
endif
