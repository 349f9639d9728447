#!/usr/bin/env bash
# Builds the sandbox's image as viva-sandbox:<hash of all that goes into it> and :latest.
#
#   bash sandbox/image/build.sh [data]
#
# With `data`, the larger image viva-sandbox-data as well; once it is there, it is kept up to date
# with the other one. Does nothing where the images are there already. The base, Debian trixie with
# Python 3.13, comes from the image registry where one answers, and is made from Debian's packages
# elsewhere; the packages that programs may import come from the Python package index.
# Exit status: 0 with the images in place, otherwise 1 and one line that says what is missing.
set -euo pipefail
shopt -s inherit_errexit

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sandbox=$(dirname "$here")
readonly here sandbox
readonly image=viva-sandbox
readonly base_image=viva-sandbox-base
readonly packages_image=viva-sandbox-packages
readonly registry_answers_within_s=10
readonly pull_within_s=300
readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg
readonly package_options=(
    --variant=essential
    --include=python3,tzdata,libstdc++6
    --dpkgopt='path-exclude=/usr/share/doc/*'
    --dpkgopt='path-exclude=/usr/share/man/*'
    --dpkgopt='path-exclude=/usr/share/locale/*'
)

say() { printf 'sandbox image: %s\n' "$*"; }
fail() { printf 'sandbox image: %s\n' "$*" >&2; exit 1; }

hash_of() { cat "$@" | sha256sum | cut -c1-12; }

# The last line of a log, without the colours that the engine gives to errors.
last_line() { sed 's/\x1b\[[0-9;]*m//g' "$1" | grep -v '^$' | tail -n 1; }

