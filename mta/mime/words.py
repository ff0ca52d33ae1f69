"""Unstructured header fields: encoded words (RFC 2047) and folding (RFC 5322 section 2.2.3).

Lines are folded at 78 characters where a space allows it and never pass 998. A value that cannot be sent as
it is, or that a reader would take for an encoded word, is encoded whole, so what is read back is what was given.
"""

import re
from binascii import b2a_base64
from typing import Final

FOLD: Final = 78
HARD: Final = 998
WORD: Final = 75
_ROOM = WORD - len("=?utf-8?B??=")
_FIRST = 20  # an encoded word shorter than this is not worth beside a long field name: start on a new line

# Section 5 (3) of RFC 2047: the characters that are safe in a phrase, so in every header.
_Q = {
    byte: (chr(byte) if re.match(r"[A-Za-z0-9!*+/-]", chr(byte)) else "_" if byte == 32 else f"={byte:02X}")
    for byte in range(256)
}
_ONE_IN_Q = bytes(byte for byte, code in _Q.items() if len(code) == 1)


def unstructured(name: str, value: str) -> bytes:
    """Return the folded field `name: value` ended by CRLF. `value` holds no control characters."""
    if value.isascii() and value.isprintable() and "=?" not in value:
        # 2 for the colon and the space.
        if len(name) + 2 + len(value) <= FOLD:
            return f"{name}: {value}\r\n".encode("ascii")
        lines = fold(f"{name}:", re.findall(r" *[^ ]+", f" {value.strip(' ')}"))
        if max(map(len, lines)) <= HARD:
            return ("\r\n".join(lines) + "\r\n").encode("ascii")
    words = encoded_words(value.strip(" "), FOLD - len(name) - 2)
    return ("\r\n".join(fold(f"{name}:", [" " + word for word in words])) + "\r\n").encode("ascii")


def fold(line: str, pieces: list[str]) -> list[str]:
    """Append pieces, each with its leading space, to `line`, starting a new line before one that is too long."""
    lines = [line]
    for piece in pieces:
        if len(lines[-1]) + len(piece) <= FOLD:
            lines[-1] += piece
        else:
            lines.append(piece)
    return lines


def encoded_words(text: str, room: int) -> list[str]:
    """Return `text` as encoded words in UTF-8, B or Q, whichever is shorter; the first fits into `room`.

    No word is over 75 characters, and none splits a character (RFC 2047 section 5). When `room` is too small
    for a word the caller has to start a new line.
    """
    raw = text.encode()
    in_q = len(raw) + 2 * len(raw.translate(None, _ONE_IN_Q))
    use_q = in_q <= (len(raw) + 2) // 3 * 4
    first = room - (WORD - _ROOM)
    limit = min(first, _ROOM) if first >= _FIRST else _ROOM
    if (in_q if use_q else len(raw)) <= (limit if use_q else limit // 4 * 3):
        return [_word(text, use_q)]
    if use_q:
        costs = [sum([len(_Q[byte]) for byte in character.encode()]) for character in text]
    else:
        costs = [len(character.encode()) for character in text]
    words: list[str] = []
    start = used = 0
    for at, cost in enumerate(costs):
        if used + cost > (limit if use_q else limit // 4 * 3):
            words.append(_word(text[start:at], use_q))
            start, used, limit = at, 0, _ROOM
        used += cost
    words.append(_word(text[start:], use_q))
    return words


def _word(text: str, use_q: bool) -> str:
    if use_q:
        return "=?utf-8?Q?" + "".join(map(_Q.__getitem__, text.encode())) + "?="
    return "=?utf-8?B?" + b2a_base64(text.encode(), newline=False).decode("ascii") + "?="
