"""How what a session has to write goes out: a receiver that stops reading, or takes a trickle, is not waited for.

The time limit for a reply says nothing of this, as no reply is due before the message is out; and a limit for the
whole message can't suit both a line and thirty megabytes.
"""


class Outflow:
    """Looked at a few times a second with the octets still to be written.

    `patience` in seconds: without a single octet taken for so long it is over (RFC 5321 4.5.3.2.5: a data block,
    3 minutes), and from then on less than `least_rate` octets a second, on the whole, are too few; 0 = any will do.
    """

    __slots__ = ("_began", "_gone", "_left", "_moved", "least_rate", "patience")

    def __init__(self, patience: float, least_rate: float) -> None:
        self.patience = patience
        self.least_rate = least_rate
        self._left = 0
        self._began = self._moved = 0.0
        self._gone = 0

    def __repr__(self) -> str:
        return f"<Outflow {self._left} left, {self._gone} gone>"

    def look(self, left: int, now: float) -> str:
        """Return why to wait no longer, empty while it flows; `now` in seconds of any steady clock."""
        if not left or not self._left:
            self._began = self._moved = now
            self._gone = 0
        elif left < self._left:
            self._gone += self._left - left
            self._moved = now
        elif left > self._left:
            self._moved = now  # more came in between, so what was there before may have gone
        self._left = left
        if now - self._moved > self.patience:
            return "it stopped reading"
        spent = now - self._began
        if spent > self.patience and self._gone < self.least_rate * spent:
            return f"it reads less than {self.least_rate:.0f} octets a second"
        return ""
