# felixpy and birdpy. `make lab` runs the main job, `make test` proves it; `make help` lists the rest.
# Variables: PYTHON (3.11 or newer), ARGS="--no-install" (lab, test: install nothing, say what is missing).
PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
TOPOLOGY ?= containerlab/quickstart.clab.yml

.DEFAULT_GOAL := help
.PHONY: help venv crds metrics tools test-tools cluster-binaries lab clean-lab cluster clean-cluster check lint test audit cni bench chaos soak fuzz lock fmt

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' $(MAKEFILE_LIST) | column -t -s:

venv: $(VENV)/installed  ## a virtual environment with the locked dependencies

$(VENV)/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"Python 3.11 or newer is needed, this is {v.major}.{v.minor}; name another one: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked Python packages into $(VENV)" >&2
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

check: lint  ## lint, types, architecture, unit tests and laws; under a minute
	$(BIN)/pytest -q -n 2 $(PURE)

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: venv test-tools cluster-binaries lint  ## everything: make check, then a real kernel, real BGP daemons, real labs
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q -n 2 $(PURE)
	$(BIN)/coverage combine -q
	$(BIN)/coverage report
	@rm -f .pytest_cache/v/cache/lastfailed
	$(BIN)/pytest -q -n 3 --dist loadfile $(WAITING) || test $$? = 1
	$(BIN)/pytest -q $(ALONE) || test $$? = 1
	@test ! -s .pytest_cache/v/cache/lastfailed || { \
	  echo "those that failed are tried once more, alone: timing on a busy machine, or a defect" >&2; \
	  $(BIN)/pytest -q --last-failed --last-failed-no-failures none $(WAITING) $(ALONE); }

PURE := tests/unit tests/laws tests/architecture
# On a real kernel, with real BGP daemons and a real API server: they wait more than they work, so three at a time.
WAITING := tests/contract tests/netns tests/exabgp tests/interop tests/kube
# Whole labs, clusters and container engines, one after the other.
ALONE := tests/lab tests/runtimes tests/cluster

test-tools:
	@PYTHON="$(PYTHON)" containerlab/install.sh --tests $(ARGS)

cluster-binaries:
	@tests/cluster/build.sh >/dev/null || echo "without Kubernetes' binaries the tests on a cluster are skipped" >&2

tools:  ## the programs that labs and tests run: lists what is missing, installs it as root
	@PYTHON="$(PYTHON)" containerlab/install.sh $(ARGS)

lab: tools venv  ## deploy the quickstart lab, leave it running, and show what it is and does
	@$(BIN)/felixpy lab tour -t $(TOPOLOGY)

clean-lab: venv  ## remove every lab of this machine with all that it made, also after a killed deployment
	@$(BIN)/felixpy lab destroy --all

cluster: test-tools cluster-binaries venv  ## a real Kubernetes cluster of three nodes on this machine, to play with (as root)
	@$(BIN)/python -m tests.cluster up

clean-cluster: venv  ## remove that cluster, and what tests that were killed have left of theirs
	@$(BIN)/python -m tests.cluster down

crds: venv  ## write the CustomResourceDefinitions anew from the code
	$(BIN)/python -m felixpy.datastore.kubernetes.schema > manifests/crds/crds.yaml

metrics: venv  ## write felixpy/METRICS.md anew from the code
	$(BIN)/python -m tests.metrics_table > felixpy/METRICS.md.new && mv felixpy/METRICS.md.new felixpy/METRICS.md

# The page's graph library is shipped as its authors built it; the checksums say which build (tests look at them too).
CYTOSCAPE := 3.34.4
VENDOR := felixpy/ui/static/vendor

.PHONY: ui
ui:  ## fetch the page's graph library anew with npm, and hold it to the recorded checksums
	@rm -rf build/ui && mkdir -p build/ui
	@cd build/ui && npm pack --silent cytoscape@$(CYTOSCAPE) >/dev/null && tar -xzf cytoscape-$(CYTOSCAPE).tgz
	@cp build/ui/package/dist/cytoscape.esm.min.mjs build/ui/package/LICENSE $(VENDOR)/
	@cd $(VENDOR) && sha256sum --check --strict SHA256SUMS

lock:  ## write both lock files anew from pyproject.toml
	$(BIN)/python -m uv pip compile -q --universal --python-version 3.11 --extra dev --generate-hashes \
	  --no-header --no-annotate pyproject.toml -o requirements.lock
	$(BIN)/python -m uv pip compile -q --universal --python-version 3.11 --extra build --generate-hashes \
	  --no-header --no-annotate -c requirements.lock pyproject.toml -o manifests/image/requirements.lock

# The auditors have an environment of their own: what they judge must not depend on them. B104 and B108 are ruff's S104
# and S108, which the code excuses line by line.
AUDIT := build/audit
LOCKS := requirements.lock manifests/image/requirements.lock

audit: $(AUDIT)/installed  ## bandit over the code, pip-audit over the locked packages (asks pypi.org for advisories)
	$(AUDIT)/bin/bandit -q -r felixpy birdpy --severity-level medium --skip B104,B108
	@for lock in $(LOCKS); do echo "pip-audit $$lock"; \
	  $(AUDIT)/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off -r $$lock || { \
	  echo "$$lock: not clean, or not audited: above are the advisories, or why the service gave none" >&2; exit 1; }; done

$(AUDIT)/installed: Makefile
	@$(PYTHON) -m venv $(AUDIT)
	@$(AUDIT)/bin/pip install --quiet --disable-pip-version-check bandit==1.9.4 pip-audit==2.10.1
	@touch $@

fmt: venv  ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

cni: felixpy/cni/felixpy-cni  ## the CNI plugin as one static program, for hosts without Python

felixpy/cni/felixpy-cni: felixpy/cni/shim.c
	$(CC) -O2 -Wall -Wextra -Werror -static -o $@ $<

chaos: tools venv  ## faults at random on a lab for 10 minutes, a table at the end; ARGS="--seed N --minutes M --faults a,b"
	$(BIN)/python -m tests.chaos $(ARGS)

soak: tools venv  ## everyday work for 30 minutes (ARGS="--minutes M"), memory and descriptors flat; 24 virtual hours
	$(BIN)/python -m tests.laws.simulator.day $(HOURS) 1
	$(BIN)/python -m tests.chaos.soak $(ARGS)

HOURS := 24
FUZZ := build/fuzz
FUZZ_S := 60

fuzz: $(FUZZ)/installed  ## every parser of what others wrote under atheris, FUZZ_S=60 seconds each
	@for parser in exabgp cni yaml json topology routes links; do echo "$$parser" && \
	  $(FUZZ)/bin/python -m tests.laws.fuzz $$parser -max_total_time=$(FUZZ_S) -artifact_prefix=$(FUZZ)/ -verbosity=0 || exit 1; done

# Atheris brings libFuzzer along, as wheels for few Pythons: it has an environment of its own.
$(FUZZ)/installed: requirements.lock
	@$(PYTHON) -m venv $(FUZZ)
	@$(FUZZ)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(FUZZ)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(FUZZ)/bin/pip install --quiet --disable-pip-version-check --only-binary :all: atheris==3.0.0
	@touch $@

bench: venv  ## benchmarks against C and BIRD; ARGS="--quick ROW..." picks; results in bench-results/
	$(BIN)/python -m tests.bench $(ARGS)
