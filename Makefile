# GridPulse. Needs make and Python 3.11 or 3.12, nothing else; `make help` lists what there is.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo chaos bench bench-peers test lint style types pytest fmt lock clean install install-dev

ROOMS := schemas detectors projections streams replay api benchmarks gridpulse
PYTEST_WORKERS ?= 2
# Where this is set, every process compiles all that it imports: up to two thirds of its start.
export PYTHONDONTWRITEBYTECODE :=
BIN := .venv/bin

# The development broker comes with the development packages.
DEMO_LEVEL := $(if $(findstring --kafka,$(ARGS)),dev,run)
CHAOS_LEVEL := $(if $(findstring --log sqlite,$(subst =, ,$(ARGS))),run,dev)

define bootstrap
	@python="$$(requirements/find-python.sh)" && "$$python" requirements/bootstrap.py $(1)
endef

help: ## list the targets
	@echo "make demo [ARGS=\"--seconds 60 --json\"]   start everything embedded, with simulated events, until Ctrl-C"
	@echo "make demo ARGS=\"--kafka\"                 the same on a real Kafka broker started from wheels"
	@echo "make chaos [ARGS=\"--minutes 5 --json\"]   kill processes under load, then account for every event"
	@echo "make chaos ARGS=\"--alerts --json\"        the same in a storm of alerts to 50 webhook endpoints"
	@echo "make bench [ARGS=\"--only throughput\"]    all benchmarks, and a page with plots in benchmarks/results"
	@echo "make bench-peers [ARGS=\"--events 200000\"] GridPulse and other stream processors on the same job, side by side"
	@echo "make test                               lint, formatting, types, import contracts and all tests"
	@echo "make lint                               all of that but the tests"
	@echo "make fmt                                format the code and mend what can be mended"
	@echo "make lock [ARGS=\"--upgrade\"]            write requirements/*.lock anew from pyproject.toml"
	@echo "make install, make install-dev          only build .venv"
	@echo "make clean                              remove .venv and caches; data and the jars of Kafka stay"

install:
	$(call bootstrap,run)

install-dev:
	$(call bootstrap,dev)

demo:
	$(call bootstrap,$(DEMO_LEVEL))
	@exec $(BIN)/gridpulse demo $(ARGS)

chaos:
	$(call bootstrap,$(CHAOS_LEVEL))
	@exec $(BIN)/gridpulse chaos $(ARGS)

bench: install-dev
	@exec $(BIN)/python -m benchmarks.report $(ARGS)

bench-peers: install-dev
	@exec $(BIN)/python -m benchmarks.peers $(ARGS)

style: install-dev
	@echo "== ruff check"
	@$(BIN)/ruff check .
	@echo "== ruff format --check"
	@$(BIN)/ruff format --check .
	@echo "== lint-imports"
	@$(BIN)/lint-imports

types: install-dev
	@echo "== mypy"
	@$(BIN)/mypy

lint: style types

pytest: install-dev
	@echo "== pytest"
	@$(BIN)/pytest -n $(PYTEST_WORKERS) --dist loadgroup --durations 15 $(ARGS)

# Types are checked beside the tests: mypy keeps one core busy for half a minute where it has no cache.
test: style
	@$(MAKE) --no-print-directory --jobs 2 types pytest

fmt: install-dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: install-dev
	@UV=$(BIN)/uv requirements/compile.sh $(ARGS)
	$(call bootstrap,dev)

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build *.egg-info
	find $(ROOMS) tests -name __pycache__ -type d -prune -exec rm -rf {} +
