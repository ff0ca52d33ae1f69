"""An SMTP reply: a code, its lines, and the enhanced status code inside them (RFC 5321 4.2, RFC 3463)."""

import re
from dataclasses import dataclass

_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?=\s|\Z)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered, or what we say in its place (`local`) when no server could answer.

    `lines` hold the text of each line without code and separator, decoded as UTF-8 with replacement,
    already cut to the caps of `mta.smtp.replies`.
    """

    code: int
    lines: tuple[str, ...] = ("",)
    local: bool = False

    @property
    def kind(self) -> int:
        """The first digit, which alone decides (RFC 5321 4.2.1): 2, 3, 4 or 5."""
        return self.code // 100

    @property
    def text(self) -> str:
        """All lines joined with one space."""
        if len(self.lines) == 1:
            return self.lines[0]
        return " ".join(line for line in self.lines if line)

    @property
    def enhanced(self) -> str:
        """The enhanced status code such as `5.1.1`, or an empty string.

        Taken only if its class fits the reply's first digit (RFC 2034 section 4): a `450 5.1.1` is a
        temporary failure, so its 5.1.1 means nothing.
        """
        for line in self.lines:
            found = _ENHANCED.match(line)
            if found and int(found[1]) == self.kind:
                return found[0]
        return ""

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()
