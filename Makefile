# make lab       install what is missing, open JupyterLab on the start page (NO_BROWSER=1: print its address)
# make test      install what is missing, run the whole suite (TOPIC=03: what tests one topic)
# make grade     grade the sample class (our own code: without a sandbox if need be), print where the report is
# make notebooks build lectures/, labs/, solutions/, samples/ from source/
# make bench    ours beside the peers (ONLY=01: one file), into bench/results.json
# make checkpoints  train again what lectures load instead of training (ONLY=04: of one topic)
# make site      the course as web pages in site/, from the built notebooks
# make lint      ruff over sources and notebooks
# make clean     remove .venv and reports
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready
ALL := .venv/.ready-cluster-dev-site
HEADLESS := $(if $(filter Linux,$(shell uname)),$(if $(DISPLAY)$(WAYLAND_DISPLAY),,1))
LAB := 01

.PHONY: lab test grade notebooks bench checkpoints site lint clean
.DEFAULT_GOAL := lab

$(READY): pyproject.toml constraints.txt grader/install.py $(wildcard grader/jupyter/*.json grader/jupyter/labextension/*.json grader/jupyter/labextension/static/*)
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer found; name one: make PYTHON=/path/to/python3"; exit 2; }
	@$(PYTHON) grader/install.py

$(ALL): $(READY)
	@$(PYTHON) grader/install.py cluster dev site

lab: $(READY)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/jupyter lab --LabApp.default_url=/lab/tree/START.md \
		--LabApp.workspaces_dir="$(CURDIR)/.venv/share/jupyter/lab/workspaces" \
		$(if $(NO_BROWSER)$(HEADLESS),--no-browser) $(if $(filter 0,$(shell id -u)),--allow-root)

test: $(ALL)
	@$(BIN)/pytest -n auto --dist worksteal $(if $(TOPIC),-k $(firstword $(subst _, ,$(notdir $(TOPIC))))_) $(ARGS)

grade: $(READY)
	@$(BIN)/grade run $(LAB) samples/$(notdir $(wildcard samples/$(LAB)_*)) --allow-unsandboxed

notebooks: $(ALL)
	@$(BIN)/grade build

bench: $(ALL)
	@$(BIN)/python bench/common.py bench $(ONLY)

checkpoints: $(ALL)
	@$(BIN)/python bench/common.py checkpoints $(ONLY)

site: $(ALL)
	@$(BIN)/grade site

lint: $(ALL)
	@$(BIN)/ruff check .

clean:
	rm -rf .venv grades site
