"""The engine's own log: what a process says of itself. Mail events have a log of their own (mta.maillog)."""

import logging
import sys

import structlog


def configure(level: str, form: str, process: str) -> None:
    """Write log records to stderr: text on a terminal, JSON lines elsewhere, unless `form` says which.

    Records of libraries come the same way. Every line carries the process's name.
    """
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        lambda _, __, fields: {**fields, "process": process},
    ]
    if not as_text:
        shared.append(structlog.processors.format_exc_info)
    renderer = structlog.dev.ConsoleRenderer(colors=False) if as_text else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Noise of libraries: each line of an SMTP dialogue, each look-up.
    for name in ("mail.log", "asyncio"):
        logging.getLogger(name).setLevel(logging.ERROR)
