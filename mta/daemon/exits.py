"""Exit codes (sysexits.h) and the one exception that carries them to the process's end."""

import os

USAGE = os.EX_USAGE  # 64
UNAVAILABLE = os.EX_UNAVAILABLE  # 69: Redis can't be reached or is unsafe, a port is taken
SOFTWARE = os.EX_SOFTWARE  # 70: a bug
CONFIG = os.EX_CONFIG  # 78


class Stop(Exception):
    """The process can't go on: one clear line for the operator, and the exit code."""

    def __init__(self, code: int, line: str) -> None:
        super().__init__(line)
        self.code = code
        self.line = line
