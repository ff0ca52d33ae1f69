"""How many messages a worker holds at once: as many as keep it busy, few enough that an urgent one gets through.

The event loop's lag tells both. Below `CALM` the loop waits for peers, so more may be under way; above `BUSY` it is the
processor that everything waits for, and holding more mail would only make it wait here instead of in the queue, where
another worker could take it and a higher class could overtake.
"""

CALM, BUSY = 0.004, 0.010  # seconds
LEAST = 32


class Window:
    """The bound on messages in flight, grown and shrunk by measured lag."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.size = min(128, most)

    def lagged(self, seconds: float, in_flight: int) -> None:
        """Learn from one measurement of the loop's lag, taken with that many messages in flight."""
        if seconds > BUSY:
            self.size = max(LEAST, int(self.size * 0.85))
        elif seconds < CALM and in_flight >= self.size * 0.7:
            self.size = min(self.most, int(self.size * 1.25) + 8)

    def __repr__(self) -> str:
        return f"<Window {self.size} of {self.most}>"
