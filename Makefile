# One command each: `make run` starts the console with a hub and a node for this machine, `make test` proves that it works.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# What is installed is what was tried together; `make lock` writes the file anew. Pip applies it to what builds as well.
CONSTRAINTS := constraints.txt
INSTALL = PIP_CONSTRAINT=$(CURDIR)/$(1) $(2)/bin/python -m pip install --quiet --disable-pip-version-check
LOWEST := .venv-lowest
CLUSTER_DIR ?= build/cluster

# Where Python may not keep what it compiles (PYTHONDONTWRITEBYTECODE), every start would compile it again: 0.1 s of a command.
COMPILE := $(BIN)/python -m compileall -q omnyshell

OVER_TWO_HUBS := $(addprefix tests/integration/,sessions forwards files kept restriction)

PICTURED := tests/integration/tui

DOCUMENTS := README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE docs examples snapshots

.PHONY: docs docs-tables run cluster test coverage test-lowest test-two-hubs test-installs test-deb dist deb snapshots lint lock bench soak conformance clean

run: $(STAMP)
	@$(BIN)/omnyshell-console

# Three workers a core, as half of the tests wait for processes; who is done takes over what is left to others. What is
# compiled is kept: each worker would compile all tests, and each program that a test starts all of the package.
test: $(STAMP)
	@$(COMPILE)
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -W error -m $(UNDER) pytest -n 6 --dist worksteal $(PYTEST_ARGS)

# The same run, measured with the programs that it starts, which takes half as long again; then what tests have reached
# of the package is held against the floors.
coverage: $(STAMP)
	@rm -rf build/coverage
	@$(MAKE) --no-print-directory test UNDER='coverage run -m'
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage json --quiet -o build/coverage/report.json
	@$(BIN)/python tools/coverage_floors.py build/coverage/report.json

# Takes what the console shows now as right, for every picture that the tests compare.
snapshots: $(STAMP)
	rm -f snapshots/*.svg
	OMNYSHELL_UPDATE_SNAPSHOTS=1 $(BIN)/python -W error -m pytest -n 2 $(PICTURED)

# The documents as a site, in build/site; a link that leads nowhere is an error. They lie there as they do here.
docs: $(VENV)/.docs
	@rm -rf build/docs build/site && mkdir -p build/docs
	@for name in $(DOCUMENTS); do ln -s ../../$$name build/docs/$$name; done
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Writes the tables of the documents that come from declarations anew.
docs-tables: $(STAMP)
	OMNYSHELL_UPDATE_DOCS=1 $(BIN)/python -W error -m pytest -q tests/unit/options/test_option_tables.py \
	  tests/unit/services/node/restriction/test_documents.py tests/unit/protocol/test_documents.py tests/unit/tui/test_console_page.py \
	  tests/unit/conformance/test_suites.py

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Three hubs, three servers of their engine and five nodes on this machine, until ctrl+c.
cluster: $(STAMP)
	@$(BIN)/omnyshell cluster demo --dir $(CLUSTER_DIR)

bench: $(STAMP)
	$(COMPILE)
	$(BIN)/python -m bench.compare_ssh

# Other terminals' own suites, as far as they are in the folder SUITES; it names those that are not, and how to get them.
conformance: $(STAMP)
	@$(BIN)/python -m conformance $(SUITES)

# About two hours; each runs alone as well, and enters its figures in docs/reliability.md.
SOAKS := interleavings strangers guessing hostile_input stalled floods busy_sessions hub_killed keeper_kills any_order upgrades screens real_xterm \
	transfers service hub_cycles many_nodes many_idle far_away long_run fuzz attacks.restricted_node attacks.proofs \
	attacks.tunnel_certificates attacks.ends attacks.one_id attacks.rights attacks.addresses \
	attacks.starving attacks.locks attacks.audit_trail attacks.backup one_change places many_places \
	cluster_faults elections cluster_partitions peers_cut_off hub_of_several_killed many_nodes_of_hubs

soak: $(STAMP)
	@failed=; for name in $(SOAKS); do \
	  echo "soak.$$name"; $(BIN)/python -m soak.$$name || failed="$$failed $$name"; \
	done; test -z "$$failed" || { echo "goals missed:$$failed"; exit 1; }

# Wheel and sdist, the same byte for byte from the same commit, as a package index takes them.
DIST := dist
EPOCH = SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct || date +%s)}

dist: $(VENV)/.release
	@rm -rf $(DIST)
	$(EPOCH) PIP_CONSTRAINT=$(CURDIR)/$(CONSTRAINTS) $(BIN)/python -m build --outdir $(DIST)
	$(BIN)/twine check --strict $(DIST)/*

# A package for Debian, with all that OmnyShell needs beside Python, made for the interpreter DEB_PYTHON.
DEBS := build/deb

deb: $(STAMP)
	@mkdir -p $(DEBS)
	@$(EPOCH) $(BIN)/python tools/deb/build.py $(DEBS)

$(VENV)/.docs $(VENV)/.release: $(VENV)/.%: $(STAMP)
	@$(call INSTALL,$(CONSTRAINTS),$(VENV)) -e '.[$*]'
	@touch $@

clean:
	rm -rf $(VENV) $(LOWEST)

# Takes the newest releases that go together.
lock: $(STAMP)
	$(BIN)/python tools/requirements.py lock > $(CONSTRAINTS).new
	mv $(CONSTRAINTS).new $(CONSTRAINTS)

# Runs the suite on the oldest releases that pyproject.toml allows.
test-lowest: $(LOWEST)/.installed
	$(LOWEST)/bin/python -W error -m pytest -n 4 $(PYTEST_ARGS)

# Runs the tests of sessions, forwards and copies with clients at one hub and nodes at another.
test-two-hubs: $(STAMP)
	OMNYSHELL_TEST_OVER_TWO_HUBS=1 $(BIN)/python -W error -m pytest -n 4 $(OVER_TWO_HUBS) $(PYTEST_ARGS)

$(LOWEST)/.installed: pyproject.toml
	@$(PYTHON) -m venv --clear $(LOWEST)
	@$(PYTHON) tools/requirements.py lowest > $(LOWEST)/constraints.txt
	@$(call INSTALL,$(LOWEST)/constraints.txt,$(LOWEST)) -e '.[dev,all]'
	@touch $@

# Installs OmnyShell with each extra alone, in an environment of its own, from the package index.
test-installs: $(STAMP)
	$(BIN)/python -W error -m pytest -m installs $(PYTEST_ARGS)

# Installs, upgrades and removes the Debian package on a machine in a container, which takes root, debootstrap (once) and
# systemd-nspawn.
test-deb: $(STAMP)
	$(BIN)/python -W error -m pytest -m deb $(PYTEST_ARGS)

$(STAMP): pyproject.toml $(CONSTRAINTS)
	@echo "Installing OmnyShell in $(VENV), which takes a minute..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(call INSTALL,$(CONSTRAINTS),$(VENV)) -e '.[dev,all]'
	@$(COMPILE)
	@touch $(STAMP)
