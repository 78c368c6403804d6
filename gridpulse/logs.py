"""How the processes write their own logs: one JSON object per line, on stderr, so that stdout holds results alone."""

from __future__ import annotations

import logging
import sys

import structlog

from gridpulse.settings import Settings


def configure_logging(settings: Settings) -> None:
    """From the level in the settings upwards."""
    least = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
