"""A dialogue that tells what is said, for people who look for a fault. Sessions nobody looks at use the plain one.

It tells commands and replies; of content only its size, never an octet. Greeting, STARTTLS and AUTH come before a
dialogue begins, so no password passes here.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from mta.smtp.capabilities import Capabilities
from mta.smtp.dialogue import Dialogue
from mta.smtp.happening import Envelope, Happening
from mta.smtp.transaction import Transaction
from mta.smtp.wire import DOT

Side = Literal[">", "<", "="]  # we said, the server said, a remark
Tell = Callable[[Side, bytes], None]


class Transcribed(Dialogue):
    """Tells `tell` of the transactions whose envelope `wants` names, and with `every` of the whole session.

    What rides beside a wanted transaction in a pipelined session is told as another message's; replies are told as
    they come while a wanted one is under way.
    """

    def __init__(
        self,
        caps: Capabilities,
        wants: Callable[[Envelope], bool],
        tell: Tell,
        *,
        every: bool,
        pipeline: bool = True,
    ) -> None:
        super().__init__(caps, pipeline=pipeline)
        self._wants = wants
        self._tell = tell
        self._every = every
        self._bodies: dict[int, int] = {}  # id of a piece of content that waits to go out -> its octets
        self._strange: set[int] = set()  # ids of pieces that belong to others' transactions

    def receive(self, data: bytes) -> list[Happening]:
        """As Dialogue.receive, told first."""
        if self._followed:
            self._tell("<", data)
        return super().receive(data)

    def outgoing(self) -> list[bytes]:
        """As Dialogue.outgoing, told."""
        pieces = super().outgoing()
        if pieces and self._followed:
            content = 0
            for piece in pieces:
                if id(piece) in self._bodies:
                    content += len(piece)
                    continue
                if content:
                    self._tell("=", b"content, %d octets" % content)
                    content = 0
                if id(piece) in self._strange:
                    self._tell("=", b"another message's commands, %d octets" % len(piece))
                else:
                    self._tell(">", piece)
            if content:
                self._tell("=", b"content, %d octets" % content)
        if pieces:
            self._bodies.clear()
            self._strange.clear()
        return pieces

    def eof(self, why: str, unwritten: int = 0) -> list[Happening]:
        """As Dialogue.eof, told."""
        if self._followed and not self.ended:
            self._tell("=", f"ended: {why}".encode("utf-8", "replace"))
        return super().eof(why, unwritten)

    @property
    def _followed(self) -> bool:
        return self._every or any(
            one is not None and self._wants(one.envelope) for one in (self._current, self._ahead)
        )

    def _send_group(self, transaction: Transaction) -> None:
        super()._send_group(transaction)
        if not (self._every or self._wants(transaction.envelope)):
            self._strange.add(id(self._outgoing[-1]))

    def _pieces(self, parts: Sequence[bytes], clean: bool) -> list[bytes]:
        pieces = super()._pieces(parts, clean)
        own = pieces[1:] if self._chunking else pieces[:-1]  # without the command before, the dot behind
        self._bodies.update((id(piece), len(piece)) for piece in own if piece is not DOT)
        return pieces
