"""The web process: interviews, rooms and the journal behind them."""

__version__ = "0.1.0"
