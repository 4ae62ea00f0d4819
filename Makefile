# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
# Everything happens in .venv beside this file, whatever directory make is called from.
# PYTHON names the interpreter that .venv is made from; ARGS is passed on to quickstart, study, report, check-run and the tests.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.SILENT:
.DEFAULT_GOAL := help
.PHONY: help install quickstart study report check-run test test-fast test-gpu lint docs clean

SCRIPT ?=
PYTHON ?= $(firstword $(foreach name,python3.11 python3,$(shell command -v $(name) >/dev/null 2>&1 && echo $(name))))
ARGS ?=

# $(abspath) would take a path with spaces for several paths.
export HPT_ROOT := $(shell cd "$$(dirname '$(strip $(MAKEFILE_LIST))')" && pwd)
export HPT_PYTHON := $(PYTHON)
ENTER := cd "$$HPT_ROOT"
PIP := .venv/bin/python -m pip --disable-pip-version-check --no-input -qq

help:
	echo "make install      set up .venv with the CPU stack (Python 3.11 or 3.12 and g++; several GB of downloads at worst)"
	echo "make quickstart   train the built-in task on this machine's CPU, from base model to report"
	echo "make study        compare the paper's methods on the built-in task, hours (ARGS=--full: ablations and report, too; --dry-run: the plan only); resumes"
	echo "make report       tables, figures and pages of the committed studies (ARGS='--out runs/study': of your own)"
	echo "make check-run    what can be known before a GPU hour, as a table (SCRIPT=examples/run_....sh, ARGS='overrides')"
	echo "make test         all tests"
	echo "make test-fast    a part of the tests, for the everyday loop (minutes): none with Ray, none that is slow"
	echo "make test-gpu     the tests that need one CUDA device, in the active environment (with pytest and pytest-timeout)"
	echo "make lint         ruff, mypy, the contracts of the layers, licence headers, words and shellcheck"
	echo "make docs         build the documentation as a site in build/docs"
	echo "make clean        remove caches; .venv and outputs stay"
	echo "Variables: PYTHON=python3.12 (for install), ARGS='...' (passed on to quickstart, study, report, check-run, test, test-fast and test-gpu)"

# The stamp's name holds a hash of what decides the contents of .venv, so a second run is instant, and a changed pin,
# a moved checkout and an interrupted run all lead back here. pip then leaves alone what is complete; a package whose
# installation was cut short has no RECORD yet, and is installed again.
install:
	$(ENTER)
	stamp=".venv/.hpt-installed-$$(cat requirements/*.txt setup.py <(pwd) | sha256sum | cut -c1-16)"
	if [[ -e $$stamp ]]; then exit 0; fi
	if ! command -v g++ >/dev/null; then
		echo "error: g++ is missing; torch.compile and vLLM call it at run time. On Debian: apt-get install g++" >&2
		exit 1
	fi
	if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
		if ! "$$HPT_PYTHON" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
			echo "error: Python 3.11 or 3.12 is needed; PYTHON='$$HPT_PYTHON' is $$("$$HPT_PYTHON" --version 2>/dev/null || echo missing)." >&2
			echo "       Name another one: make install PYTHON=/path/to/python3.11" >&2
			exit 1
		fi
		echo "[1/4] creating .venv with $$("$$HPT_PYTHON" --version)"
		"$$HPT_PYTHON" -m venv .venv
	fi
	rm -f .venv/.hpt-installed-*
	.venv/bin/python -c 'import shutil; from importlib.metadata import distributions; [shutil.rmtree(found._path) \
		for found in distributions() if found.files is None and found._path.suffix == ".dist-info"]'
	echo "[2/4] installing torch"
	$(PIP) install torch==2.13.0 -c requirements/cpu.txt
	echo "[3/4] installing verl, vLLM, Ray and the rest of the pinned stack (minutes)"
	$(PIP) install --no-deps -r requirements/cpu.txt -r requirements/dev.txt
	echo "[4/4] installing hpt from this checkout"
	$(PIP) install --no-deps --no-build-isolation -e .
	touch "$$stamp"
	echo "installed in $$HPT_ROOT/.venv"

quickstart: install
	$(ENTER)
	.venv/bin/python -m recipe.hpt.quickstart $(ARGS)

study: install
	$(ENTER)
	.venv/bin/python -m recipe.hpt.reproduction.study $(ARGS)

report: install
	$(ENTER)
	options=($(ARGS))
	for study in recipe/hpt/results/*/study.json; do
		.venv/bin/python -m recipe.hpt.reproduction.study --report --out "$$(dirname "$$study")" "$${options[@]}"
		(( $${#options[@]} == 0 )) || break  # they may name another folder
	done

# It runs in the environment that is active, as the script itself does, and in .venv where none is active.
check-run:
	$(ENTER)
	if [[ ! -f "$(SCRIPT)" ]]; then
		echo "error: got SCRIPT='$(SCRIPT)'; expected one of:" examples/run_*.sh >&2
		exit 2
	fi
	if [[ -z "$${VIRTUAL_ENV:-}$${CONDA_PREFIX:-}" && -x .venv/bin/python ]]; then export PYTHON=.venv/bin/python; fi
	CHECK=1 bash "$(SCRIPT)" $(ARGS)

# There is one process more than cores, because many tests wait for time limits. A training with its Ray works in one
# process at a time for most of its start, so that two at once end sooner than one after the other.
WITHOUT_RAY := -n 3 --dist loadfile --no-loadscope-reorder
WITH_RAY := -m ray -n 2 --dist loadfile --no-loadscope-reorder

# The tests with Ray run only if the others pass. Status 5 means that ARGS selected no test;
# one of the two parts may be without any.
test: install
	$(ENTER)
	status=0
	.venv/bin/python -m pytest tests -m "not ray" $(WITHOUT_RAY) $(ARGS) || status=$$?
	if [[ $$status != 0 && $$status != 5 ]]; then exit $$status; fi
	.venv/bin/python -m pytest tests $(WITH_RAY) $(ARGS) || { with_ray=$$?; [[ $$with_ray == 5 && $$status == 0 ]] || exit $$with_ray; }

test-fast: install
	$(ENTER)
	.venv/bin/python -m pytest tests -m "not ray and not slow" $(WITHOUT_RAY) $(ARGS)

# As check-run, it runs in the environment that is active: the torch in .venv is built without CUDA.
test-gpu:
	$(ENTER)
	python=python
	if [[ -z "$${VIRTUAL_ENV:-}$${CONDA_PREFIX:-}" && -x .venv/bin/python ]]; then python=.venv/bin/python; fi
	"$$python" -m pytest tests/gpu -rs $(ARGS)

lint: install
	$(ENTER)
	.venv/bin/python -m ruff check .
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m mypy
	.venv/bin/lint-imports
	.venv/bin/python tests/lint.py

docs: install
	$(ENTER)
	NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs -q build --strict
	echo "build/docs/index.html; with search: .venv/bin/python -m http.server --directory build/docs"

clean:
	$(ENTER)
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist ./*.egg-info
	find . -path ./.venv -prune -o -type d -name __pycache__ -exec rm -rf {} +
