"""Do others agree with our signatures? N awkward messages through the whole engine, verified by three programs.

    python -m bench.signatures --messages 10000 --json

Random merge values, Unicode, long lines, dots at line starts, attachments. Each captured message must have CRLF line
ends only, parse without a defect, and verify: RSA in dkimpy, OpenDKIM and Mail::DKIM, Ed25519 in dkimpy and OpenDKIM.
"""

import asyncio
import base64
import json
import random
import re
import shutil
import subprocess
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import click
import dkim

from bench.load import connect, entry
from bench.machine import machine
from bench.rig import Rig, Setup
from mta.demo.nameserver import Nameserver
from mta.demo.zone import Zone
from mta.dkim.key import load
from mta.dkim.record import dns_name, dns_record, txt_strings

SCHEMA = 1
TENANTS = 4
PER_CAMPAIGN = 25
COLUMNS = ["email", "name", "first", "note", "code"]
_PIECES = (
    ".", "..", ".\r\n.", "\n.\n", " ", "  two", "\t", "ö", "Grüße", "日本語のテキスト", "שלום", "🙂", "a" * 300,
    "=3D", "=", "<b>&amp;</b>", '"quoted"', "From the start", "\nFrom x", "{{", "}}", "-- ", "é" * 90, "x y z",
    "%41", "?=",
)  # fmt: skip


def value(chance: random.Random, *, line: bool = False) -> str:
    """Return an awkward merge value; on one `line` where it stands in a header."""
    text = "".join(chance.choice(_PIECES) for _ in range(chance.randint(0, 6)))
    return re.sub(r"[\r\n\t]+", " ", text)[:200].strip() if line else text


def literal(text: str) -> str:
    """Return text that the template takes as it is: no merge field begins or ends in it."""
    return re.sub(r"[{}]{2,}", "", text)


def campaign(chance: random.Random, tenant: str, name: str) -> dict[str, Any]:
    """Return a campaign document with awkward content."""
    paragraphs = [literal("".join(chance.choice(_PIECES) for _ in range(12))) for _ in range(4)]
    html = "<html><body>" + "".join(
        f"<p>{{{{note}}}} {text}</p><a href='https://x.example/{n}?c={{{{code}}}}'>go</a>"
        for n, text in enumerate(paragraphs)
    )
    document: dict[str, Any] = {
        "id": name, "tenant": tenant, "list": "all", "from": f"Nachrichten Ö <news@{tenant}.example>",
        "subject": "{{first|you}}: " + literal(value(chance, line=True)),
        "text": ".\n..\n.{{note}}\n" + "\n".join(paragraphs),
        "headers": {"X-Run": literal(value(chance, line=True)) or "none"},
        "track": {"opens": True, "clicks": True},
    }  # fmt: skip
    if chance.random() < 0.8:
        document["html"] = html + "</body></html>"
    if chance.random() < 0.4:
        data = chance.randbytes(chance.randint(0, 3000))
        document["attachments"] = [
            {"name": "Übersicht.pdf", "type": "application/pdf", "data": base64.b64encode(data).decode()}
        ]
    return document


async def submit(rig: Rig, count: int, seed: int) -> None:
    """Submit the campaigns."""
    redis = connect(rig.redis_url)
    chance = random.Random(seed)
    number = 0
    for start in range(0, count, PER_CAMPAIGN):
        tenant, name = f"t{start // PER_CAMPAIGN % TENANTS}", f"c{start}"
        await redis.xadd("mta:submit:bulk", entry("campaign", tenant, name, campaign(chance, tenant, name)))
        rows = []
        for _ in range(min(PER_CAMPAIGN, count - start)):
            domain = f"d{chance.randint(0, 9)}.example.test"
            who, first = value(chance, line=True), value(chance, line=True)
            rows.append([f"u{number}@{domain}", who, first, value(chance), value(chance, line=True)])
            number += 1
        people = {"campaign": name, "columns": COLUMNS, "rows": rows, "last": True}
        await redis.xadd("mta:submit:bulk", entry("recipients", tenant, f"{name}.r", people))
    await redis.aclose()


async def until_delivered(rig: Rig, count: int, seconds: float) -> dict[str, int]:
    """Wait for the final events; return them by kind."""
    redis = connect(rig.redis_url)
    try:
        async with asyncio.timeout(seconds):
            while True:
                finals: dict[str, int] = {}
                async for key in redis.scan_iter("mta:{0}:count:*", count=1000):
                    for kind, number in (await redis.hgetall(key)).items():
                        if kind in ("delivered", "bounced", "failed", "expired", "suppressed"):
                            finals[kind] = finals.get(kind, 0) + int(number)
                if sum(finals.values()) >= count:
                    return finals
                await asyncio.sleep(0.2)
    finally:
        await redis.aclose()


def records(rig: Rig) -> dict[str, str]:
    """Return the DKIM records of the rig's keys, by name."""
    out = {}
    for path in sorted((rig.state / "dkim").glob("*/*.pem")):
        signer = load(path.parent.name, path.stem, path.read_bytes())
        out[dns_name(signer)] = dns_record(signer)
    return out


# the judges


