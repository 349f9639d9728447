"""What `/metrics` tells of this process, in Prometheus's terms."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

rooms_open = Gauge("viva_rooms_open", "Rooms that are open in this process")
connections = Gauge("viva_connections", "WebSockets in rooms")
events_total = Counter("viva_events_total", "Journal entries appended", ["kind"])
runs_total = Counter("viva_runs_total", "Runs that finished", ["verdict"])
append_seconds = Histogram(
    "viva_append_seconds",
    "From asking for an append to its being written",
    buckets=(0.0001, 0.0003, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
)

_kinds: dict[str, Counter] = {}


def count_event(kind: str) -> None:
    """One more entry of this kind; looking the label up anew each time costs more than counting."""
    counter = _kinds.get(kind)
    if counter is None:
        counter = _kinds[kind] = events_total.labels(kind)
    counter.inc()
