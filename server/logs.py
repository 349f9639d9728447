"""Logs that hold no token, name or code: of a fault they say where it was, never what it held.

An exception's message may quote what it stumbled on: a row, a frame, a line of somebody's code. So
a fault is told by the places that it went through and the names of its exceptions alone.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Any

import structlog

_LEAST = logging.WARNING


def configure_logs() -> None:
    """Send the product's log, and everybody else's warnings, to stderr."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso"),
            structlog.processors.ExceptionRenderer(_way_of),
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Discreet("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=_LEAST, handlers=[handler], force=True)


class Discreet(logging.Formatter):
    """Formats what libraries log, without the messages of their exceptions."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 -- the base class's name
        """Where it was and what kind of fault."""
        return without_messages(ei[1])

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 -- the base class's name
        """asyncio puts the repr of a task, with its exception, on the lines after the first."""
        if record.name == "asyncio":
            record.message = record.message.partition("\n")[0]
        return super().formatMessage(record)


def _way_of(exc_info: structlog.typing.ExcInfo) -> str:
    return without_messages(exc_info[1])


def without_messages(error: BaseException | None) -> str:
    """The way that `error` and its causes took, with their names but not their words."""
    told: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        places = traceback.extract_tb(error.__traceback__)
        told.append(f"{type(error).__module__}.{type(error).__qualname__}, by way of:")
        told += [f"  {place.filename}:{place.lineno} in {place.name}" for place in places]
        if isinstance(error, BaseExceptionGroup):
            told += [without_messages(one) for one in error.exceptions]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(told)
