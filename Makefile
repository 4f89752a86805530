# The verbs a person types. Each makes its own .venv, installs what is pinned, and fetches the tracked data.

PYTHON ?= python3
BIN := .venv/bin
export DVC_NO_ANALYTICS := 1
export DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true
export GX_ANALYTICS_ENABLED := false
export PREFECT_SERVER_ANALYTICS_ENABLED := false

.PHONY: help setup demo test repro up

help:
	@echo "make demo [PHOTO=path]  fit a photo with the shipped networks and write a report"
	@echo "make test               every check that CI runs"
	@echo "make repro              run the pipeline: render, validate, train, evaluate, fit"
	@echo "make up                 run Prefect, MLflow and the served flows, until Ctrl-C"
	@echo "make setup              only make .venv and fetch the tracked data"

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "facenn needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try make PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -m venv .venv || \
		{ rm -rf .venv; echo "$(PYTHON) cannot make a virtual environment; on Debian: apt install python3-venv" >&2; exit 2; }

# uv reads no pip configuration: hand it the indexes that pip is set to, if any, and treat them as pip does.
.venv/.installed: pyproject.toml constraints.txt | .venv/bin/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	@index=$${PIP_INDEX_URL:-$$($(BIN)/pip config get global.index-url 2>/dev/null || true)}; \
	extra=$${PIP_EXTRA_INDEX_URL:-$$($(BIN)/pip config get global.extra-index-url 2>/dev/null || true)}; \
	UV_INDEX="$$extra" $(BIN)/uv pip install --quiet --python $(BIN)/python $${index:+--default-index "$$index"} \
		--index-strategy unsafe-best-match --constraint constraints.txt --editable '.[dev]'
	@touch $@

# One stamp for all tracked files: renewed when a .dvc file changes.
.venv/.pulled: $(wildcard data/*.dvc data/*/*.dvc) | .venv/.installed
	@$(BIN)/dvc pull --quiet $^
	@touch $@

setup: .venv/.installed .venv/.pulled

demo: setup
	@$(BIN)/facenn demo $(if $(PHOTO),--photo "$(PHOTO)")

test: setup
	@PATH="$(CURDIR)/$(BIN):$$PATH" .ci/checks

repro: setup
	@PATH="$(CURDIR)/$(BIN):$$PATH" dvc repro

up: setup
	@$(BIN)/facenn up $(if $(PREFECT_PORT),--prefect-port $(PREFECT_PORT)) $(if $(MLFLOW_PORT),--mlflow-port $(MLFLOW_PORT))
