"""How many may be connected and how much they may send: in all, from one address, in one session."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits of the listener; times in seconds, sizes in bytes."""

    max_size: int = 32 << 20
    connections: int = 100
    per_ip: int = 10
    timeout: float = 60.0  # without a command
    session: float = 600.0  # in all, whatever the client does
    max_days: int = 30  # age of return addresses

    @property
    def session_bytes(self) -> int:
        """What one session may send: several reports; a line without an end meets this bound."""
        return 4 * self.max_size + (1 << 20)

    @property
    def bytes_in_all(self) -> int:
        """What all sessions may have under way, since each is in memory until its final dot."""
        return 8 * self.max_size


@dataclass(slots=True)
class Gate:
    """Who is in."""

    caps: Caps
    inside: int = 0
    held: int = 0  # bytes of messages under way
    by_ip: dict[str, int] = field(default_factory=dict)

    def enter(self, ip: str) -> str:
        """Count a connection in; return why it may not enter, or an empty text."""
        if self.inside >= self.caps.connections:
            return "connections"
        if self.by_ip.get(ip, 0) >= self.caps.per_ip:
            return "connections_per_ip"
        self.inside += 1
        self.by_ip[ip] = self.by_ip.get(ip, 0) + 1
        return ""

    def leave(self, ip: str) -> None:
        """Count a connection out."""
        self.inside -= 1
        left = self.by_ip.get(ip, 0) - 1
        if left > 0:
            self.by_ip[ip] = left
        else:
            self.by_ip.pop(ip, None)
