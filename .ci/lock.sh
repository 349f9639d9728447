#!/usr/bin/env bash
# Pins the newest versions that pyproject.toml and web/package.json allow.
#
# The lock files hold hashes and name no registry, so they serve wherever packages come from.
# The runtime lock takes its versions from the one for development, so the two always agree.
# web/package.json pins exact versions: raise them there first; this renews what they bring in.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=.ci/progress.sh
. .ci/progress.sh

compile() {
  "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
    pyproject.toml "$@"
}

.ci/setup.sh check
if ! uv=$(command -v uv); then
  uv=.venv/bin/uv
  [ -x "$uv" ] || step uv "Installing uv" .venv/bin/pip install --quiet uv
fi
step lock-dev "Pinning Python packages, the tests' included" \
  compile --upgrade --extra build --extra dev --output-file requirements-dev.lock
step lock "Pinning Python packages" \
  compile --extra build --constraint requirements-dev.lock --output-file requirements.lock
step lock-web "Pinning web packages" npm update --prefix web --package-lock-only