has_image() { docker image inspect --format ok "$1" >/dev/null 2>&1; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# --- the base, from the registry ------------------------------------------------------------------

# The first line of a pull comes once the registry has answered: where none does, as behind a
# firewall that drops packets, waiting for the engine's own timeout would take minutes.
pull() {
    local log=$scratch/pull.log waited=0 pid
    docker pull debian:trixie-slim >"$log" 2>&1 &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        if ((waited >= pull_within_s * 5)) ||
            { ((waited >= registry_answers_within_s * 5)) && ! grep -q 'Pulling from' "$log"; }; then
            kill "$pid" 2>/dev/null || true
        fi
        if ((waited % 25 == 24)); then say "still pulling debian:trixie-slim ($((waited / 5)) s)"; fi
        sleep 0.2
        waited=$((waited + 1))
    done
    wait "$pid"
}

base_from_registry() {
    if ! has_image debian:trixie-slim; then
        say "asking the image registry for debian:trixie-slim"
        pull || { say "no image registry answers"; return 1; }
    fi
    say "installing Python into debian:trixie-slim"
    docker build --force-rm --tag "$1" --file "$here/base.Dockerfile" "$here" >"$scratch/base.log" 2>&1 ||
        { say "that failed ($(last_line "$scratch/base.log"))"; return 1; }
}

# --- the base, from Debian's packages -------------------------------------------------------------

want_mmdebstrap() {
    local missing=()
    command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
    [[ -e $keyring ]] || missing+=(debian-archive-keyring)
    ((${#missing[@]} == 0)) && return
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        fail "no image registry answers, and ${missing[*]} is not installed; install it, or pull debian:trixie-slim"
    fi
    say "installing ${missing[*]}"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
        >"$scratch/apt.log" 2>&1 ||
        fail "installing ${missing[*]} failed: $(last_line "$scratch/apt.log")"
}

base_from_packages() {
    want_mmdebstrap
    say "making Debian trixie with Python 3.13 from packages (about half a minute)"
    mmdebstrap "${package_options[@]}" --keyring="$keyring" trixie "$scratch/base.tar" 2>&1 >/dev/null |
        tee "$scratch/base.log" | sed -un 's/^I: \([a-z]*ing .*\)\.\.\.$/sandbox image:   \1/p' ||
        fail "mmdebstrap failed: $(grep -v '^I:' "$scratch/base.log" | tail -n 1)"
    docker import "$scratch/base.tar" "$1" >/dev/null || fail "the engine did not take the base"
}

# --- what programs may import ---------------------------------------------------------------------

# A Python that has pip: the project's own, which .ci/setup.sh makes, or the system's.
find_pip() {
    local candidate
    for candidate in "$(dirname "$sandbox")/.venv/bin/python" python3; do
        if "$candidate" -m pip --version >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
    fail "pip is missing, which fetches what programs may import; run: .ci/setup.sh run"
}

# The wheels' name for the engine's architecture, which need not be this machine's.
machine() {
    local arch
    arch=$(docker version --format '{{.Server.Arch}}')
    case $arch in
        amd64) echo x86_64 ;;
        arm64) echo aarch64 ;;
        *) fail "what programs may import is pinned for amd64 and arm64; this engine's machine is $arch" ;;
    esac
}

# Where nobody answers, pip tries again, and then says that there is no such package.
why_pip_failed() {
    if grep -q 'Retrying' "$1"; then
        echo "the Python package index does not answer; it is needed this once, so try again where it does"
    else
        grep '^ERROR' "$1" | tail -n 1 || last_line "$1"
    fi
}

# fetch_packages LIST FOLDER: what the list pins, for the image's Python, whatever runs pip here.
fetch_packages() {
    local python machine log=$scratch/pip.log
    python=$(find_pip)
    machine=$(machine)
    "$python" -m pip install --quiet --disable-pip-version-check --no-input --retries 1 \
        --require-hashes --no-deps --only-binary=:all: --no-compile --ignore-requires-python \
        --python-version 3.13 --platform "manylinux_2_28_$machine" --platform "manylinux2014_$machine" \
        --target "$2" --requirement "$1" >"$log" 2>&1 ||
        fail "fetching what $(basename "$1") lists failed: $(why_pip_failed "$log")"
    rm -rf "$2/bin"
    find "$2" -type d -name tests -prune -exec rm -rf {} +  # of the packages themselves: a fifth of all
    chmod -R u=rwX,go=rX "$2"
}

# with_packages BASE LIST: the tag of BASE with the packages of LIST on top, built where it is not there.
with_packages() {
    local tag context=$scratch/$(basename "$2" .txt)
    tag=$packages_image:$(hash_of "$here/packages.Dockerfile" "$2" <(echo "$1"))
    if ! has_image "$tag"; then
        say "fetching what programs may import ($(basename "$2"))" >&2
        mkdir "$context"
        cp "$here/packages.Dockerfile" "$context/Dockerfile"
        fetch_packages "$2" "$context/packages"
        docker build --force-rm --network none --build-arg "BASE=$1" --tag "$tag" "$context" \
            >"$scratch/packages.log" 2>&1 ||
            fail "the build failed: $(last_line "$scratch/packages.log")"
    fi
    echo "$tag"
}

# --- the images -----------------------------------------------------------------------------------

build_image() {
    local context=$scratch/context
    mkdir -p "$context/sandbox/harness"
    cp "$here/Dockerfile" "$context/"
    cp "$sandbox/__init__.py" "$sandbox/wire.py" "$context/sandbox/"
    cp "$sandbox"/harness/*.py "$context/sandbox/harness/"
    docker build --force-rm --network none --build-arg "BASE=$1" --tag "$2" "$context" \
        >"$scratch/image.log" 2>&1 ||
        fail "the build failed: $(last_line "$scratch/image.log")"
}

# ensure_image NAME BASE LIST...: the image NAME, of the base and the lists' packages, as :latest.
ensure_image() {
    local name=$1 base_tag=$2 under=$2 tag list
    shift 2
    tag=$name:$(hash_of "$here/Dockerfile" "$here/packages.Dockerfile" "$@" <(echo "$base_tag") \
        "$sandbox/__init__.py" "$sandbox/wire.py" "$sandbox"/harness/*.py)
    if ! has_image "$tag"; then
        docker version >/dev/null 2>&1 || fail "the Docker engine does not answer; start it, then try again"
        if ! has_image "$base_tag"; then
            base_from_registry "$base_tag" || base_from_packages "$base_tag"
            docker tag "$base_tag" "$base_image:trixie"
        fi
        for list in "$@"; do under=$(with_packages "$under" "$list"); done
        say "building $tag"
        build_image "$under" "$tag"
    fi
    docker tag "$tag" "$name:latest"
}

main() {
    local base_tag
    (($# == 0)) || [[ $* == data ]] || fail "there is no image \"$*\"; usage: build.sh [data]"
    base_tag=$base_image:trixie-$(hash_of "$here/base.Dockerfile" <(echo "${package_options[*]}"))
    ensure_image "$image" "$base_tag" "$here/packages.txt"
    if [[ $* == data ]] || has_image "$image-data:latest"; then
        ensure_image "$image-data" "$base_tag" "$here/packages.txt" "$here/packages-data.txt"
    fi
}

main "$@"
