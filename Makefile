# Sets up a virtual environment, then calls `rethink`, which does the work: see `make help`.

PYTHON ?= python3
RUNS ?= published
DEVICE ?= cpu
DASK ?=
TRACK ?=
N ?=
ARGS ?=

RETHINK = .venv/bin/rethink
WORKERS = --device $(DEVICE) $(if $(DASK),--dask $(DASK))
READY = .venv/.ready

EXTRAS = .venv/.extras

.PHONY: help setup extras book draft chapter html verify pdf test test-quick faults bench peers serve data clean

help: $(READY)
	@$(RETHINK) --help

setup: $(READY)

$(READY): requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.11" >&2; exit 2; }
	@echo "Setting up .venv: one to three minutes, once." >&2
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

# Dask, for clusters; Weights & Biases; the browser's driver; what some tests compare with.
extras: $(EXTRAS)

$(EXTRAS): $(READY)
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check \
	  -e '.[dask,track,browser,check]' -c constraints.txt
	@touch $@

book: $(READY) $(if $(TRACK),$(EXTRAS))
	@$(RETHINK) book --runs $(RUNS) $(WORKERS) $(if $(TRACK),--track $(TRACK))

draft: $(READY)
	@$(RETHINK) draft $(WORKERS)

chapter: $(READY)
	@$(RETHINK) chapter "$(N)" $(ARGS)

html verify serve data test: $(READY)
	@$(RETHINK) $@

pdf: $(EXTRAS)
	@$(RETHINK) pdf $(WORKERS)

test-quick: $(READY)
	@$(RETHINK) test --quick

# Kills, full disks, damaged files and races, for up to 20 minutes.
faults: $(READY)
	@.venv/bin/python -m tests.faults

bench: $(READY)
	@.venv/bin/python -m benchmarks

# Other tools, each in an environment of its own, and tables of 200 million rows.
peers: $(READY)
	@.venv/bin/python -m benchmarks.peers
	@.venv/bin/python -m benchmarks.streaming
	@$(RETHINK) chapter instrument && $(RETHINK) html

clean:
	@rm -rf _build
