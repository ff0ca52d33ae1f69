"""`mta doctor` with a real Redis, name server and files: what is right is ok, each fault is named with its cure."""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mta.cli.main import main
from mta.demo.zone import Fault, Zone
from mta.dkim.generate import generate
from mta.dkim.key import load
from mta.dkim.record import dns_name, dns_record, txt_strings
from tests.net.authority import make

Found = dict[str, dict[str, str]]
"""Findings by what they are about."""
US = "192.0.2.10"
POINTER = ip_address(US).reverse_pointer


def records(zone: Zone, name: str, **kinds: str) -> None:
    zone.add(name, {kind: (text,) for kind, text in kinds.items()})


@pytest.fixture
def port() -> Iterator[int]:
    """A port of this host where somebody answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def healthy(zone: Zone, state: Path) -> Path:
    """The DNS and the key of a sender who has everything right; returns the key."""
    pem = generate("ed25519")
    path = state / "dkim" / "acme.example" / "e1.pem"
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_bytes(pem)
    path.chmod(0o600)
    signer = load("acme.example", "e1", pem)
    strings = " ".join(f'"{part}"' for part in txt_strings(dns_record(signer)))
    records(zone, dns_name(signer), TXT=strings)
    records(zone, POINTER, PTR="mx1.acme.example.")
    records(zone, "mx1.acme.example", A=US)
    records(zone, "bounces.acme.example", TXT=f'"v=spf1 ip4:{US} -all"', MX="10 mx1.acme.example.")
    records(zone, "_dmarc.acme.example", TXT='"v=DMARC1; p=none; rua=mailto:dmarc@acme.example"')
    records(zone, "track.acme.example", A=US)
    records(zone, "peer.test", MX="10 mx.peer.test.")
    records(zone, "mx.peer.test", A="127.0.0.1")
    return path


@pytest.fixture
def configured(config: Path, name_server: int, port: int) -> Path:
    """A configuration that asks the test's name server and has the test's port for port 25."""
    with config.open("a") as file:
        file.write(
            f'[net]\nresolver = ["127.0.0.1:{name_server}"]\nsmtp_port = {port}\nallow_private = true\n'
            f'helo = "mx1.acme.example"\ndane = false\n[dns]\ntimeout = "0.3s"\nlifetime = "0.6s"\n'
        )
    return config


@pytest.fixture
def doctor(configured: Path) -> Callable[..., Found]:
    """Runs doctor; `bad` are the matters that must be bad (Redis's own memory is left to its own test)."""

    def run(*words: str, code: int | None = None, config: Path = configured) -> Found:
        command = ["doctor", "--json", "--reach", "peer.test", "--address", US, *words, "-c", str(config)]
        result = CliRunner().invoke(main, command)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        told = json.loads(result.stdout)
        assert told["ok"] is (result.exit_code == 0)
        assert result.exit_code in (0, 65)
        assert sum(told["counts"].values()) == len(told["findings"])
        for one in told["findings"]:
            assert (one["cure"] == "") is (one["level"] == "ok"), one
        assert len({tuple(one.items()) for one in told["findings"]}) == len(told["findings"])
        if code is not None:
            assert result.exit_code == code, told
        return {f"{one['about']}": one for one in told["findings"]}

    return run


def test_a_sender_who_has_everything_right_is_well(
    doctor: Callable[..., Found], healthy: Path, port: int
) -> None:
    found = doctor()
    ours = {about: one for about, one in found.items() if one["area"] in ("sources", "domains")}
    assert {about: one["level"] for about, one in ours.items()} == {
        f"PTR of {US}": "ok",
        "EHLO name mx1.acme.example": "ok",
        "DKIM e1._domainkey.acme.example": "ok",
        f"SPF of bounces.acme.example for {US}": "ok",
        "DMARC of acme.example": "ok",
        "MX of bounces.acme.example": "ok",
        "host of links track.acme.example": "ok",
    }
    assert found[f"port {port} of peer.test"]["level"] == "ok"
    assert found["safety"]["level"] == "ok"
    assert "appendfsync always" in found["safety"]["says"]
    assert found[f"DKIM key {healthy}"]["level"] == "ok"


@pytest.mark.parametrize(
    ("name", "kinds", "about", "level", "says"),
    [
        (POINTER, {"TXT": '"x"'}, f"PTR of {US}", "bad", "there is none"),
        (POINTER, {"PTR": "other.example."}, f"PTR of {US}", "bad", "does not lead back"),
        ("mx1.acme.example", {"TXT": '"x"'}, "EHLO name mx1.acme.example", "bad", "no address"),
        ("mx1.acme.example", {"A": "192.0.2.99"}, "EHLO name mx1.acme.example", "warn", "not to 192.0.2.10"),
        ("e1._domainkey.acme.example", {"A": US}, "DKIM e1._domainkey.acme.example", "bad", "not there"),
        ("e1._domainkey.acme.example", {"TXT": '"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="'},
         "DKIM e1._domainkey.acme.example", "bad", "the record"),
        ("bounces.acme.example", {"A": US}, f"SPF of bounces.acme.example for {US}", "bad", "there is no record"),
        ("bounces.acme.example", {"TXT": '"v=spf1 ip4:192.0.2.11 -all"'},
         f"SPF of bounces.acme.example for {US}", "bad", "fail"),
        ("bounces.acme.example", {"TXT": '"v=spf1 ip4:192.0.2.11 ~all"'},
         f"SPF of bounces.acme.example for {US}", "warn", "softfail"),
        ("bounces.acme.example", {"TXT": '"v=spf1 ip4:oops -all"'},
         f"SPF of bounces.acme.example for {US}", "bad", "can't be read"),
        ("bounces.acme.example", {"A": US}, "MX of bounces.acme.example", "bad", "bounces do not come back"),
        ("bounces.acme.example", {"MX": "10 gone.acme.example."}, "MX of bounces.acme.example", "bad", "no address"),
        ("_dmarc.acme.example", {"A": US}, "DMARC of acme.example", "bad", "there is no record"),
        ("_dmarc.acme.example", {"TXT": '"v=DMARC1; p=maybe"'}, "DMARC of acme.example", "bad", "p=maybe"),
        ("_dmarc.acme.example", {"TXT": '"v=DMARC1; p=reject"'}, "DMARC of acme.example", "warn", "nobody gets"),
        ("track.acme.example", {"TXT": '"x"'}, "host of links track.acme.example", "bad", "no address"),
    ],
)  # fmt: skip
def test_each_fault_of_the_dns_is_named(
    doctor: Callable[..., Found], healthy: Path, zone: Zone,
    name: str, kinds: dict[str, str], about: str, level: str, says: str,
) -> None:  # fmt: skip
    records(zone, name, **kinds)
    found = doctor(code=65 if level == "bad" else None)[about]
    assert (found["level"], says in found["says"]) == (level, True), found


def test_a_pointer_with_another_name_is_a_warning(
    doctor: Callable[..., Found], healthy: Path, zone: Zone
) -> None:
    records(zone, POINTER, PTR="mx2.acme.example.")
    records(zone, "mx2.acme.example", A=US)
    found = doctor()[f"PTR of {US}"]
    assert (found["level"], found["says"]) == ("warn", "it is mx2.acme.example, EHLO says mx1.acme.example")


def test_a_subdomain_goes_by_the_policy_of_its_organisation(
    doctor: Callable[..., Found], healthy: Path, zone: Zone
) -> None:
    records(zone, "_dmarc.acme.example", TXT='"v=DMARC1; p=none; sp=reject; rua=mailto:a@acme.example"')
    found = doctor("--domain", "news.acme.example")
    assert found["DMARC of news.acme.example"]["says"] == "p=reject, reports to mailto:a@acme.example"
    assert found["DKIM of news.acme.example"]["level"] == "bad"


def test_a_silent_name_server_is_no_fault_of_the_records(
    doctor: Callable[..., Found], healthy: Path, zone: Zone
) -> None:
    zone.faults["_dmarc.acme.example"] = Fault("servfail")
    zone.faults[POINTER] = Fault("drop")
    found = doctor()
    assert found["DMARC of acme.example"]["level"] == "unknown"
    assert found[f"PTR of {US}"]["level"] == "unknown"
    assert found[f"SPF of bounces.acme.example for {US}"]["level"] == "ok"


def test_a_name_server_that_answers_too_late_ends_no_other_check(
    doctor: Callable[..., Found], configured: Path, healthy: Path, zone: Zone
) -> None:
    """The question alone may take longer than the check: the check's own time ends it."""
    text = configured.read_text().replace('timeout = "0.3s"', 'timeout = "60s"')
    configured.write_text(text.replace('lifetime = "0.6s"', 'lifetime = "120s"'))
    zone.faults["_dmarc.acme.example"] = Fault("drop")
    found = doctor("--limit", "1")
    assert found["DMARC of acme.example"]["says"] == "not known after 1 s"
    assert found["DKIM e1._domainkey.acme.example"]["level"] == "ok"


def test_what_two_sources_share_is_said_once(
    doctor: Callable[..., Found], configured: Path, healthy: Path, zone: Zone
) -> None:
    """`doctor` holds that no finding stands twice; sources come from the configuration, too."""
    with configured.open("a") as file:
        file.write(
            '[sources.a]\naddress = "192.0.2.10"\nhelo = "out1"\n[sources.b]\naddress = "192.0.2.11"\nhelo = "out1"\n'
            "[pools.default]\nsources = { a = 1, b = 1 }\n"
        )
    result = CliRunner().invoke(main, ["doctor", "--reach", "peer.test", "-c", str(configured)])
    assert result.stdout.count("EHLO name out1") == 1
    assert "set sources.a.helo" in result.stdout
    for address in ("192.0.2.10", "192.0.2.11"):
        assert f"PTR of {address}" in result.stdout


def test_no_port_25_is_bad(doctor: Callable[..., Found], healthy: Path, zone: Zone) -> None:
    records(zone, "mx.peer.test", A="127.0.0.2")  # nobody listens there
    (found,) = [one for about, one in doctor(code=65).items() if about.startswith("port ")]
    assert found["level"] == "bad"
    assert "provider of this machine" in found["cure"]


def test_a_resolver_that_is_away_is_bad_and_the_rest_is_looked_at(
    doctor: Callable[..., Found], configured: Path, healthy: Path, name_server: int
) -> None:
    text = configured.read_text().replace(f"127.0.0.1:{name_server}", "127.0.0.1:1")
    configured.write_text(text)
    found = doctor(code=65)
    assert found["resolver 127.0.0.1:1"]["level"] == "bad"
    assert found[f"PTR of {US}"]["level"] == "unknown"
    assert found["safety"]["level"] == "ok"


def test_offline_asks_nobody(doctor: Callable[..., Found], healthy: Path) -> None:
    found = doctor("--offline")
    assert found["port 25"]["level"] == "unknown"
    assert not [one for one in found.values() if one["area"] in ("sources", "domains")]


def test_files_that_must_be_secret(doctor: Callable[..., Found], healthy: Path) -> None:
    healthy.chmod(0o644)
    assert doctor(code=65)[f"DKIM key {healthy}"]["cure"] == f"chmod 600 {healthy}"
    healthy.chmod(0o640)
    assert doctor()[f"DKIM key {healthy}"]["level"] == "warn"
    healthy.chmod(0o600)
    healthy.parent.parent.parent.chmod(0o777)
    found = doctor(code=65)[f"state directory {healthy.parent.parent.parent}"]
    assert found["level"] == "bad"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_key_of_root_below_a_state_directory_of_the_engine(
    doctor: Callable[..., Found], healthy: Path, state: Path
) -> None:
    os.chown(state, 12345, 12345)
    found = doctor(code=65)[f"DKIM key {healthy}"]
    assert found["cure"] == f"chown 12345: {healthy}"


def test_a_key_that_is_half_written(doctor: Callable[..., Found], healthy: Path) -> None:
    """Without the DNS, too: it is a fault of this host."""
    healthy.write_bytes(healthy.read_bytes()[:60])
    found = doctor("--offline", code=65)["DKIM key of acme.example"]
    assert "no PEM private key" in found["says"]
    assert str(healthy) in found["says"]


@pytest.mark.parametrize(
    ("days", "level", "says"), [(90, "ok", "lasts"), (5, "warn", "ends in"), (-1, "bad", "ended")]
)
@pytest.mark.parametrize("section", ["inbound", "web"])
def test_the_age_of_certificates(
    doctor: Callable[..., Found], configured: Path, healthy: Path, tmp_path: Path,
    section: str, days: int, level: str, says: str,
) -> None:  # fmt: skip
    made = make("mx1.acme.example", begins=timedelta(days=-9), ends=timedelta(days=days, minutes=5))
    path = tmp_path / "both.pem"
    path.write_bytes(made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.pem)
    path.chmod(0o600)
    configured.write_text(configured.read_text() + f'[{section}]\ncertificate = "{path}"\n')
    result = CliRunner().invoke(main, ["doctor", "--json", "--offline", "-c", str(configured)])
    found = [
        one
        for one in json.loads(result.stdout)["findings"]
        if one["about"] == f"{section}.certificate {path}"
    ]
    assert [one["level"] for one in found if says in one["says"]] == [level], found


def test_a_redis_that_may_lose_mail(
    doctor: Callable[..., Found], healthy: Path, redis: Callable[..., object]
) -> None:
    for name, wrong, right in (
        ("appendfsync", "no", "always"),
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
        ("appendonly", "no", "yes"),
    ):
        redis("CONFIG", "SET", name, wrong)
        try:
            found = doctor("--offline", code=65)["safety"]
        finally:
            redis("CONFIG", "SET", name, right)
        assert (found["level"], name in found["says"]) == ("bad", True), found


def test_a_redis_without_room(
    doctor: Callable[..., Found], healthy: Path, redis: Callable[..., object]
) -> None:
    assert doctor("--offline")["memory"]["says"]
    before = redis("CONFIG", "GET", "maxmemory")[1]  # type: ignore[index]
    redis("CONFIG", "SET", "maxmemory", 0)
    try:
        assert doctor("--offline")["memory"]["says"] == "maxmemory is not set"
        redis("SET", "big", "x" * (24 << 20))
        redis("CONFIG", "SET", "maxmemory", 26 << 20)
        assert doctor("--offline", code=65)["memory"]["says"].endswith("no new mail is accepted")
    finally:
        redis("CONFIG", "SET", "maxmemory", before)


def test_a_redis_that_is_away_ends_no_other_check(
    doctor: Callable[..., Found], configured: Path, healthy: Path, redis_url: str
) -> None:
    configured.write_text(configured.read_text().replace(redis_url, "redis://127.0.0.1:1"))
    found = doctor(code=65)
    assert found["redis"]["level"] == "bad"
    assert found["DKIM e1._domainkey.acme.example"]["level"] == "ok"


def test_a_redis_that_takes_connections_and_is_silent(
    doctor: Callable[..., Found], configured: Path, healthy: Path, redis_url: str, port: int
) -> None:
    configured.write_text(configured.read_text().replace(redis_url, f"redis://127.0.0.1:{port}"))
    found = doctor("--limit", "1", "--offline")
    assert found["redis"] == {
        "area": "redis", "level": "unknown", "about": "redis", "says": "not known after 1 s",
        "cure": "see what does not answer, then look again",
    }  # fmt: skip
    assert found[f"DKIM key {healthy}"]["level"] == "ok"


def test_a_disk_that_hangs_ends_no_other_check(
    doctor: Callable[..., Found], healthy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mount whose server is gone can't be had here: the call for free room stands for it."""
    released = threading.Event()
    monkeypatch.setattr("mta.cli.checkup.machine.shutil.disk_usage", lambda _: released.wait())
    try:
        found = doctor("--limit", "1", "--offline")
    finally:
        released.set()
    assert found["machine"]["says"] == "not known after 1 s"
    assert found[f"DKIM key {healthy}"]["level"] == "ok"


def test_a_check_with_a_fault_of_its_own_ends_no_other_check(
    doctor: Callable[..., Found], healthy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("mta.cli.checkup.machine.shutil.disk_usage", breaks)
    found = doctor("--offline")
    assert found["machine"]["says"] == "the check failed: OSError: [Errno 5] Input/output error"
    assert found[f"DKIM key {healthy}"]["level"] == "ok"


def test_too_few_file_descriptors(doctor: Callable[..., Found], configured: Path, healthy: Path) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    sessions = min(soft, 60_000)  # with what else a process needs it is more than the limit
    configured.write_text(configured.read_text() + f"[workers]\nsessions = {sessions}\n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, sessions), hard))
    try:
        found = doctor("--offline", code=65)["file descriptors of a process started from here"]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "LimitNOFILE=" in found["cure"]


def test_the_clock_is_compared(
    doctor: Callable[..., Found], healthy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr("mta.cli.checkup.server.time.time", lambda: real() + 90)
    assert doctor("--offline", code=65)["time of Redis"]["says"] == "this host's is +90 s off"


def test_text_for_people_has_what_is_wrong_and_its_cure(configured: Path, healthy: Path, zone: Zone) -> None:
    records(zone, "_dmarc.acme.example", A=US)
    command = ["doctor", "--reach", "peer.test", "--address", US, "-c", str(configured)]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 65
    assert "domains:\n  bad     DMARC of acme.example: there is no record" in result.stdout
    assert '          publish: _dmarc.acme.example. TXT "v=DMARC1; p=none' in result.stdout
    assert "MX of bounces.acme.example" not in result.stdout
    assert "MX of bounces.acme.example" in CliRunner().invoke(main, [*command, "--all"]).stdout


@pytest.mark.parametrize(
    "words", [("--address", "nowhere"), ("--domain", "a b"), ("--reach", "a b"), ("--limit", "0")]
)
def test_options_that_can_not_be(configured: Path, words: tuple[str, str]) -> None:
    result = CliRunner().invoke(main, ["doctor", *words, "-c", str(configured)])
    assert result.exit_code in (2, 64)
    assert words[0] in result.stderr


def test_help_has_an_example() -> None:
    assert "mta doctor --address 192.0.2.10" in CliRunner().invoke(main, ["doctor", "--help"]).stdout
