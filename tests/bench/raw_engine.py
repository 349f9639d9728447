"""The engine by itself: the same containers made, started and removed, without a run.

As a program (`python -m tests.bench.raw_engine SECONDS`) it is what the pool's makers cost the
machine, without any of the product's code.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import docker
from docker.errors import APIError, NotFound

from sandbox.container import EngineSettings, creation
from sandbox.contract import Limits
from sandbox.engine import LABEL, OWNER_LABEL
from sandbox.pool import MAKERS

POLL_S = 0.02


def make_and_remove(until: float) -> int:
    """How many containers one maker made, started and removed by the `perf_counter` `until`."""
    client = docker.APIClient()
    done = 0
    labels = {LABEL: "1", OWNER_LABEL: f"bench {os.getpid()} 0 0"}
    config = creation(EngineSettings(), labels, Limits().memory_bytes)
    try:
        while time.perf_counter() < until:
            name = f"viva-bench-{secrets.token_hex(8)}"
            client.create_container_from_config(config, name)  # type: ignore[no-untyped-call]
            client.start(name)
            _remove(client, name)
            done += 1
    finally:
        client.close()
    return done


def _remove(client: docker.APIClient, name: str) -> None:
    while True:
        try:
            client.remove_container(name, force=True)
        except NotFound:
            return
        except APIError as error:
            if error.status_code not in (409, 500):  # it is on its way already
                raise
            time.sleep(POLL_S)


def main(seconds: float) -> None:
    """As many makers as the pool has, for so long."""
    until = time.perf_counter() + seconds
    with ThreadPoolExecutor(MAKERS) as makers:
        for maker in [makers.submit(make_and_remove, until) for _ in range(MAKERS)]:
            maker.result()


if __name__ == "__main__":
    main(float(sys.argv[1]))
