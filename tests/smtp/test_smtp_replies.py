"""Replies are read the same however they are split, and a hostile server costs neither memory nor time."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mta.reply import Reply
from mta.smtp.replies import MAX_LINE, MAX_LINES, MAX_REPLY, ProtocolError, ReplyReader

GOOD: dict[bytes, list[Reply]] = {
    b"": [],
    b"250 Ok\r\n": [Reply(250, ("Ok",))],
    b"250\r\n": [Reply(250, ("",))],
    b"250 \r\n": [Reply(250, ("",))],
    b"250 Ok\n": [Reply(250, ("Ok",))],
    b"250-a\r\n250-b\r\n250 c\r\n": [Reply(250, ("a", "b", "c"))],
    b"250-a\n250\r\n": [Reply(250, ("a", ""))],
    b"250-\r\n250 \r\n": [Reply(250, ("", ""))],
    b"250 a\r\n550-b\r\n550 c\r\n354 d\r\n": [Reply(250, ("a",)), Reply(550, ("b", "c")), Reply(354, ("d",))],
    b"299 odd\r\n": [Reply(299, ("odd",))],
    b"599 odd\r\n": [Reply(599, ("odd",))],
    b"250  two  spaces \r\n": [Reply(250, (" two  spaces ",))],
    b"250 caf\xc3\xa9\r\n": [Reply(250, ("caf\u00e9",))],
    b"250 caf\xe9\r\n": [Reply(250, ("caf\ufffd",))],
    b"250 a\x00b\x1b[2J\x7f\tz\r\n": [Reply(250, ("a?b?[2J? z",))],
    b"250 \xc2\x9b2J\xe2\x80\xa8\r\n": [Reply(250, ("?2J?",))],
    b"250 a\rb\r\r\n": [Reply(250, ("a?b?",))],
    b"250 -\r\n": [Reply(250, ("-",))],
    b"220 " + b"*" * 40 + b"\r\n": [Reply(220, ("*" * 40,))],
}

BAD: dict[bytes, str] = {
    b"\r\n": "not an SMTP reply",
    b"25\r\n": "not an SMTP reply",
    b"2500 Ok\r\n": "not an SMTP reply",
    b"250_Ok\r\n": "not an SMTP reply",
    b"250\tOk\r\n": "not an SMTP reply",
    b" 250 Ok\r\n": "not an SMTP reply",
    b"abc Ok\r\n": "not an SMTP reply",
    b"150 Ok\r\n": "not an SMTP reply",
    b"600 Ok\r\n": "not an SMTP reply",
    b"2\xb20 Ok\r\n": "not an SMTP reply",
    b"\x16\x03\x01\x02\n": "not an SMTP reply",
    b"250-a\r\n550 b\r\n": "two codes, 250 and 550",
    b"250-a\r\n\r\n": "not an SMTP reply",
}


def read(pieces: list[bytes]) -> tuple[list[Reply], str]:
    """Return the replies and the fault, if any, of bytes fed in these pieces."""
    reader, replies = ReplyReader(), []
    for piece in pieces:
        try:
            replies += reader.feed(piece)
        except ProtocolError as error:
            return [*replies, *error.before], error.why
    return replies, ""


def singly(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


@pytest.mark.parametrize("data", GOOD)
def test_good_replies_whole_and_byte_by_byte(data: bytes) -> None:
    assert read([data]) == (GOOD[data], "")
    assert read(singly(data)) == (GOOD[data], "")


@pytest.mark.parametrize("data", BAD)
def test_bad_replies_whole_and_byte_by_byte(data: bytes) -> None:
    for pieces in ([data], singly(data), [b"250 first\r\n" + data]):
        replies, fault = read(pieces)
        assert BAD[data] in fault
        assert len(replies) == (pieces[0].startswith(b"250 first"))


def test_replies_before_a_fault_in_the_same_bytes_count() -> None:
    replies, fault = read([b"250 queued\r\nrubbish\r\n250 later\r\n"])
    assert replies == [Reply(250, ("queued",))]
    assert fault


def test_a_broken_reader_stays_broken() -> None:
    reader = ReplyReader()
    for data in (b"rubbish\r\n", b"250 Ok\r\n", b""):
        with pytest.raises(ProtocolError, match="not an SMTP reply: 'rubbish'"):
            reader.feed(data)
    assert "broken" in repr(reader)


def test_a_fault_quotes_little_and_safely() -> None:
    _, fault = read([b"\x1b[2J" + b"x" * 50_000 + b"\r\n"])
    assert "\x1b" not in fault
    assert len(fault) < 200


def test_partial() -> None:
    reader = ReplyReader()
    states = []
    for piece in (b"250-", b"a\r\n", b"250 b", b"\r", b"\n"):
        reader.feed(piece)
        states.append(reader.partial)
    assert states == [True, True, True, True, False]


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_long_line_is_cut(end: bytes) -> None:
    for text in (b"x" * MAX_LINE, b"x" * (MAX_LINE + 1), b"x" * 60_000):
        data = b"250 " + text + end + b"220 next" + end
        for pieces in ([data], [data[:3000], data[3000:]]):
            replies, fault = read(pieces)
            assert not fault
            assert replies == [Reply(250, ("x" * MAX_LINE,)), Reply(220, ("next",))]


def test_lines_beyond_the_cap_are_dropped() -> None:
    replies, fault = read([b"".join(b"250-%d\r\n" % i for i in range(1000)) + b"250 end\r\n"])
    assert not fault
    assert replies == [Reply(250, tuple(str(i) for i in range(MAX_LINES)))]


@pytest.mark.parametrize(
    "line", [b"250-\r\n", b"250-\n", b"250-" + b"x" * 5000 + b"\r\n", b"250" + b"-" * 70_000], ids=len
)
def test_an_endless_reply_is_a_fault(line: bytes) -> None:
    reader, fed, fault = ReplyReader(), 0, ""
    while not fault:
        assert fed <= MAX_REPLY + len(line)
        fed += len(line)
        try:
            assert reader.feed(line) == []
        except ProtocolError as error:
            fault = error.why
    assert fed > MAX_REPLY
    assert "longer than" in fault


def test_a_line_without_end_is_a_fault_byte_by_byte() -> None:
    reader = ReplyReader()
    for _ in range(MAX_REPLY):
        assert reader.feed(b"2") == []
    with pytest.raises(ProtocolError, match="longer than"):
        reader.feed(b"2")


def test_the_cap_is_for_one_reply() -> None:
    replies, fault = read([b"250-" + b"x" * 40_000 + b"\r\n250 y\r\n"] * 5)
    assert len(replies) == 5
    assert not fault


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in pairwise(edges)]


@given(
    st.lists(st.sampled_from([*GOOD, *BAD]), max_size=6).map(b"".join) | st.binary(max_size=60),
    st.lists(st.integers(0, 10_000), max_size=8),
)
@example(b"250-a\r\n250 b\r\n", [3, 7])
@settings(max_examples=200, deadline=None)
def test_splits_change_nothing(data: bytes, places: list[int]) -> None:
    assert read(cut(data, places)) == read([data]) == read(singly(data))
