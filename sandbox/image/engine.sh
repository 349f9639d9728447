#!/usr/bin/env bash
# Makes sure of a Docker engine: uses the one that answers, starts one that is installed, and as
# root on Debian or Ubuntu installs docker.io first.
#
# Exit status: 0 with an engine that answers; 3, after one line that says what to do, without one.
# The caller goes on after a 3, with running switched off.
set -euo pipefail
shopt -s inherit_errexit

readonly no_engine=3
readonly starts_within_s=60
log=${VIVA_ENGINE_LOG:-data/dockerd.log}
readonly log

say() { printf 'docker engine: %s\n' "$*"; }
give_up() { printf 'docker engine: %s\n' "$*" >&2; exit "$no_engine"; }

answers() { timeout 5 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

is_debian_like() { grep -qsE '^(ID|ID_LIKE)=.*(debian|ubuntu)' /etc/os-release; }

runs_systemd() { [[ -d /run/systemd/system ]] && command -v systemctl >/dev/null; }

advise_without_root() {
    local problem
    problem=$(docker version 2>&1 >/dev/null | tail -n 1) || true
    case $problem in
        *"ermission denied"*) give_up "it runs, but is not yours to use; as root: usermod -aG docker $(id -un), then sign in again" ;;
    esac
    if command -v dockerd >/dev/null; then
        give_up "installed, but not running; as root: systemctl start docker"
    fi
    give_up "none here; as root: apt-get install docker.io (or see docs.docker.com/engine/install)"
}

install() {
    local packages=(docker.io)
    say "installing docker.io"
    mkdir -p "$(dirname "$log")"
    apt-get update >"$log" 2>&1 || give_up "apt-get update failed: $(tail -n 1 "$log")"
    # The command line is a package of its own on newer releases.
    if apt-cache show docker-cli >/dev/null 2>&1; then packages+=(docker-cli); fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}" >>"$log" 2>&1 ||
        give_up "installing docker.io failed: $(tail -n 1 "$log")"
}

# Wait for the engine to answer; with a process id, no longer than that process lives.
wait_for_it() {
    local waited
    for ((waited = 0; waited < starts_within_s * 5; waited++)); do
        if answers; then return 0; fi
        if [[ -n ${1:-} ]] && ! kill -0 "$1" 2>/dev/null; then return 1; fi
        if ((waited % 10 == 9)); then say "still starting ($(((waited + 1) / 5)) s)"; fi
        sleep 0.2
    done
    return 1
}

# In the background, out of this terminal's session, so that it outlives the shell.
launch() {
    say "starting dockerd${*:+ with $*} (its log: $log)"
    mkdir -p "$(dirname "$log")"
    setsid nohup dockerd "$@" >>"$log" 2>&1 </dev/null &
    wait_for_it "$!"
}

start() {
    if runs_systemd; then
        say "starting docker.service"
        systemctl start docker || give_up "docker.service did not start; see: journalctl -u docker"
        wait_for_it || give_up "docker.service runs, but does not answer; see: journalctl -u docker"
        return
    fi
    # Machines without the rights or modules for a bridge still run the sandbox, which has no network.
    launch || launch --bridge=none --iptables=false || give_up "dockerd did not start ($(tail -n 1 "$log")); see $log"
}

main() {
    if answers; then return; fi
    # An engine elsewhere is its owner's to start; another one here would not be used.
    if [[ -n ${DOCKER_HOST:-} ]]; then give_up "$DOCKER_HOST (from DOCKER_HOST) does not answer; start it, or unset DOCKER_HOST"; fi
    if ((EUID != 0)); then advise_without_root; fi
    if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then
        is_debian_like || give_up "none here; install it as docs.docker.com/engine/install says"
        install
        if answers; then return; fi
    fi
    start
    say "ready"
}

main
