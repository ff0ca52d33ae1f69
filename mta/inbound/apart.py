"""The process that reads reports: whatever a stranger's mail does to the reader, it does to this process alone.

`python -m mta.inbound.apart CPU_SECONDS MEMORY_BYTES`: takes mails on stdin and gives reports on stdout, each with
its length before it, until stdin ends. It opens no file and no socket. A mail over the processor time ends the
process (SIGXCPU), one over the memory too.
"""

import math
import resource
import struct
import sys
from typing import BinaryIO, Final

import msgspec

from mta.bounce.report import Report, read

LENGTH: Final = struct.Struct(">I")
"""Before each message in either direction."""


def main(mails: BinaryIO, answers: BinaryIO, cpu: int, memory: int) -> None:
    """Read mails until there are no more. Raises MemoryError, which ends the process."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    encode = msgspec.msgpack.Encoder().encode
    while len(head := mails.read(LENGTH.size)) == LENGTH.size:
        raw = mails.read(LENGTH.unpack(head)[0])
        _allow(cpu)
        reports: list[Report] = read(raw)
        answer = encode(reports)
        answers.write(LENGTH.pack(len(answer)) + answer)
        answers.flush()


def _allow(seconds: int) -> None:
    """Let this process use so many seconds of processor time from now on: the kernel counts them from its start."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = math.ceil(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer, int(sys.argv[1]), int(sys.argv[2]))
