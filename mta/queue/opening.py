"""An entry that is opened in the step that puts it: one wait less for a message somebody waits for."""

from typing import NamedTuple


class Opening(NamedTuple):
    """What opens a submission entry: `id` is "<tenant>:<message id>" to be bound to `key`, "" for none.

    `entry` is a number that `Intake.reserve` gave; it is used up if another process has opened the key.
    """

    digest: bytes
    id: str
    key: str
    entry: int


class AlreadyOpen(Exception):
    """The entry that was to be opened is known: nothing changed; `Intake.begin` tells what became of it."""
