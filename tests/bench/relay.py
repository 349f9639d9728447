"""The bare limit of a key press: the product's web stack, which only hands frames on.

No journal, no room, no decoding: what comes from one socket goes to the others in its room. Its
page is as bare: a key goes out as it is pressed, and what comes in is put into the document.
"""

from __future__ import annotations

import sys

import uvicorn
import uvloop
from fastapi import FastAPI
from starlette.responses import HTMLResponse
from starlette.websockets import WebSocket

from server.core.messages import MAX_FRAME_BYTES
from server.serving import listen
from server.settings import Settings
from server.wire import PING_S, PING_TIMEOUT_S

PAGE = """<!doctype html>
<title>Relay</title>
<pre id="text"></pre>
<script>
  const socket = new WebSocket(location.href.replace("http", "ws") + "/ws");
  const text = document.getElementById("text");
  socket.onopen = () => document.body.dataset.state = "live";
  socket.onmessage = message => text.append(message.data);
  addEventListener("keydown", event => socket.send(event.key));
</script>
"""

app = FastAPI(openapi_url=None)
rooms: dict[str, list[WebSocket]] = {}


@app.get("/rooms/{room}")
async def page() -> HTMLResponse:
    """The page, the same for every room: its script finds the socket beside its own address."""
    return HTMLResponse(PAGE)


@app.websocket("/rooms/{room}/ws")
async def forward(websocket: WebSocket, room: str) -> None:
    """Hand every text frame to the others in the room."""
    present = rooms.setdefault(room, [])
    present.append(websocket)  # before the client can know that it is in
    await websocket.accept()
    try:
        async for frame in websocket.iter_text():
            for other in present:
                if other is not websocket:
                    await other.send_text(frame)
    finally:
        present.remove(websocket)


async def serve() -> None:
    """Serve on a free port, with the product's own settings of uvicorn, until told to stop."""
    listener = listen(Settings(port=0))
    config = uvicorn.Config(
        app,
        access_log=False,
        lifespan="off",
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        ws="websockets-sansio",
        ws_max_size=MAX_FRAME_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_TIMEOUT_S,
    )
    sys.stdout.write(f"The relay serves on http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    uvloop.run(serve())
