"""Settings from the environment or an .env file; a wrong one is named, with what to write instead."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import ssl
import sys
from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from inbox.errors import UserError

SHORTEST_KEY = 32  # characters


class Settings(BaseSettings):
    """Every setting that the operator may give. Documented in .env.example and docs/operator.md."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore")

    data_dir: Path = Field(
        Path("data"), description="Folder for database, stored mail, keys and logs of the embedded default"
    )
    database_url: str = Field(
        "", description="sqlite:///path or postgresql://user@host/name; empty: SQLite in DATA_DIR"
    )
    redis_url: str = Field(
        "", description="redis://, rediss:// or unix:///path; empty: the embedded server in DATA_DIR"
    )
    blob_url: str = Field("", description="file:///folder for raw mail and attachments; empty: DATA_DIR/blobs")
    secret_key: str = Field(
        "", description="Signs sessions and Message-IDs, encrypts mailbox passwords; empty: made once in DATA_DIR"
    )
    base_url: str = Field("", description="Address under which people reach the inbox, used in links that are mailed")
    host: str = Field("127.0.0.1", description="Address that the web server listens on")
    port: int = Field(8025, ge=1, le=65535, description="Port that the web server listens on")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    poll_seconds: int = Field(60, ge=1, le=3600, description="A folder is read at least this often, IDLE or not")
    max_mail_bytes: int = Field(
        60_000_000, ge=1_000_000, description="A larger mail is kept on the server and shown as too large"
    )
    max_upload_bytes: int = Field(25_000_000, ge=100_000, description="Attachments of one reply together")
    web_threads: int = Field(400, ge=4, le=2000, description="Threads of each web process; an open screen holds one")
    web_workers: int = Field(2, ge=1, le=32, description="Web processes")
    trusted_proxies: int = Field(
        0, ge=0, le=5, description="How many reverse proxies stand before us; 0: proxy headers are ignored"
    )
    tls_ca_file: Path | None = Field(None, description="Extra CA certificates for mail servers with a private CA")
    webhook_private: bool = Field(False, description="Webhooks may be called at private addresses and over http")
    demo: bool = Field(True, description="Connect the demo mailbox on the first start")

    @field_validator("database_url")
    @classmethod
    def _database_known(cls, value: str) -> str:
        if value and not value.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
            raise ValueError("must start with sqlite:/// or postgresql://")
        if not value:
            return value
        from sqlalchemy.engine import make_url  # takes its time, and most commands start without it
        from sqlalchemy.exc import ArgumentError

        try:
            url = make_url(value)
        except (ArgumentError, ValueError):
            raise ValueError("is no address of a database: postgresql://user@host:5432/name") from None
        if not url.database:
            raise ValueError("names no database: sqlite:////folder/file or postgresql://user@host/name")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis_known(cls, value: str) -> str:
        if value and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must start with redis://, rediss:// or unix://")
        _has_host(value, but_not="unix://")
        return value

    @field_validator("blob_url")
    @classmethod
    def _blob_known(cls, value: str) -> str:
        if value and not value.startswith("file:///"):
            raise ValueError("must start with file:///, a whole path")
        return value

    @field_validator("secret_key")
    @classmethod
    def _key_long_enough(cls, value: str) -> str:
        if value and len(value) < SHORTEST_KEY:
            raise ValueError(f"must have at least {SHORTEST_KEY} characters; leave it empty to have one made")
        return value

    @field_validator("tls_ca_file")
    @classmethod
    def _certificates_readable(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                ssl.create_default_context(cafile=value)
            except OSError as error:  # also of a file without certificates
                raise ValueError(f"cannot be read: {error.strerror or error}") from None
        return value

    @field_validator("base_url")
    @classmethod
    def _base_known(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        _has_host(value)
        return value.rstrip("/")

    @property
    def data(self) -> Path:
        return self.data_dir.resolve()

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data / 'madoguchi.db'}"

    @property
    def redis(self) -> str:
        return self.redis_url or f"unix://{self.data / 'valkey.sock'}"

    @property
    def embedded_redis(self) -> bool:
        return not self.redis_url

    @property
    def blob_dir(self) -> Path:
        return Path(self.blob_url.removeprefix("file://")) if self.blob_url else self.data / "blobs"

    @property
    def address(self) -> str:
        return self.base_url or f"http://{self.host}:{self.port}"

    def secret(self, purpose: str) -> bytes:
        """32 bytes for one purpose, derived from SECRET_KEY so that no two uses share a key."""
        return hashlib.blake2b(self._master(), digest_size=32, person=purpose.encode()[:16]).digest()

    def fernet_key(self) -> bytes:
        """The key for mailbox passwords at rest; it never stands in the database."""
        return base64.urlsafe_b64encode(self.secret("mailbox secrets"))

    def _master(self) -> bytes:
        if self.secret_key:
            return self.secret_key.encode()
        return _kept_secret(self.data / "secret.key")


def _has_host(url: str, *, but_not: str = "") -> None:
    if not url or (but_not and url.startswith(but_not)):
        return
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        named = False
    if not named:
        raise ValueError("names no server, or a port that is none")


def _kept_secret(path: Path) -> bytes:
    """The key in the data folder, made on the first start; readable by its owner only."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = secrets.token_urlsafe(48).encode()
        temporary = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(fresh)
        try:
            os.link(temporary, path)  # fails when another process was first: then its key is the key
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
        return path.read_bytes()


class WrongSetting(UserError):
    """A setting that cannot be used; the message names it."""


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    try:
        return Settings()
    except ValidationError as error:
        raise WrongSetting("Wrong setting: %(told)s", told="; ".join(map(_told, error.errors()))) from None
    except UnicodeDecodeError:
        raise WrongSetting("Wrong setting: .env is not written in UTF-8; save it so.") from None


def _told(error: ErrorDetails) -> str:
    name = "_".join(map(str, error["loc"])).upper()
    return f"{name}: {error['msg'].removeprefix('Value error, ')}{_shown(name, error['input'])}"


def _shown(name: str, value: object) -> str:
    """What was written; nothing of a key, nor of an address with a user, which often holds a password: this goes into
    logs."""
    return "" if "@" in str(value) or name == "SECRET_KEY" else f" (it is {value!r})"


def settings_or_exit() -> Settings:
    """For the edges of processes: a wrong setting is one clear sentence and exit code 78 (EX_CONFIG)."""
    try:
        return settings()
    except WrongSetting as error:
        print(error, file=sys.stderr)
        raise SystemExit(78) from None
