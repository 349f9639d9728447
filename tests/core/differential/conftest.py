"""CodeMirror and the product's own web/src/sync.ts in one long-lived Node process."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.differential.peer import Peer, running_peer

HERE = Path(__file__).parent
WEB = HERE.parents[2] / "web"


@pytest.fixture(scope="session")
def peer_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """peer.mjs with the very sync.ts that the browser runs, bundled for Node."""
    bundle = tmp_path_factory.mktemp("peer") / "peer.mjs"
    subprocess.run(
        [
            WEB / "node_modules/.bin/esbuild",
            HERE / "peer.mjs",
            "--bundle",
            "--platform=node",
            "--format=esm",
            "--log-level=warning",
            f"--outfile={bundle}",
        ],
        env={**os.environ, "NODE_PATH": str(WEB / "node_modules")},
        check=True,
    )
    return bundle


@pytest.fixture(scope="session")
def peer(peer_bundle: Path) -> Iterator[Peer]:
    """The running process."""
    with running_peer(peer_bundle) as peer:
        yield peer
