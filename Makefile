# One line per verb. Everything runs from .venv, which `make install` builds from requirements.lock.
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,$(shell $(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $(p))))
BIN := .venv/bin
BUDGET ?= 200
ROUNDS ?= 12
KILLS ?= 1000

.DEFAULT_GOAL := help
.PHONY: help install demo dev test check static bench bench-check property simulate torture torture-long fmt lock clean

help: ## show these verbs
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 21

install: .venv/installed ## build .venv from requirements.lock; does nothing when nothing changed

demo: install ## start a server and a worker, run a sample process, draw it
	@$(BIN)/stepwell demo

dev: install ## a server on port 8080 that knows the client dev with the token dev
	@STEPWELL_BOOTSTRAP_CLIENT=dev:dev $(BIN)/stepwell server

test: install ## the whole test suite
	@$(BIN)/pytest

check: static test ## static checks, then the test suite (a small simulation is part of it)

static: install ## formatting, lint, types
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy

bench: install ## measure steps per second, CPU per step and latency
	@$(BIN)/python -m bench

bench-check: install ## what a step costs, counted: gates on rows, statements, bytes and decisions
	@$(BIN)/python -m bench.check

property: install ## 200,000 random definitions against the reference interpreter, on two processes; goes on where it was cut off
	@$(BIN)/python -m tests.property.campaign 200000

simulate: install ## the simulation with BUDGET seeds (default 200)
	@STEPWELL_SEEDS=$(BUDGET) $(BIN)/pytest tests/simulation

torture: install ## kill, stop, cut, fill … a real server for a few minutes, and check that nothing was lost
	@$(BIN)/python -m torture play --kind each --rounds $(ROUNDS)

torture-long: install ## the same on and on, added up in docs/guarantees/, until KILLS servers were killed in all
	@nice -n 19 $(BIN)/python -m torture long --until-kills $(KILLS)

fmt: install ## format and fix what can be fixed
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock: ## write requirements.lock anew (needs uv)
	@tools/lock

clean: ## remove .venv and caches
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .property .stepwell-demo

.venv/installed: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "make install needs Python 3.11 or newer (set PYTHON=/path/to/python3)" >&2; exit 1; }
	@echo "installing into .venv, about a minute the first time"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
