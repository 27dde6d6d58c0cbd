# `make` lists the targets. The environment is updated when uv.lock or pyproject.toml has changed.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
WORKERS ?= -n 3  # with two, two processors idle for a third of the time
BASE ?= origin/main
HEAD ?= HEAD
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
unexport VIRTUAL_ENV

.NOTPARALLEL:  # targets run in the order written, as in `make check`
.PHONY: help install repro test test-unit test-system test-slow check lint review report pull verify audit docs bench bench-scale plots pictures packages clean
help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

NEEDED := import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else \
	"error: Python 3.11 to 3.13 is needed, and $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=python3.12, say")

install: $(STAMP)  ## prepare .venv from uv.lock

MADE_IN := $(shell cat $(STAMP) 2>/dev/null)
ifneq "$(or $(MADE_IN),$(CURDIR))" "$(CURDIR)"  # a copied or moved environment still starts the old folder's Python
MOVED := echo "$(VENV) is that of $(MADE_IN), and is made anew"; rm -rf $(VENV);
.PHONY: $(STAMP)
endif

$(STAMP): uv.lock pyproject.toml
	@$(MOVED) echo "preparing $(VENV) from uv.lock, which takes minutes the first time"
	@test -x $(VENV)/bin/pip || { $(PYTHON) -c '$(NEEDED)' && $(PYTHON) -m venv $(VENV); }
	@$(VENV)/bin/python -m uv --version >/dev/null 2>&1 \
		|| $(VENV)/bin/python -m pip install --quiet "$$(grep -o 'uv==[0-9.]*' pyproject.toml)"
	@test -t 2 || quiet=--quiet; UV_PROJECT_ENVIRONMENT=$(VENV) \
		$(VENV)/bin/python -m uv sync --frozen --inexact $$quiet --python $(VENV)/bin/python
	@echo "$(CURDIR)" >$@

repro: install  ## bring data, model, metrics and plots up to date
	dvc repro
	@python -m tools.compare_record

test: install  ## all that matters
	@echo "unit, model and system tests, but for what takes long: make test-slow"
	python -m pytest $(WORKERS)

test-unit: install  ## those of `make test` that need neither TensorFlow nor another process: a minute
	python -m pytest $(WORKERS) tests/unit

test-system: install  ## the others of `make test`: TensorFlow, the real dvc, servers, a browser
	python -m pytest $(WORKERS) tests/model tests/system

test-slow: install  ## what takes long: kills, full disks, clusters, other environments, load
	@echo "slow system tests: kills, full disks, clusters, other environments, load"
	python -m pytest $(WORKERS) -m slow

check: lint test-unit repro test-system test-slow  ## all that CI runs, the quick part first

lint: install  ## ruff, mypy, the layers; no essay, secret or large file in git; no broken link in the guide
	ruff check .
	ruff format --check .
	mypy
	python -m tools.check_staged
	python -m pytest -q -n 0 tests/unit/test_layers.py
	$(MAKE) --no-print-directory docs

review: install  ## whether dvc.lock is that of this code, these parameters and this data
	python -m tools.check_lock

report: install  ## write report.md: the results of HEAD against BASE, as in make report BASE=main
	python -m tools.write_report $(BASE) $(HEAD) report.md

pull: install  ## dvc pull, from the remote that DVC_REMOTE_URL names where that is set
	python -m tools.set_remote
	dvc pull

verify: install  ## rehash outputs and cache against dvc.lock
	python -m redacoes.cli verify

audit: install  ## whether uv.lock is that of pyproject.toml, with hashes, and has no known vulnerability
	uv lock --check
	python -m tools.audit

docs: install  ## make a site of the guide in .work/docs; a broken link or anchor fails
	@rm -rf .work/docs
	sphinx-build --quiet --fail-on-warning --keep-going --nitpicky -b html -c docs . .work/docs
	@echo "the guide is .work/docs/index.html"

bench: repro  ## seconds by stage; training, a team's commands, scoring, the page's answer and the model in three worlds
	python -m benchmarks.stages
	python -m benchmarks.training
	python -m benchmarks.probe
	python -m benchmarks.team
	python -m benchmarks.worlds
	python -m benchmarks.surface
	python -m benchmarks.scoring
	python -m benchmarks.answer
	python -m benchmarks.scale --essays 2000

bench-scale: install  ## time and memory of the stages with 1,000, 10,000 and 100,000 essays
	python -m benchmarks.growth

plots: install  ## write the DVC plots page, which needs no network, and the same plots as pictures, into plots/
	dvc plots show --out plots
	python -m tools.draw_plots plots

pictures: install  ## redraw the pictures of README and guide from this workspace: its plots, and the page in Chromium
	python -m tools.draw_plots docs
	python -m tools.draw_page docs

packages: install  ## take the versions in packages.json from uv.lock
	python -m tools.pin_packages

clean:  ## remove the environment and caches; what DVC tracks stays
	rm -rf $(VENV) .work plots report.md .pytest_cache .ruff_cache .mypy_cache .hypothesis
