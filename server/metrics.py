"""What `/metrics` tells of this process, in Prometheus's terms."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

rooms_open = Gauge("viva_rooms_open", "Rooms that are open in this process")
connections = Gauge("viva_connections", "WebSockets in rooms")
events_total = Counter("viva_events_total", "Journal entries appended", ["kind"])
runs_total = Counter("viva_runs_total", "Runs that finished", ["verdict"])
append_seconds = Histogram(
    "viva_append_seconds",
    "From asking for an append to its being on disk",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
)
