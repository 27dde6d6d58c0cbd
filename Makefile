# `make` lists the targets. The environment is made from uv.lock whenever that, or the interpreter, has changed.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
unexport VIRTUAL_ENV

.PHONY: help install repro test test-slow lint bench plots packages clean
help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP)  ## prepare .venv from uv.lock

$(STAMP): uv.lock pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m uv --version >/dev/null 2>&1 || $(VENV)/bin/python -m pip install --quiet "$$(grep -o 'uv==[0-9.]*' pyproject.toml)"
	UV_PROJECT_ENVIRONMENT=$(VENV) $(VENV)/bin/python -m uv sync --frozen --quiet --inexact --python $(VENV)/bin/python
	touch $@

repro: install  ## bring data, model, metrics and plots up to date
	dvc repro

test: install  ## all that matters, in less than 15 minutes
	python -m pytest

test-slow: install  ## what takes long
	python -m pytest -m slow

lint: install  ## ruff and mypy
	ruff check .
	ruff format --check .
	mypy

bench: install  ## seconds by stage; training against the notebook's own loop
	python -m benchmarks.stages
	python -m benchmarks.training

plots: install  ## write the DVC plots page, and the same plots as pictures in docs/
	dvc plots show --out plots
	python -m tools.draw_plots

packages: install  ## take the versions in packages.json from uv.lock
	python -m tools.pin_packages

clean:  ## remove the environment and caches; what DVC tracks stays
	rm -rf $(VENV) .work plots .pytest_cache .ruff_cache .mypy_cache .hypothesis
