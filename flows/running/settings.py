"""Settings: from the environment first, then from the file that `triptych up` writes."""

import os
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).parents[2]


class SettingsMissing(Exception):
    """Nothing says where the bucket is."""


class Settings(BaseSettings):
    """Where everything is. Each field is the environment variable TRIPTYCH_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="TRIPTYCH_", frozen=True, extra="ignore")

    home: Path
    s3_endpoint: str = Field(description="host:port of the S3 server")
    s3_access_key: str
    s3_secret_key: SecretStr
    s3_secure: bool = False
    s3_region: str | None = "us-east-1"
    bucket: str = "triptych"
    postgres_dsn: SecretStr = Field(description="libpq connection string of the index database")
    patience_seconds: float = Field(default=5.0, ge=0, description="how long a server that restarts is waited for")
    prefect_api_url: str | None = None
    prefect_auth_string: SecretStr | None = Field(default=None, description="the password of the Prefect server")
    prefect_api_key: SecretStr | None = Field(default=None, description="a key of Prefect Cloud, instead")
    gateway_url: str | None = None
    gateway_token: SecretStr | None = None
    gateway_wait_seconds: float = Field(
        default=120, description="requests that would wait longer for a run are refused"
    )
    gateway_rate: str = Field(default="6000/minute", description="requests of one person")
    gateway_origins: str = Field(default="", description="origins of pages that may call the gateway, comma-separated")
    gateway_upload_mb: int = Field(default=2000, description="the largest file that the gateway takes")
    gateway_local_webhooks: bool = Field(default=False, description="webhooks may go to this machine, without TLS")
    profile: str = "starter"
    models_config: Path = ROOT / "configs" / "models.yaml"
    retention_config: Path = ROOT / "configs" / "retention.yaml"
    cache_dir: Path = ROOT / ".triptych" / "cache"
    models_memory_mb: int | None = Field(default=None, ge=1, description="main memory for the models of one process")
    models_gpu_memory_mb: int | None = Field(default=None, ge=1, description="memory of the GPU for them")
    models_idle_seconds: float = Field(default=1800.0, ge=0, description="unused models are let go then; 0: never")
    root: Path = ROOT


def default_home() -> Path:
    """TRIPTYCH_HOME, else `.triptych` in the checkout, else in the user's home folder."""
    named = os.environ.get("TRIPTYCH_HOME")
    if named:
        return Path(named).absolute()
    return (ROOT if (ROOT / "pyproject.toml").exists() else Path.home()) / ".triptych"


def stack_file(home: Path) -> Path:
    """Where `up` writes addresses and credentials, readable by its owner alone."""
    return home / "stack.env"


def _of_the_embedded_stack() -> list[str]:
    """The credentials of embedded servers that the environment replaces: another server must not hear them."""
    return [
        credential
        for address, credential in (("PREFECT_API_URL", "prefect_auth_string"), ("GATEWAY_URL", "gateway_token"))
        if f"TRIPTYCH_{address}" in os.environ and f"TRIPTYCH_{credential.upper()}" not in os.environ
    ]


def load_settings(home: Path | None = None) -> Settings:
    """The settings. Raises SettingsMissing, which names the first thing that nobody set."""
    chosen = home or default_home()
    try:
        found = Settings(home=chosen, _env_file=stack_file(chosen))  # pyright: ignore[reportCallIssue]
        return found.model_copy(update=dict.fromkeys(_of_the_embedded_stack()))
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        raise SettingsMissing(
            f"TRIPTYCH_{field.upper()} is not set: start the stack with `triptych up`, or set it in the environment."
        ) from error
