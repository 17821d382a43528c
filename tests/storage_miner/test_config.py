"""Settings: each is checked, and each refusal names the key and a cure."""

import os
from pathlib import Path
from typing import Any

import pytest

from primitives.crypto.keys import KeyPair
from primitives.crypto.ss58 import ss58_encode
from primitives.keystore import save_keyfile
from storage_miner import config as config_module
from storage_miner.config import CONFIG_BYTES_MAX, MinerConfig, from_mapping, load, parse_size
from storage_miner.errors import ConfigInvalid, KeyUnusable
from storage_miner.store import VolumePlan

LEAST: dict[str, Any] = {
    "rpc": "ws://127.0.0.1:9944",
    "data_dir": "/data",
    "space": "512MiB",
    "suri": "//Miner1",
}


def made(**settings: Any) -> MinerConfig:
    return from_mapping({**LEAST, **settings})


@pytest.mark.parametrize(
    ("processors", "workers"),
    [(1, 1), (2, 1), (3, 2), (9, 8), (64, config_module.WORKERS_USUAL_MAX)],
)
def test_all_processors_but_one_work_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, processors: int, workers: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)))
    assert made().workers == workers
    assert made(workers=3).workers == 3


def test_the_least_configuration_has_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    config = made()
    assert (config.host, config.port, config.workers, config.restore) == (
        "127.0.0.1",
        15001,
        1,
        True,
    )
    assert config.space == 512 << 20
    assert config.load_key().account_id == KeyPair.from_suri("//Miner1").account_id


@pytest.mark.parametrize(
    ("text", "size"),
    [("1048576", 1 << 20), ("2TiB", 2 << 40), ("500 GB", 500 * 10**9), ("64mib", 64 << 20)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "many", "-1", "1.5GiB", "1 parsec", "1" * 30])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rpcs": "ws://x"}, "did you mean `rpc`"),
        ({"zzz": 1}, "known keys"),
        ({"rpc": "http://127.0.0.1"}, "`rpc`"),
        ({"rpc": 5}, "`rpc`"),
        ({"rpc": []}, "`rpc`.*1 to 8"),
        ({"rpc": ["ws://a:1", 5]}, "`rpc`"),
        ({"rpc": ["ws://a:1", "ws://a:1"]}, "`rpc`.*twice"),
        ({"rpc": None}, "`rpc` is missing"),
        ({"data_dir": ""}, "`data_dir`"),
        ({"space": "1MiB"}, "`space`"),
        ({"space": True}, "`space`"),
        ({"space": 1 << 61}, "`space`"),
        ({"port": 70000}, "`port`"),
        ({"port": "80"}, "`port`"),
        ({"workers": 0}, "`workers`"),
        ({"workers": 65}, "`workers`"),
        ({"declared_units": 0}, "`declared_units`"),
        ({"restore": "yes"}, "`restore`"),
        ({"endpoint": "ftp://x"}, "`endpoint`"),
        ({"endpoint": "http://" + "x" * 100}, "100 bytes"),
        ({"beneficiary": "nonsense"}, "`beneficiary`"),
        ({"log_level": "loud"}, "`log_level`"),
        ({"suri": None}, "exactly one key"),
        ({"keyfile": "/nowhere"}, "exactly one key"),
        ({"suri": None, "keyfile": "/nowhere"}, "no file"),
        ({"suri": "bottom drive obey lake curtain smoke basket hold race lonely"}, "key file"),
        ({"host": "0.0.0.0"}, "`endpoint` is needed"),
        ({"port": 0, "endpoint": "http://127.0.0.1:1"}, "`port` is 0"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigInvalid, match=said):
        made(**settings)


def test_a_refused_phrase_is_not_repeated() -> None:
    with pytest.raises(ConfigInvalid) as caught:
        made(suri="bottom drive obey lake curtain smoke basket hold race lonely fit walk")
    assert "drive obey" not in str(caught.value)


def test_flags_win_over_the_file_and_paths_count_from_it(tmp_path: Path) -> None:
    path = tmp_path / "miner.toml"
    path.write_text(
        'rpc = "ws://a:1"\ndata_dir = "data"\nspace = "1GiB"\nsuri = "//Alice"\nport = 5\n'
    )
    config = load(path, {"port": 6, "rpc": None})
    assert (config.port, config.rpc, config.data_dir) == (6, ("ws://a:1",), tmp_path / "data")


def test_several_nodes_are_a_list_or_a_text_with_commas_and_flags_replace_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "miner.toml"
    path.write_text(
        'rpc = ["ws://a:1", "ws://b:1"]\ndata_dir = "data"\nspace = "1GiB"\nsuri = "//Alice"\n'
    )
    assert load(path, {"rpc": ()}).rpc == ("ws://a:1", "ws://b:1")
    assert load(path, {"rpc": ("ws://c:1,ws://d:1", "ws://e:1")}).rpc == (
        "ws://c:1",
        "ws://d:1",
        "ws://e:1",
    )


