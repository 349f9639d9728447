#!/usr/bin/env bash
# Builds the sandbox's image as viva-sandbox:<hash of all that goes into it> and :latest.
#
# Does nothing where that image is there already. The base, Debian trixie with Python 3.13, comes
# from the image registry where one answers, and is made from Debian's packages elsewhere.
# Exit status: 0 with the image in place, otherwise 1 and one line that says what is missing.
set -euo pipefail
shopt -s inherit_errexit

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sandbox=$(dirname "$here")
readonly here sandbox
readonly image=viva-sandbox
readonly base_image=viva-sandbox-base
readonly registry_answers_within_s=10
readonly pull_within_s=300
readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg
readonly package_options=(
    --variant=essential
    --include=python3,tzdata
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

# --- the image ------------------------------------------------------------------------------------

build_image() {
    mkdir -p "$scratch/context/sandbox/harness"
    cp "$here/Dockerfile" "$scratch/context/"
    cp "$sandbox/__init__.py" "$sandbox/wire.py" "$scratch/context/sandbox/"
    cp "$sandbox"/harness/*.py "$scratch/context/sandbox/harness/"
    docker build --force-rm --network none --build-arg "BASE=$1" --tag "$2" "$scratch/context" \
        >"$scratch/image.log" 2>&1 ||
        fail "the build failed: $(last_line "$scratch/image.log")"
}

main() {
    local base_tag tag
    base_tag=$base_image:trixie-$(hash_of "$here/base.Dockerfile" <(echo "${package_options[*]}"))
    tag=$image:$(hash_of "$here/Dockerfile" <(echo "$base_tag") \
        "$sandbox/__init__.py" "$sandbox/wire.py" "$sandbox"/harness/*.py)

    if ! has_image "$tag"; then
        docker version >/dev/null 2>&1 || fail "the Docker engine does not answer; start it, then try again"
        if ! has_image "$base_tag"; then
            base_from_registry "$base_tag" || base_from_packages "$base_tag"
            docker tag "$base_tag" "$base_image:trixie"
        fi
        say "building $tag"
        build_image "$base_tag" "$tag"
    fi
    docker tag "$tag" "$image:latest"
}

main
