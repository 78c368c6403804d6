"""Settings: a wrong one is named, with what is allowed; secrets stay out of sight; children get the same ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridpulse.secrets import SUBSCRIPTIONS_KEY_FILE, SecretsError, store_secrets, subscriptions_key
from gridpulse.settings import SettingsError, load_settings


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("GRIDPULSE_")]:
        monkeypatch.delenv(name)


def test_an_unknown_setting_is_named_with_the_nearest_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDPULSE_PARTITION", "4")
    with pytest.raises(SettingsError, match="GRIDPULSE_PARTITION; did you mean GRIDPULSE_PARTITIONS"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("GRIDPULSE_API_PORT", "99999", "GRIDPULSE_API_PORT.*65535"),
        ("GRIDPULSE_CLOCK", "moon", "GRIDPULSE_CLOCK.*'wall' or 'log'"),
        ("GRIDPULSE_SITE_TIMEZONE", "Mars/Base", "GRIDPULSE_SITE_TIMEZONE.*IANA"),
        ("GRIDPULSE_PARTITIONS", "many", "GRIDPULSE_PARTITIONS.*integer"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=message):
        load_settings()


def test_the_command_line_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDPULSE_API_PORT", "9000")
    assert load_settings({"api_port": 9001}).api_port == 9001
    assert load_settings({"api_port": None}).api_port == 9000


def test_a_child_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings({"data_dir": Path("elsewhere"), "partitions": 7, "clickhouse_password": "s3cret"})
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings


def test_two_urls_choose_the_world() -> None:
    embedded = load_settings({"data_dir": Path("d")})
    assert embedded.effective_log_url == "sqlite:///d/log.sqlite"
    assert embedded.embedded_store
    production = load_settings({"log_url": "kafka://k:9092", "clickhouse_url": "http://u@c:8123/gridpulse"})
    assert production.is_kafka
    assert not production.embedded_store


def test_passwords_are_not_shown_by_repr(tmp_path: Path) -> None:
    assert "s3cret" not in repr(load_settings({"clickhouse_password": "s3cret"}))
    secrets = store_secrets(tmp_path)
    assert secrets.writer not in repr(secrets)


def test_store_secrets_are_made_once_and_are_their_owners_alone(tmp_path: Path) -> None:
    first = store_secrets(tmp_path)
    assert store_secrets(tmp_path).writer == first.writer
    assert first.writer != first.reader
    assert (tmp_path / "store-secrets.json").stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["store-secrets.json"]


def test_the_key_of_subscriptions_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    first = subscriptions_key(tmp_path)
    assert subscriptions_key(tmp_path) == first
    assert len(first) == 32
    assert subscriptions_key(tmp_path / "other") != first
    path = tmp_path / SUBSCRIPTIONS_KEY_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == [SUBSCRIPTIONS_KEY_FILE]
    path.chmod(0o640)
    with pytest.raises(SecretsError, match="chmod 600"):
        subscriptions_key(tmp_path)


@pytest.mark.parametrize("content", [b"", b"secret", b"!!", b"AAAA" * 20])
def test_a_file_that_is_no_key_of_subscriptions_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.key"
    with pytest.raises(SecretsError, match="can't read"):
        subscriptions_key(tmp_path, path)
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SecretsError, match="openssl rand -base64 32"):
        subscriptions_key(tmp_path, path)
    path.write_bytes(b"7" * 43 + b"=\n")
    assert len(subscriptions_key(tmp_path, path)) == 32


def test_networks_for_webhooks_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDPULSE_WEBHOOK_ALLOW_PRIVATE", "10.1.0.0/16, ::1")
    assert load_settings().webhook_allow_private == "10.1.0.0/16, ::1"
    monkeypatch.setenv("GRIDPULSE_WEBHOOK_ALLOW_PRIVATE", "10.1.0.0/33")
    with pytest.raises(SettingsError, match=r"GRIDPULSE_WEBHOOK_ALLOW_PRIVATE.*10\.1\.0\.0/16"):
        load_settings()