def test_volumes_are_tables_and_their_paths_count_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "miner.toml"
    path.write_text(
        'rpc = "ws://a:1"\nsuri = "//Alice"\nscrub_rate = "40MiB"\nconnections_max = 64\n'
        '[[volumes]]\npath = "one"\nspace = "1GiB"\n'
        '[[volumes]]\npath = "/mnt/two"\nspace = "2GiB"\n'
    )
    config = load(path, {})
    assert config.plans == (
        VolumePlan(tmp_path / "one", 1 << 30),
        VolumePlan(Path("/mnt/two"), 2 << 30),
    )
    assert (config.data_dir, config.space) == (tmp_path / "one", 3 << 30)
    assert (config.scrub_rate, config.connections_max) == (40 << 20, 64)
    assert load(path, {}, needs_disk=False).plans == config.plans


def test_a_data_directory_is_short_for_one_volume() -> None:
    assert made().plans == (VolumePlan(Path("/data"), 512 << 20),)


@pytest.mark.parametrize(
    ("volumes", "said"),
    [
        ("one", "tables"),
        ([], "tables"),
        ([{"path": "a", "space": "1GiB"}] * 17, "1 to 16"),
        (["a"], "table 1"),
        ([{"path": "a"}], "table 1 must have"),
        ([{"path": "a", "space": "1GiB", "size": 1}], "and nothing else"),
        ([{"path": "a", "space": "1GiB"}, {"path": 5, "space": "1GiB"}], "table 2"),
        ([{"path": "a", "space": "1MiB"}], "table 1: 1048576 bytes are outside"),
    ],
)
def test_volumes_that_are_not_right_are_named(volumes: object, said: str) -> None:
    settings = {key: value for key, value in LEAST.items() if key not in ("data_dir", "space")}
    with pytest.raises(ConfigInvalid, match=said):
        from_mapping({**settings, "volumes": volumes})


def test_volumes_and_a_data_directory_exclude_one_another() -> None:
    with pytest.raises(ConfigInvalid, match="leave them out"):
        made(volumes=[{"path": "a", "space": "1GiB"}])


@pytest.mark.parametrize(
    "settings",
    [
        {"scrub_rate": 0},
        {"scrub_rate": "fast"},
        {"connections_max": 7},
        {"connections_max": 1 << 17},
    ],
)
def test_limits_have_limits(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigInvalid, match=next(iter(settings))):
        made(**settings)


def test_commands_without_a_disk_need_no_disk_settings() -> None:
    assert load(None, {"rpc": "ws://a:1", "suri": "//Alice"}, needs_disk=False).rpc == ("ws://a:1",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"rpc = ", "is not TOML"),
        (b"\xff\xfe", "is not TOML"),
        (b"#" * (CONFIG_BYTES_MAX + 1), "longer than"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "miner.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigInvalid, match=said):
        load(path, {})


def test_a_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    path = tmp_path / "miner.toml"
    text = 'rpc = "ws://a:1"\ndata_dir = "data"\nspace = "1GiB"\nsuri = "//Alice"\n#'
    path.write_text(text.ljust(CONFIG_BYTES_MAX, "x"))
    assert load(path, {}).rpc == ("ws://a:1",)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"nothing\.toml"):
        load(tmp_path / "nothing.toml", {})


def keyfile(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "miner.key"
    save_keyfile(path, "//Bob", "correct horse")
    return {"suri": None, "keyfile": path}


def test_a_key_file_opens_with_the_password_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("correct horse\n")
    config = made(**keyfile(tmp_path), password_file=tmp_path / "password")
    assert config.load_key().account_id == KeyPair.from_suri("//Bob").account_id


def test_a_password_that_is_no_text_opens_what_it_closed(tmp_path: Path) -> None:
    raw = b"gr\xfc\xdfe"
    path = tmp_path / "other.key"
    save_keyfile(path, "//Miner1", raw.decode("utf-8", "surrogateescape"), scrypt_log_n=14)
    (tmp_path / "password").write_bytes(raw + b"\n")
    config = made(suri=None, keyfile=path, password_file=tmp_path / "password")
    assert config.load_key().public == KeyPair.from_suri("//Miner1").public


def test_a_key_file_opens_with_the_password_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(config_module.PASSWORD_VARIABLE, "correct horse")
    assert made(**keyfile(tmp_path)).load_key().scheme == "sr25519"


def test_no_password_and_a_wrong_one_are_told_apart_and_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(config_module.PASSWORD_VARIABLE, raising=False)
    config = made(**keyfile(tmp_path))
    with pytest.raises(KeyUnusable, match=config_module.PASSWORD_VARIABLE):
        config.load_key()
    monkeypatch.setenv(config_module.PASSWORD_VARIABLE, "wrong battery")
    with pytest.raises(KeyUnusable) as caught:
        config.load_key()
    assert "wrong battery" not in str(caught.value)


def test_a_password_file_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(os.urandom(config_module.PASSWORD_BYTES_MAX + 1))
    config = made(**keyfile(tmp_path), password_file=tmp_path / "password")
    with pytest.raises(KeyUnusable, match="too long"):
        config.load_key()


def test_a_beneficiary_is_an_address() -> None:
    account = KeyPair.from_suri("//Alice").account_id
    assert made(beneficiary=ss58_encode(account)).beneficiary_account() == account
    assert made().beneficiary_account() is None
