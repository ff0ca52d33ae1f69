"""What a receiver has seen: the numbers a bench compares with what the engine says it did."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """Running counters of one receiver; `snapshot` is the document its control port sends."""

    connections_open: int = 0  # a connection lives from accept to FIN
    connections_peak: int = 0
    connections_total: int = 0
    connections_tls: int = 0
    commands: int = 0
    messages: int = 0  # accepted: the dot was seen and not refused
    recipients: int = 0  # accepted messages x recipients
    octets: int = 0
    duplicates: int = 0  # same Message-ID and recipient accepted again
    dots_open: int = 0  # dot received, its reply not yet written
    dots_open_peak: int = 0
    dots_lost: int = 0  # the connection ended while its dot was open
    dots_unconfirmed: int = (
        0  # lost, or answered and the peer never showed that it knew (no further dot, no QUIT)
    )
    dropped: int = 0  # connections this side cut on purpose
    bounces_sent: int = 0
    bounces_failed: int = 0
    by_domain: dict[str, int] = field(default_factory=dict)  # accepted recipients
    open_at: dict[str, int] = field(default_factory=dict)  # listening address -> connections now
    peak_at: dict[str, int] = field(default_factory=dict)
    open_for: dict[str, int] = field(default_factory=dict)  # domain of a session's first recipient
    peak_for: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)  # by kind
    faults: dict[str, int] = field(default_factory=dict)  # what the peer did wrong, by kind
    seen: set[int] = field(default_factory=set)  # hashes of (Message-ID, recipient)
    people: set[int] = field(default_factory=set)  # hashes of recipients

    def refuse(self, kind: str) -> None:
        """Count one refusal of this kind."""
        self.refused[kind] = self.refused.get(kind, 0) + 1

    def fault(self, kind: str) -> None:
        """Count one breach of the protocol by the peer."""
        self.faults[kind] = self.faults.get(kind, 0) + 1

    def opened(self, host: str) -> None:
        """Count a connection accepted at the listening address `host`."""
        self.connections_total += 1
        self.connections_open += 1
        self.connections_peak = max(self.connections_peak, self.connections_open)
        _up(self.open_at, self.peak_at, host)

    def closed(self, host: str, domain: str) -> None:
        """Count the end of a connection, and of its binding to a domain if it had one."""
        self.connections_open -= 1
        self.open_at[host] -= 1
        if domain:
            self.open_for[domain] -= 1

    def bound(self, domain: str) -> None:
        """Count a session whose first recipient is at `domain`."""
        _up(self.open_for, self.peak_for, domain)

    def dot(self) -> None:
        """Count a final dot that was read; whoever writes its reply takes it off `dots_open` again."""
        self.dots_open += 1
        if self.dots_open > self.dots_open_peak:
            self.dots_open_peak = self.dots_open

    def accept(self, message_id: bytes, recipients: list[tuple[str, str]], octets: int) -> None:
        """Count one accepted message; `recipients` are (address, domain) pairs."""
        self.messages += 1
        self.octets += octets
        by_domain, seen, people = self.by_domain, self.seen, self.people
        for recipient, domain in recipients:
            self.recipients += 1
            by_domain[domain] = by_domain.get(domain, 0) + 1
            people.add(hash(recipient))
            # 64-bit hashes: one wrong pair in ten million messages has odds of 1 in 370,000
            pair = hash((message_id, recipient))
            if pair in seen:
                self.duplicates += 1
            else:
                seen.add(pair)

    def snapshot(self) -> dict[str, object]:
        """Return the counters as a JSON object; the two sets become their sizes."""
        document: dict[str, object] = {
            name: getattr(self, name) for name in self.__slots__ if name not in ("seen", "people")
        }
        document["distinct"] = len(self.seen)
        document["distinct_recipients"] = len(self.people)
        return document


def _up(now: dict[str, int], peak: dict[str, int], key: str) -> None:
    count = now.get(key, 0) + 1
    now[key] = count
    if count > peak.get(key, 0):
        peak[key] = count
