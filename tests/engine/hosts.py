"""Hosts for a test: network namespaces with a cable each to this machine, made and taken away by the test."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10)


class Host:
    """A network namespace; `here` is this machine's end of its cable, `there` the host's."""

    def __init__(self, number: int) -> None:
        tag = f"{os.getpid() % 100_000}{number}"
        self.name, self.near, self.far = f"mta-test-{tag}", f"mt{tag}n", f"mt{tag}f"
        net = f"10.{100 + os.getpid() % 100}.{os.getpid() // 100 % 64 * 4 + number}"
        self.here, self.there = f"{net}.1", f"{net}.2"

    def make(self) -> None:
        """Make the namespace and its cable."""
        _ip("netns", "add", self.name)
        _ip("link", "add", self.near, "type", "veth", "peer", "name", self.far, "netns", self.name)
        _ip("addr", "add", f"{self.here}/30", "dev", self.near)
        _ip("link", "set", self.near, "up")
        for words in (
            ("addr", "add", f"{self.there}/30", "dev", self.far),
            ("link", "set", self.far, "up"),
            ("link", "set", "lo", "up"),
            ("route", "add", "default", "via", self.here),
        ):
            _ip("-n", self.name, *words)

    def cut(self) -> None:
        """Take the cable away: nothing is refused, nothing comes back."""
        _ip("link", "set", self.near, "down")

    def heal(self) -> None:
        """Put the cable back."""
        _ip("link", "set", self.near, "up")

    def remove(self) -> None:
        """Take both away."""
        for words in (("link", "del", self.near), ("netns", "del", self.name)):
            with contextlib.suppress(subprocess.SubprocessError):
                _ip(*words)

    @property
    def prefix(self) -> list[str]:
        """What goes before a command that is to run on this host."""
        return ["ip", "netns", "exec", self.name]


def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Give two hosts; skips where network namespaces can't be had."""
    if shutil.which("ip") is None:
        pytest.skip("needs `ip` (iproute2)")
    made = Host(0), Host(1)
    try:
        try:
            for one in made:
                one.make()
        except (subprocess.SubprocessError, OSError) as error:
            said = getattr(error, "stderr", b"") or b""
            pytest.skip(f"network namespaces can't be made here: {said.decode().strip() or error}")
        yield made
    finally:
        for one in made:
            one.remove()