def by_form(paths: list[Path]) -> list[str]:
    """Return what is wrong with the messages' form."""
    faults = []
    for path in paths:
        raw = path.read_bytes()
        if raw.count(b"\n") != raw.count(b"\r\n") or raw.count(b"\r") != raw.count(b"\r\n"):
            faults.append(f"{path.name}: a line does not end in CRLF")
        if any(len(line) > 998 for line in raw.split(b"\r\n")):
            faults.append(f"{path.name}: a line is longer than 998")
        message = message_from_bytes(raw, policy=policy.default)
        for part in message.walk():
            if part.defects:
                faults.append(f"{path.name}: {part.defects}")
            if not part.is_multipart():
                part.get_content()
    return faults


def by_dkimpy(paths: list[Path], keys: dict[str, str]) -> list[str]:
    """Return the messages of which dkimpy does not verify both signatures."""

    def ask(name: bytes, timeout: int = 5) -> bytes:
        return keys[name.decode().rstrip(".")].encode()

    faults = []
    for path in paths:
        verifier = dkim.DKIM(path.read_bytes())
        count = sum(name.lower() == b"dkim-signature" for name, _ in verifier.headers)
        if count != 2 or not all(verifier.verify(idx=number, dnsfunc=ask) for number in range(count)):
            faults.append(path.name)
    return faults


def by_opendkim(paths: list[Path], keys: dict[str, str], work: Path) -> list[str] | None:
    """Return the messages of which OpenDKIM does not verify both signatures; None when it is not installed."""
    program = shutil.which("opendkim", path="/usr/sbin:/usr/bin:/sbin:/usr/local/sbin")
    if program is None:
        return None
    (work / "keys").write_text("".join(f"{name} {record}\n" for name, record in keys.items()))
    (work / "conf").write_text(f"Mode v\nTestPublicKeys {work / 'keys'}\n")
    faults = []
    for path in paths:
        said = subprocess.run(
            [program, "-x", str(work / "conf"), "-vvv", "-t", str(path)],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        rsa = re.search(r"dkim=pass [^;]*header\.a=rsa-sha256", said)
        ed25519 = re.search(r"dkim=pass [^;]*header\.a=ed25519-sha256", said)
        if not (rsa and ed25519):
            faults.append(path.name)
    return faults


def by_mail_dkim(paths: list[Path], keys: dict[str, str], work: Path) -> list[str] | None:
    """Return the messages whose RSA signature Mail::DKIM does not verify; None when it is not installed.

    It asks a real name server for the keys. It may not know Ed25519: only its verdict on RSA counts.
    """
    if subprocess.run(["perl", "-MMail::DKIM", "-e1"], capture_output=True, check=False).returncode:
        return None
    return asyncio.run(_by_mail_dkim(paths, keys, work))


async def _by_mail_dkim(paths: list[Path], keys: dict[str, str], work: Path) -> list[str]:
    zone = Zone(origins=("example",))
    for name, record in keys.items():
        zone.add(name, {"TXT": (" ".join(f'"{part}"' for part in txt_strings(record)),)})
    server = Nameserver(zone)
    port = await server.start("127.0.0.1")
    (work / "list").write_text("".join(f"{path}\n" for path in paths))
    script = str(Path(__file__).with_name("verify_dkim.pl"))
    process = await asyncio.create_subprocess_exec(
        "perl", script, str(port), str(work / "list"), stdout=asyncio.subprocess.PIPE
    )
    said = (await process.communicate())[0].decode()
    await server.stop()
    good = {line.partition("\t")[0] for line in said.splitlines() if "rsa-sha256=pass" in line}
    return [path.name for path in paths if str(path) not in good]


def run(count: int, seed: int = 1, seconds: float = 900.0) -> dict[str, Any]:
    """Send `count` messages and ask every judge; return the document."""
    with Rig(Setup(tenants=TENANTS, double=True, receiver="sink")) as rig:
        folder = rig.root / "captured"
        rig.restart_receiver("--capture", str(folder), "--capture-max", str(count))
        rig.start_engine()
        asyncio.run(submit(rig, count, seed))
        finals = asyncio.run(until_delivered(rig, count, seconds))
        code = rig.stop_engine()
        paths = sorted(folder.glob("*.eml"))
        keys = records(rig)
        return {
            "bench": "signatures",
            "schema": SCHEMA,
            "machine": machine(),
            "messages": count,
            "seed": seed,
            "finals": finals,
            "captured": len(paths),
            "distinct": len({path.read_bytes() for path in paths}),
            "form_faults": by_form(paths),
            "dkimpy_faults": by_dkimpy(paths, keys),
            "opendkim_faults": by_opendkim(paths, keys, rig.root),
            "mail_dkim_faults": by_mail_dkim(paths, keys, rig.root),
            "exit_code": code,
        }


@click.command()
@click.option("--messages", default=10_000)
@click.option("--seed", default=1)
@click.option("--json", "as_json", is_flag=True)
def main(messages: int, seed: int, as_json: bool) -> None:
    """Verify our signatures with other people's programs."""
    document = run(messages, seed)
    if as_json:
        click.echo(json.dumps(document, indent=1))
        return
    for name in ("form", "dkimpy", "opendkim", "mail_dkim"):
        faults = document[f"{name}_faults"]
        said = "not installed" if faults is None else f"{len(faults)} of {document['captured']} at fault"
        click.echo(f"{name}: {said}")


if __name__ == "__main__":
    main()
