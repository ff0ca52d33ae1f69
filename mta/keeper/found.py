"""What a duty of the keeper's met when it looked."""

from enum import IntEnum


class Found(IntEnum):
    """What a duty met: MORE is at hand, so it is to be called again at once."""

    NOTHING = 0
    SOMETHING = 1
    MORE = 2
