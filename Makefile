# The first call of a target creates .venv and installs what is missing; later calls start at once.
# New users only need `make study` and `make test`. Pass options through ARGS: make study ARGS='--help'
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin

# tools store their files in this folder, not in your home folder
export IPYTHONDIR := $(CURDIR)/.cache/ipython
export MPLCONFIGDIR := $(CURDIR)/.cache/matplotlib
export NUMBA_CACHE_DIR := $(CURDIR)/.cache/numba
export JUPYTER_CONFIG_DIR := $(CURDIR)/.cache/jupyter/config
export JUPYTER_DATA_DIR := $(CURDIR)/.cache/jupyter/data
export JUPYTER_RUNTIME_DIR := $(CURDIR)/.cache/jupyter/runtime
# project settings for Jupyter: no news prompt
export JUPYTER_CONFIG_PATH := $(CURDIR)/tools/jupyter

.PHONY: study gpu test check lab docs readme clean setup help
.DEFAULT_GOAL := study

study: setup  ## the study in three acts on built-in data: tables, figures and one HTML page in results/
	@$(BIN)/kfr study $(ARGS)

gpu: setup  ## run the studies that need a GPU for nine minutes, resuming the last call (tools/gpu_queue.py)
	@$(BIN)/python tools/gpu_queue.py $(ARGS)

test: setup  ## run every notebook as a test
	@$(BIN)/python tools/run_tests.py $(ARGS)

check: setup  ## run the checks of the continuous integration
	@bash .ci/run

# root, as in a container, needs --allow-root
lab: setup  ## open the notebooks in JupyterLab, starting with the interactive figures
	@$(BIN)/jupyter lab --notebook-dir=nbs --LabApp.default_url=/lab/tree/tutorials/06_hands_on.ipynb $(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS)

docs: setup  ## render the site into _docs/ (with Quarto if it is installed, else with smalldocs)
	@$(BIN)/python tools/docs.py $(ARGS)

readme: setup  ## write README.md from nbs/index.ipynb
	@$(BIN)/python tools/readme.py $(ARGS)

clean:  ## remove .venv, caches and rendered pages, but keep results/, runs/ and data/
	@rm -rf .venv .venv.lock .cache _docs _proc build dist *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@find . -name .ipynb_checkpoints -type d -prune -exec rm -rf {} +

setup:  ## create .venv
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { \
	  echo "make: no '$(PYTHON)' on the path: install Python 3.10 or later, or name one: make PYTHON=/path/to/python3" >&2; exit 2; }
	@"$(PYTHON)" tools/setup_venv.py

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
