"""Latencies of the whole product, each beside its bare limit in the same run: `make bench`."""
