"""Messages are made when their transaction asks for them, and so that several share a call that signs them.

A session asks for one message at a time. When others wait behind it on the same session and the processor signs several
for the price of three, they are made with it and kept with their work until their turn; one that never gets its turn
was made in vain, as its permission to be sent is short.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import islice
from typing import Final

from mta.dkim.multibuffer import LANES, LEAST
from mta.dkim.selection import select
from mta.dkim.together import Unsigned, sign_together
from mta.workers import prepare
from mta.workers.plan import Doors
from mta.workers.work import Work

FEWEST: Final = min(LEAST.values())


class Making:
    """Makes messages."""

    def __init__(self, doors: Doors) -> None:
        self.doors = doors
        self._second = 0
        self._date = ""

    def __repr__(self) -> str:
        return f"<Making {self.doors.multibuffer!r}>"

    def make(self, work: Work, behind: Sequence[Work], expire: int | None) -> prepare.Made:
        """Return a message, made now or when one before it was; raise what `prepare.message` does.

        `expire`: seconds until its signatures end; None: never.
        """
        if work.made is not None:
            made, work.made = work.made, None
            return made
        assert work.content is not None
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._date = format_datetime(datetime.fromtimestamp(now, UTC))
        began = time.perf_counter()
        try:
            if self.doors.multibuffer is not None and len(behind) >= FEWEST - 1 and _gains(work):
                return self._several([work, *filter(_gains, islice(behind, LANES - 1))], now, expire, began)
            # Should this message kill the process, the journal names it (promise P7).
            self.doors.journal.making(work.item.id)
            made = prepare.message(work.item, work.content, self.doors.tokens, now, self._date, expire)
            self.doors.timed("prepare_seconds", time.perf_counter() - began)
            return made
        finally:
            self.doors.journal.made()

    def _several(self, works: list[Work], now: int, expire: int | None, began: float) -> prepare.Made:
        drafts: list[tuple[Work, prepare.Draft]] = []
        unsigned: list[Unsigned] = []
        for work in works:
            assert work.content is not None
            self.doors.journal.making(work.item.id)
            try:
                draft = prepare.draft(work.item, work.content, self.doors.tokens, now, self._date)
                selected = select(draft.rendered.fields)
            except Exception:
                if work is works[0]:
                    raise
                continue  # whatever it is, it says so itself in its turn
            drafts.append((work, draft))
            unsigned.append(Unsigned(selected, draft.rendered.body_hash, draft.signers))
        end = None if expire is None else now + expire
        signatures = sign_together(unsigned, now, end, self.doors.multibuffer)
        for (work, draft), fields in zip(drafts, signatures, strict=True):
            work.made = prepare.whole(draft, fields)
        each = (time.perf_counter() - began) / len(drafts)
        for _ in drafts:
            self.doors.timed("prepare_seconds", each)
        made, works[0].made = works[0].made, None
        assert made is not None
        return made


def _gains(work: Work) -> bool:
    """Whether a message can be made with others; one that is the same for all its recipients is signed once anyway."""
    content = work.content
    if content is None or content.shared or work.made is not None or work.settled:
        return False
    return any(signer.parts() is not None for signer in content.signers)
