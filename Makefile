# Every target makes what it needs first. `make` alone lists them.

PYTHON ?= python3
VENV ?= .venv
SECONDS ?= 60
ROUNDS ?= 5
BIN := $(VENV)/bin
APT := tshark tmux chromium mandoc zsh fish lua5.2 lua5.4 tcpdump rabbitmq-server iproute2 ethtool openssl tcpreplay valgrind

.DEFAULT_GOAL := help
.PHONY: help demo test test-quick robustness fuzz bench live-bench growth instructions check fix pcaps generate generate-check lua lua-check docs man smoke screenshot clean apt

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

demo: $(VENV)/.demo ## Install osloshark into .venv and show the RPC traffic of a shipped capture.
	$(BIN)/osloshark read pcaps/demo.pcap

test: $(VENV)/.test apt check ## Check the code and run all tests, installing what they need.
	$(BIN)/python -m pytest -n 2 --dist loadgroup --cov --cov-report=term:skip-covered

test-quick: $(VENV)/.test ## Run the tests that need nothing but Python.
	$(BIN)/python -m pytest -n 2 -q -m "not tshark and not broker and not netns and not valgrind and not tmux and not browser and not mandoc and not shells"

robustness: $(VENV)/.test apt ## Damage captures in every way and tell what comes back, beside stock tshark.
	$(BIN)/python -m tests.robustness

fuzz: $(VENV)/.test ## Feed it made-up bytes, guided by coverage, for SECONDS a target (60); TARGET names one.
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(TARGET)

bench: $(VENV)/.test apt ## Measure it beside tshark, pyshark and scapy, ROUNDS times (5); LARGE=--large takes 1 GB too.
	$(BIN)/python -m tests.bench --rounds $(ROUNDS) $(LARGE)

live-bench: $(VENV)/.test apt ## Measure what a live capture keeps up with, and what it costs the broker beside the firehose.
	$(BIN)/python -m tests.live.bench --rounds $(ROUNDS)

growth: $(VENV)/.test ## Measure it as captures grow, up to 10 GB, to many connections, large packets and bodies.
	$(BIN)/python -m tests.bench.growth

instructions: $(VENV)/.test apt ## Count the instructions that each room takes, for the tests to compare with.
	$(BIN)/python -m tests.bench.instructions --write

check: $(VENV)/.test generate-check lua-check ## Lint, types, layers and generated files, changing nothing.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/.test generate lua ## What `check` complains about, as far as tools can mend it.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

generate: $(VENV)/.test ## Rewrite the generated files.
	$(BIN)/python -m dissector.amqp.generate
	$(BIN)/python -m dissector.views.fieldsdoc
	$(BIN)/python -m docs.generate
	$(BIN)/python -m docs.generate.pythonblocks
	$(BIN)/python -m docs.generate.notebook

generate-check: $(VENV)/.test
	$(BIN)/python -m dissector.amqp.generate --check
	$(BIN)/python -m dissector.views.fieldsdoc --check
	$(BIN)/python -m docs.generate --check

docs: $(VENV)/.test ## Build the site of docs/ into site/; a broken link, or whatever else it warns of, is an error.
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

man: generate ## Show the man page, made anew.
	man -l docs/man/osloshark.1

smoke: $(VENV)/.test ## Install the wheel into clean environments, with the core alone and with each extra, and use it.
	$(BIN)/python -m tests.packaging

lua: $(VENV)/.test ## Bundle the plugin for Wireshark, lua/osloshark.lua.
	$(BIN)/python -m dissector.interop.lua

lua-check: $(VENV)/.test
	$(BIN)/python -m dissector.interop.lua --check

pcaps: $(VENV)/.test apt ## Make the shipped captures and their truth anew (as root: network namespaces, a broker).
	$(BIN)/python -m tests.lab pcaps

screenshot: $(VENV)/.demo ## Make the README's picture anew.
	$(BIN)/python -m docs.screenshot

apt:
	@sh tests/apt.sh $(APT)

clean: ## Remove what was installed and built.
	rm -rf $(VENV) build dist site *.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis .bench

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "osloshark needs Python 3.11 or later; say which with: make PYTHON=python3.11 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || sh tests/apt.sh python3-venv
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.demo
