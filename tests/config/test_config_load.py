"""Settings from files, drop-ins and the environment; the shipped file says what the types say."""

import re
import tomllib
from pathlib import Path

import pytest

from mta.config.load import ConfigError, load
from mta.config.settings import Settings
from mta.config.tree import flat, known

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "mta.toml"


def written(folder: Path, text: str, name: str = "mta.toml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_shipped_file_shows_every_setting_at_its_default() -> None:
    document = tomllib.loads(SHIPPED.read_text())
    shown: set[str] = set()

    def walk(table: dict[str, object], prefix: str) -> None:
        for key, value in table.items():
            if isinstance(value, dict):
                walk(value, f"{prefix}{key}.")
            else:
                shown.add(prefix + key)

    walk(document, "")
    assert shown == set(known())
    assert load(SHIPPED, {}).settings == Settings()


def test_the_shipped_file_explains_every_setting_in_the_words_of_the_types() -> None:
    lines = SHIPPED.read_text().splitlines()
    prefix = ""
    seen = 0
    for above, line in zip(["", *lines], lines, strict=False):
        if line.startswith("["):
            prefix = line.strip("[]")
        elif found := re.match(r"(\w+) = ", line):
            assert above == f"# {known()[f'{prefix}.{found[1]}'].doc}"
            seen += 1
    assert seen == len(known())


def test_no_two_settings_share_a_variable() -> None:
    assert len({setting.variable for setting in known().values()}) == len(known())


def test_every_default_is_a_value_its_setting_takes() -> None:
    for setting in known().values():
        default = list(setting.default) if isinstance(setting.default, tuple) else setting.default
        assert setting.read(default) == setting.default, setting.name


def test_nothing_given_gives_the_defaults(tmp_path: Path) -> None:
    loaded = load(None, {}, tmp_path)
    assert loaded.settings == Settings()
    assert loaded.origins == {}


def test_a_file_in_the_directory_is_found(tmp_path: Path) -> None:
    path = written(tmp_path, '[queue]\nlease = "90s"\n')
    loaded = load(None, {}, tmp_path)
    assert loaded.files == (path,)
    assert loaded.settings.queue.lease == 90.0
    assert loaded.origins == {"queue.lease": f"{path}:2"}


def test_drop_ins_follow_by_name_and_the_environment_is_last(tmp_path: Path) -> None:
    file = written(tmp_path, '[net]\nhelo = "one"\nsmtp_port = 1\n[web]\ntrusted_hops = 1\n')
    written(tmp_path, '[net]\nhelo = "three"\n', "conf.d/20.toml")
    written(tmp_path, '[net]\nhelo = "two"\nsmtp_port = 2\n', "conf.d/10.toml")
    settings = load(file, {"MTA_WEB_TRUSTED_HOPS": "3"}).settings
    assert (settings.net.helo, settings.net.smtp_port, settings.web.trusted_hops) == ("three", 2, 3)


def test_the_environment_reaches_every_kind_of_setting() -> None:
    settings = load(
        None,
        {
            "MTA_REDIS_URL": "redis://h/0",
            "MTA_QUEUE_IN_FLIGHT_MOST": "12",
            "MTA_NET_TIMEOUTS_DOT": "250ms",
            "MTA_NET_RESOLVER": "127.0.0.1:5353, 127.0.0.2",
            "MTA_NET_ALLOW_PRIVATE": "yes",
            "MTA_RETRY_URGENT_FACTOR": "0.75",
            "MTA_EVENTS_MAX_BYTES": "2GB",
            "MTA_LIMITS_RATE": "600/min",
            "MTA_CORPORA": "/somewhere",
            "PATH": "/bin",
        },
        Path("/nonexistent"),
    ).settings
    assert settings.redis.url == "redis://h/0"
    assert settings.queue.in_flight_most == 12
    assert settings.net.timeouts.dot == 0.25
    assert settings.net.resolver == ("127.0.0.1:5353", "127.0.0.2")
    assert settings.net.allow_private is True
    assert settings.retry.urgent.factor == 0.75
    assert settings.events.max_bytes == 2 << 30
    assert settings.limits.rate == 10.0


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("[queue]\nleese = 1\n", "mta.toml:2: unknown setting `queue.leese`; did you mean `queue.lease`?"),
        ("[retyr.bulk]\nfirst = 1\n", "unknown table `retyr`; did you mean `retry`?"),
        ("lease = 1\n", "unknown setting `lease`; did you mean `queue.lease`?"),
        ("[queue]\n\nlease = 'soon'\n", "mta.toml:3: `queue.lease` takes a time such as"),
        ("[queue]\nlease = true\n", "not True"),
        ("[queue]\nlease = nan\n", "from 0.001"),
        ("[queue]\nshards = 65\n", "takes a whole number, from 1 to 64, not 65"),
        ("[queue]\nshards = 1.5\n", "not 1.5"),
        ("[redis]\ndurability = 'never'\n", 'takes one of "always", "everysec", not \'never\''),
        ("[web]\nlisten = 'localhost'\n", 'takes an address such as "127.0.0.1:8025"'),
        ("[web]\nmetrics = 'yes'\n", "takes true or false"),
        ("[net]\nresolver = '127.0.0.1'\n", "takes a list"),
        ('[net]\nhelo = "a\\nb"\n', "takes a text"),
        ("net = 5\n", "`net` is a table; write [net]"),
        ("[net\n", "is not TOML"),
        ("[limits]\nrate = '5/fortnight'\n", "takes a rate"),
        ("[inbound]\nmax_size = '5 apples'\n", "takes a size"),
        ("[retry.bulk]\nfactor = 1" + "0" * 400 + "\n", "takes a number"),
    ],
)
def test_a_fault_names_place_setting_and_cure(tmp_path: Path, text: str, wanted: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text), {})
    assert wanted in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_an_unknown_variable_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="MTA_REDIS_URI; did you mean `MTA_REDIS_URL`"):
        load(None, {"MTA_REDIS_URI": "x"}, Path("/nonexistent"))
    with pytest.raises(ConfigError, match=r"MTA_QUEUE_SHARDS \(`queue.shards`\) takes a whole number"):
        load(None, {"MTA_QUEUE_SHARDS": "many"}, Path("/nonexistent"))
    with pytest.raises(ConfigError, match="true or false"):
        load(None, {"MTA_WEB_METRICS": "maybe"}, Path("/nonexistent"))


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        load(tmp_path / "other.toml", {})


def test_derived_paths(tmp_path: Path) -> None:
    settings = load(written(tmp_path, f"[paths]\nstate = '{tmp_path}/s'\n"), {}).settings
    state = tmp_path / "s"
    assert settings.paths.redis == state / "redis"
    assert settings.mail_log == state / "log" / "mail.log"
    assert settings.tracking_keys == state / "keys" / "tracking"
    assert settings.dkim_keys == state / "dkim"
    assert load(None, {"MTA_LOG_MAIL_LOG": "none"}, tmp_path / "x").settings.mail_log is None


def test_flat_tells_what_is_in_force() -> None:
    settings = load(None, {"MTA_WORKERS_COUNT": "2"}, Path("/nonexistent")).settings
    assert flat(settings)["workers.count"] == 2
    assert flat(Settings())["workers.count"] == 0
