"""Settings: wrong ones are named without telling secrets; the key that is made belongs to its owner alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from inbox import config
from inbox.config import WrongSetting

CANARY = "canary-6a1f-horse"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", f"postgres://madoguchi:{CANARY}@db.example/inbox"),
        ("REDIS_URL", f"http://:{CANARY}@redis.example:6379"),
    ],
)
def test_s29_a_wrong_address_is_named_without_its_password(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    config.settings.cache_clear()
    with pytest.raises(WrongSetting) as caught:
        config.settings()
    config.settings.cache_clear()
    assert name in str(caught.value)
    assert CANARY not in str(caught.value)


def test_another_wrong_setting_is_shown_as_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "eighty")
    config.settings.cache_clear()
    with pytest.raises(WrongSetting, match="eighty"):
        config.settings()
    config.settings.cache_clear()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("SECRET_KEY", "short-and-secret", "at least 32 characters"),
        ("TLS_CA_FILE", "/nowhere/ca.pem", "cannot be read"),
        ("TLS_CA_FILE", __file__, "cannot be read"),
        ("DATABASE_URL", "postgresql://u@h:notaport/x", "no address of a database"),
        ("DATABASE_URL", "sqlite:///", "names no database"),
        ("REDIS_URL", "redis://h:notaport", "names no server"),
        ("BLOB_URL", "file://relative/x", "a whole path"),
        ("BASE_URL", "http://", "names no server"),
        ("BASE_URL", "https://inbox.example:99999", "names no server"),
    ],
)
def test_what_cannot_be_is_named_at_the_start(
    name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    config.settings.cache_clear()
    with pytest.raises(WrongSetting, match=f"{name}.*{told}") as caught:
        config.settings()
    config.settings.cache_clear()
    assert "short-and-secret" not in str(caught.value)


def test_an_env_file_in_another_charset_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_bytes("# 設定\nPORT=8025\n".encode("cp932"))
    monkeypatch.setitem(config.Settings.model_config, "env_file", tmp_path / ".env")  # type: ignore[misc]
    config.settings.cache_clear()
    with pytest.raises(WrongSetting, match="UTF-8"):
        config.settings()
    config.settings.cache_clear()


def test_the_key_is_at_no_moment_readable_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    link = os.link

    def looked(source: Path, target: Path) -> None:
        seen.append(source.stat().st_mode & 0o077)
        link(source, target)

    chmod = Path.chmod

    def looked_before(path: Path, mode: int, **more: bool) -> None:
        seen.append(path.stat().st_mode & 0o077)
        chmod(path, mode, **more)

    monkeypatch.setattr(os, "link", looked)
    monkeypatch.setattr(Path, "chmod", looked_before)
    before = os.umask(0o022)
    try:
        key = config._kept_secret(tmp_path / "data" / "secret.key")
    finally:
        os.umask(before)
    assert len(key) > 40
    assert set(seen) == {0}
    assert (tmp_path / "data" / "secret.key").stat().st_mode & 0o777 == 0o600
