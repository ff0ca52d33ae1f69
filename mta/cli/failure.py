"""What a failed command says and returns: one line on stderr and an exit code of sysexits.h, never a traceback."""

import os
from typing import Final

USAGE: Final = os.EX_USAGE  # 64
DATA: Final = os.EX_DATAERR  # 65: the engine refused a document, or a file is not what it should be
NO_INPUT: Final = os.EX_NOINPUT  # 66: a file, tenant or campaign is not there
UNAVAILABLE: Final = os.EX_UNAVAILABLE  # 69: Redis can't be reached, no engine answers
SOFTWARE: Final = os.EX_SOFTWARE  # 70: a bug
CANT_CREATE: Final = os.EX_CANTCREAT  # 73
IO: Final = os.EX_IOERR  # 74
TEMPORARY: Final = os.EX_TEMPFAIL  # 75: not yet; ask again later
NO_PERMISSION: Final = os.EX_NOPERM  # 77
CONFIG: Final = os.EX_CONFIG  # 78
INTERRUPTED: Final = 130  # what a shell reports of a program that Ctrl-C ended


class Failure(Exception):
    """The command can't do what was asked: its one line, and the exit code."""

    def __init__(self, code: int, line: str) -> None:
        super().__init__(line)
        self.code = code
        self.line = line


def failure_of(error: Exception) -> Failure | None:
    """Return what to say about an error that has a plain cause; None: it is a bug."""
    # Only a failed command pays for these imports.
    from mta.config.load import ConfigError
    from mta.queue.link import QueueDown, UnsafeServer
    from mta.queue.reach import QueueDenied

    match error:
        case Failure():
            return error
        case ConfigError():
            return Failure(CONFIG, str(error))
        case QueueDenied():
            return Failure(NO_PERMISSION, str(error))
        case QueueDown() | UnsafeServer():
            return Failure(UNAVAILABLE, str(error))
        case FileNotFoundError():
            return Failure(NO_INPUT, _about(error))
        case PermissionError():
            return Failure(NO_PERMISSION, _about(error))
        case FileExistsError():
            return Failure(CANT_CREATE, _about(error))
        case OSError():
            return Failure(IO, _about(error))
    return None


def _about(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)
