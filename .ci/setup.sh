#!/usr/bin/env bash
# Sets up what a make target needs, and only what is not there yet:
#
#   .ci/setup.sh run|build|check|test|fuzz
#
# What was set up is noted in .setup/, as a fingerprint of the files that decided it.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=.ci/progress.sh
. .ci/progress.sh

root=$PWD

# fingerprint PATH...: of all files there, by name and content, and of where this checkout stands.
fingerprint() {
  {
    printf '%s\n' "$root"
    find "$@" -type f -not -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum
  } | sha256sum | cut -d' ' -f1
}

# is_done NAME PATH...: whether step NAME was done with just these files.
is_done() {
  local name=$1
  shift
  [ "$(cat ".setup/$name" 2>/dev/null)" = "$(fingerprint "$@")" ]
}

note_done() {
  local name=$1
  shift
  fingerprint "$@" >".setup/$name"
}

may_install() { [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; }

# apt_install PACKAGE...: from the distribution; only where may_install.
apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update && apt-get install --yes --no-install-recommends "$@"
}

# --- Python ---------------------------------------------------------------------------------

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if is_new_enough "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  die "Viva needs Python 3.11 or newer; here is $("${PYTHON:-python3}" --version 2>/dev/null || echo none)." \
    "Install one, or name it: make PYTHON=/path/to/python3"
}

# A copied or moved environment has scripts that point elsewhere: pip's first lines tell.
venv_is_sound() {
  is_new_enough .venv/bin/python && head -n 3 .venv/bin/pip 2>/dev/null | grep -qF "$root/.venv/"
}

# Debian keeps part of the venv module in a package of its own, named after the version.
ensure_venv_module() {
  "$1" -c 'import ensurepip, venv' 2>/dev/null && return
  local package
  package=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  may_install || die "Python's venv module is missing. Install it: sudo apt-get install $package"
  step venv-package "Installing $package" apt_install "$package"
}

make_venv() {
  venv_is_sound && return
  local python
  python=$(find_python)
  ensure_venv_module "$python"
  rm -f .setup/packages .setup/dev-packages .setup/fuzz-packages .setup/viva
  step venv "Creating .venv" "$python" -m venv --clear .venv
}

pip_install() {
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input "$@"
}

# set_up_python run|dev: the pinned packages, and Viva itself, editable.
set_up_python() {
  make_venv
  if [ "$1" = dev ]; then install_dev_packages; else install_packages; fi
  is_done viva pyproject.toml && return
  step viva "Installing viva" pip_install --no-deps --no-build-isolation --editable .
  note_done viva pyproject.toml
}

install_packages() {
  is_done packages requirements.lock && return
  step packages "Installing Python packages" pip_install --require-hashes -r requirements.lock
  note_done packages requirements.lock
}

# The lock for development holds every line of the other one; a test keeps it so.
install_dev_packages() {
  is_done dev-packages requirements-dev.lock && is_done packages requirements.lock && return
  step dev-packages "Installing Python packages, the tests' included" \
    pip_install --require-hashes -r requirements-dev.lock
  note_done dev-packages requirements-dev.lock
  note_done packages requirements.lock
}

# The fuzzer has no wheels for every system, so only `make fuzz` asks for it.
install_fuzzer() {
  is_done fuzz-packages requirements-fuzz.lock && return
  step fuzz-packages "Installing the fuzzer" \
    pip_install --require-hashes --only-binary :all: -r requirements-fuzz.lock
  note_done fuzz-packages requirements-fuzz.lock
}

# --- The browser's side ---------------------------------------------------------------------

ensure_node() {
  local version
  version=$(node --version 2>/dev/null) || version=none
  # `sort -V` puts the older of two versions first.
  [ "$(printf 'v20\n%s\n' "$version" | sort -V | head -n 1)" = v20 ] ||
    die "Viva needs Node 20 or newer; here is $version. Install it: https://nodejs.org"
  command -v npm >/dev/null || die "npm is missing. Install it: sudo apt-get install npm"
}

install_web_packages() {
  local -a inputs=(web/package.json web/package-lock.json)
  [ -f web/node_modules/.package-lock.json ] && is_done web-packages "${inputs[@]}" && return
  ensure_node
  step web-packages "Installing web packages" npm ci --prefix web --no-progress
  note_done web-packages "${inputs[@]}"
}

build_bundle() {
  local -a inputs=(web/src web/styles web/build.mjs web/tsconfig.json web/package-lock.json)
  [ -f web/dist/manifest.json ] && is_done bundle "${inputs[@]}" && return
  ensure_node
  step bundle "Building the browser bundle" node web/build.mjs
  note_done bundle "${inputs[@]}"
}

# --- The sandbox ----------------------------------------------------------------------------

# set_up_sandbox CONSEQUENCE [IMAGE]: an engine and the image, with IMAGE the larger one of that name
# as well; or one line: what is missing, CONSEQUENCE.
# Both scripts do nothing where nothing is to do, and end with a line that says what is missing.
set_up_sandbox() {
  local shown_from_ms=1000
  attempt engine "Making sure of a Docker engine" bash sandbox/image/engine.sh ||
    { printf '%s. %s\n' "$(tail -n 1 "$logs/engine")" "$1" && return 1; }
  attempt image "Building the sandbox image" bash sandbox/image/build.sh "${@:2}" ||
    { printf '%s. %s\n' "$(tail -n 1 "$logs/image")" "$1" && return 1; }
}

# --- The tests' browser ---------------------------------------------------------------------

find_browser() { command -v chromium chromium-browser google-chrome google-chrome-stable; }

install_browser() {
  find_browser >/dev/null && return
  may_install || die "The browser tests need Chromium. Install it: sudo apt-get install chromium"
  step browser "Installing Chromium" apt_install chromium fonts-dejavu-core
}

case ${1:-} in
  run)
    set_up_python run
    install_web_packages
    build_bundle
    set_up_sandbox "Until then, running code is switched off." || true
    ;;
  build)
    install_web_packages
    build_bundle
    ;;
  check)
    set_up_python dev
    install_web_packages
    ;;
  test)
    set_up_python dev
    install_web_packages
    build_bundle
    set_up_sandbox "The tests need it." data || exit 1
    install_browser
    ;;
  fuzz)
    set_up_python dev
    install_fuzzer
    install_web_packages
    build_bundle
    ;;
  *) die "usage: .ci/setup.sh run|build|check|test|fuzz" ;;
esac
