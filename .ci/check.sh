#!/usr/bin/env bash
# Formatting, lint, types and imports: every check runs, and any that fails fails the whole.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=.ci/progress.sh
. .ci/progress.sh

failed=()

# check NAME TITLE COMMAND...: show what COMMAND found, and go on.
check() {
  attempt "$@" && return
  show_failure "$@"
  failed+=("$2")
}

check ruff "Linting Python" .venv/bin/ruff check .
check format "Checking Python's format" .venv/bin/ruff format --check --diff .
check mypy "Checking Python's types" .venv/bin/mypy
check imports "Checking who imports whom" .venv/bin/lint-imports --no-logo
check tsc "Checking TypeScript's types" web/node_modules/.bin/tsc --noEmit --project web

[ ${#failed[@]} -eq 0 ] || die "Failed: $(IFS=,; echo "${failed[*]}")"
echo "All checks passed."
