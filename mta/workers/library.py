"""The native library that signs several messages in one call, where this machine has it."""

import ctypes
from pathlib import Path
from typing import Final

from mta.dkim.multibuffer import MultiBuffer

LIBRARY: Final = "libcrypto_mb.so.13"  # the ABI that mta.dkim.multibuffer speaks
RUNTIME: Final = ("libintlc.so.5", "libirng.so", "libimf.so", "libsvml.so")
"""What it was linked with, each before those that need it: where pip puts them the loader does not look."""


def load(folder: Path) -> MultiBuffer | None:
    """Return the library that pip put into a folder (`lib` of an environment); None where it or the processor lacks."""
    try:
        for name in RUNTIME:
            ctypes.CDLL(str(folder / name))
        found = MultiBuffer(ctypes.CDLL(str(folder / LIBRARY)))
    except (OSError, AttributeError):  # not there, not loadable, of another age
        return None
    return found if found.serves(2048) else None
