"""Where a message ends does not depend on how the network cut it, and a bare line feed never ends one."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mta.demo.incoming import Ending, bare_ends, unstuff

LINE = st.sampled_from([b"", b".", b"..", b".x", b"text", b"a.b", b"...", b"x" * 100])


def stuff(lines: list[bytes]) -> bytes:
    return b"".join((b"." + line if line.startswith(b".") else line) + b"\r\n" for line in lines) + b".\r\n"


def take(wire: bytes, cuts: list[int]) -> tuple[bytes, int]:
    """Feed `wire` in pieces as a session does; return the body and how many octets it took."""
    buffer, ending = bytearray(b"DATA\r\n"), Ending(4)
    edges = sorted({cut % (len(wire) + 1) for cut in cuts} | {len(wire)})
    at = 0
    for edge in edges:
        buffer += wire[at:edge]
        at = edge
        end = ending.find(buffer)
        if end >= 0:
            body = bytes(buffer[ending.start + 2 : end + 2])
            return (unstuff(body)[0] if ending.stuffed else body), end + 5 - 6
    raise AssertionError("no end found")


@settings(max_examples=200, deadline=None)
@given(st.lists(LINE, max_size=8), st.lists(st.integers(0, 10_000), max_size=12))
def test_any_cut_gives_the_same_message(lines: list[bytes], cuts: list[int]) -> None:
    wire = stuff(lines) + b"QUIT\r\n"
    body, used = take(wire, cuts)
    assert body == b"".join(line + b"\r\n" for line in lines)
    assert wire[used:] == b"QUIT\r\n"


def test_only_crlf_dot_crlf_ends_a_message() -> None:
    for smuggled in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r"):
        buffer = bytearray(b"\r\nx" + smuggled)
        assert Ending(0).find(buffer) == -1


def test_the_front_of_the_buffer_may_go_while_a_message_comes_in() -> None:
    buffer, ending = bytearray(b"MAIL\r\nDATA\r\nab"), Ending(10)
    assert ending.find(buffer) == -1
    del buffer[:10]
    ending.moved(10)
    buffer += b"\r\n.\r\n"
    assert buffer[ending.start + 2 : ending.find(buffer) + 2] == b"ab\r\n"


def test_a_dot_that_was_not_doubled_is_told() -> None:
    assert unstuff(b"a\r\n..b\r\n") == (b"a\r\n.b\r\n", True)
    assert unstuff(b"a\r\n.b\r\n") == (b"a\r\nb\r\n", False)
    assert unstuff(b"..\r\n") == (b".\r\n", True)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"a", b"\x0b", b"\x85"]), max_size=12))
def test_bare_ends_are_what_is_left_without_the_pairs(parts: list[bytes]) -> None:
    body = b"".join([*parts, b"\r\n"])
    rest = body.replace(b"\r\n", b"")
    assert bare_ends(body) == (b"\r" in rest or b"\n" in rest)
