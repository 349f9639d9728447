.DEFAULT_GOAL := help
.PHONY: help run build test check bench faults fuzz lock clean

help:  ## show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

run:  ## set up what is missing, then serve on 127.0.0.1:8000 (ARGS="..." goes to viva serve)
	@.ci/setup.sh run
	@exec .venv/bin/viva serve --demo $(ARGS)

build:  ## the browser bundle alone
	@.ci/setup.sh build

test:  ## every test, in real containers and a real browser (ARGS="..." goes to pytest)
	@.ci/setup.sh test
	@exec .venv/bin/pytest --numprocesses 2 --dist loadfile $(ARGS)

check:  ## format, lint, types and imports, of Python and of TypeScript
	@.ci/setup.sh check
	@.ci/check.sh

bench:  ## latencies, each beside its bare limit
	@.ci/setup.sh test
	@exec .venv/bin/python -m tests.bench $(ARGS)

fuzz:  ## a coverage-guided search for faults in the connection code (SECONDS="60")
	@.ci/setup.sh fuzz
	@exec .venv/bin/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(ARGS)

faults:  ## faults brought about, what was lost and how it healed (N=1000 kills; ARGS="kill --quick")
	@.ci/setup.sh test
	@exec .venv/bin/python -m tests.faults $(if $(N),--kills $(N)) $(ARGS)

lock:  ## pin the newest versions that pyproject.toml and web/package.json allow
	@.ci/lock.sh

clean:  ## remove all that was set up and built here; data/ and the sandbox image stay
	rm -rf .setup .venv .fuzz web/node_modules web/dist
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find server sandbox tests -name __pycache__ -prune -exec rm -rf {} +
