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

pin() {
  "$uv" pip compile --quiet --generate-hashes \
    --no-header --no-annotate --no-emit-index-url --no-emit-find-links "$@"
}

compile() { pin --universal --python-version 3.11 pyproject.toml "$@"; }

# The sandbox's image is always Linux, and has the Python of its Debian.
pin_for_image() { pin --upgrade --python-version 3.13 --python-platform linux --only-binary :all: "$@"; }

.ci/setup.sh check
if ! uv=$(command -v uv); then
  uv=.venv/bin/uv
  [ -x "$uv" ] || step uv "Installing uv" .venv/bin/pip install --quiet uv
fi
step lock-dev "Pinning Python packages, the tests' included" \
  compile --upgrade --extra build --extra dev --output-file requirements-dev.lock
step lock "Pinning Python packages" \
  compile --extra build --constraint requirements-dev.lock --output-file requirements.lock
step lock-image "Pinning the sandbox's packages" \
  pin_for_image sandbox/image/packages.in --output-file sandbox/image/packages.txt
step lock-fuzz "Pinning the fuzzer" \
  pin --upgrade --universal --python-version 3.11 --only-binary :all: \
  requirements-fuzz.in --output-file requirements-fuzz.lock
# What the larger image shares with the usual one is below it already.
step lock-image-data "Pinning the packages of the sandbox's larger image" \
  pin_for_image sandbox/image/packages-data.in --constraint sandbox/image/packages.txt \
  --no-emit-package numpy --output-file sandbox/image/packages-data.txt
step lock-web "Pinning web packages" npm update --prefix web --package-lock-only
