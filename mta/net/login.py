"""The password of a route, from its file: read when a session is opened, so that a new one needs no restart."""

import os
import stat
from pathlib import Path

from mta.net.terms import Login

MOST_BYTES = 1024


class LoginError(Exception):
    """The password can't be had; the message names the file and the cure."""


def read_login(user: str, password_file: str) -> Login:
    """Return who we are to a host that asks; the password is the file's first line. Raises LoginError."""
    path = Path(password_file)
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IROTH | stat.S_IWOTH):
                raise LoginError(f"{path}: everybody may read or write it; chmod 0640 or less")
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise LoginError(f"{path}: {error.strerror}; the worker must be able to read it") from error
    if len(data) > MOST_BYTES:
        raise LoginError(f"{path}: has over {MOST_BYTES} octets; a password has not")
    try:
        password = data.decode().splitlines()[0] if data else ""
    except UnicodeDecodeError:
        raise LoginError(f"{path}: is not UTF-8 text") from None
    if not password or not password.isprintable():
        raise LoginError(f"{path}: its first line is no password: empty, or with control characters")
    return Login(user, password)
