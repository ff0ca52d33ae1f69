"""Passwords from files: the first line, and what is refused by name."""

from pathlib import Path

import pytest

from mta.net.login import LoginError, read_login


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "password"
    made.touch(mode=0o600)
    return made


@pytest.mark.parametrize("data", [b"secret", b"secret\n", b"secret\r\nmore\n"])
def test_the_first_line_is_the_password(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    login = read_login("me", str(path))
    assert (login.user, login.password) == ("me", "secret")


@pytest.mark.parametrize("data", [b"", b"\nsecret", b"a\0b", b"\xff", b"x" * 2000])
def test_what_is_no_password(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(LoginError, match=str(path)):
        read_login("me", str(path))


def test_a_file_that_is_missing_or_everybodys(path: Path) -> None:
    path.write_bytes(b"secret")
    path.chmod(0o644)
    with pytest.raises(LoginError, match="everybody may read"):
        read_login("me", str(path))
    with pytest.raises(LoginError, match="No such file"):
        read_login("me", str(path) + ".missing")
