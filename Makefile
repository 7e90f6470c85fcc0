# Each target makes .venv on first use and installs what is missing; a second call goes straight to work.
# `make study` and `make test` are all a new user needs. Options go through ARGS: make study ARGS='--help'
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin

# everything a tool would like to keep in your home folder stays in this one
export IPYTHONDIR := $(CURDIR)/.cache/ipython
export MPLCONFIGDIR := $(CURDIR)/.cache/matplotlib
export NUMBA_CACHE_DIR := $(CURDIR)/.cache/numba
export JUPYTER_CONFIG_DIR := $(CURDIR)/.cache/jupyter/config
export JUPYTER_DATA_DIR := $(CURDIR)/.cache/jupyter/data
export JUPYTER_RUNTIME_DIR := $(CURDIR)/.cache/jupyter/runtime
# settings that come with the project: no question about news over the first figure
export JUPYTER_CONFIG_PATH := $(CURDIR)/tools/jupyter

.PHONY: study gpu test check lab docs readme clean setup help
.DEFAULT_GOAL := study

study: setup  ## the study in three acts on built-in data: tables, figures and one HTML page in results/
	@$(BIN)/kfr study $(ARGS)

gpu: setup  ## go on for nine minutes with the studies that want a GPU (tools/gpu_queue.py)
	@$(BIN)/python tools/gpu_queue.py $(ARGS)

test: setup  ## run every notebook as a test
	@$(BIN)/python tools/run_tests.py $(ARGS)

check: setup  ## what the continuous integration runs
	@bash .ci/run

# root, as in a container, must say that it means it
lab: setup  ## open the notebooks in JupyterLab, first the one with sliders
	@$(BIN)/jupyter lab --notebook-dir=nbs --LabApp.default_url=/lab/tree/tutorials/06_hands_on.ipynb $(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS)

docs: setup  ## render the site into _docs/ (with Quarto where it is installed, else with smalldocs)
	@$(BIN)/python tools/docs.py $(ARGS)

readme: setup  ## write README.md from nbs/index.ipynb
	@$(BIN)/python tools/readme.py $(ARGS)

clean:  ## remove .venv, caches and rendered pages; results/, runs/ and data/ stay
	@rm -rf .venv .venv.lock .cache _docs _proc build dist *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@find . -name .ipynb_checkpoints -type d -prune -exec rm -rf {} +

setup:  ## make .venv
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { \
	  echo "make: no '$(PYTHON)' on the path: install Python 3.10 or later, or name one: make PYTHON=/path/to/python3" >&2; exit 2; }
	@"$(PYTHON)" tools/setup_venv.py

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
