"""Settings: read from the environment, then from the `stack.env` file that `triptych up` writes."""

import os
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).parents[2]
"""The folder that holds our packages: the checkout, or site-packages of an installation."""


class SettingsMissing(Exception):
    """A required setting is neither in the environment nor in stack.env."""


class ModelSettings(BaseSettings):
    """Which models there are, and where their files lie: known before any server runs."""

    model_config = SettingsConfigDict(env_prefix="TRIPTYCH_", frozen=True, extra="ignore")

    home: Path = Field(description="folder of the embedded stack's data, credentials and logs")
    profile: str = Field(default="starter", description="the profile of models_config in use")
    models_config: Path = ROOT / "configs" / "models.yaml"
    cache_dir: Path = Field(default=ROOT / ".triptych" / "cache", description="folder of fetched and derived weights")
    root: Path = Field(default=ROOT, description="folder that relative paths in models_config start from")
    hub_endpoint: str | None = Field(default=None, description="address of the model hub; default: that of HF_ENDPOINT")


class Settings(ModelSettings):
    """Addresses, credentials and limits. Each field is the environment variable TRIPTYCH_<NAME>."""

    s3_endpoint: str = Field(description="host:port of the S3 server")
    s3_access_key: str
    s3_secret_key: SecretStr
    s3_secure: bool = Field(default=False, description="connect to the S3 server with TLS")
    s3_region: str | None = "us-east-1"
    s3_public_url: str | None = Field(
        default=None, description="where clients reach the S3 server: links lead there, and not through the gateway"
    )
    bucket: str = "triptych"
    postgres_dsn: SecretStr = Field(description="libpq connection string of the index database")
    patience_seconds: float = Field(default=5.0, ge=0, description="how long to retry while S3 or Postgres restarts")
    prefect_api_url: str | None = None
    prefect_auth_string: SecretStr | None = Field(default=None, description="user:password of the Prefect server")
    prefect_api_key: SecretStr | None = Field(default=None, description="API key, for Prefect Cloud instead")
    gateway_url: str | None = None
    gateway_token: SecretStr | None = None
    gateway_wait_seconds: float = Field(
        default=120, description="refuse requests whose run would wait longer in the queue (backpressure)"
    )
    gateway_rate: str = Field(default="6000/minute", description="rate limit per person")
    gateway_origins: str = Field(default="", description="CORS: origins that may call the gateway, comma-separated")
    gateway_upload_mb: int = Field(default=2000, description="size limit of an uploaded file")
    gateway_local_webhooks: bool = Field(default=False, description="allow webhooks to this machine, without TLS")
    writer_url: str | None = Field(
        default=None, description="a server with OpenAI's API that writes answers, such as http://127.0.0.1:8000/v1"
    )
    writer_model: str = Field(default="default", description="the name of the model that it should write with")
    writer_key: SecretStr | None = None
    retention_config: Path = ROOT / "configs" / "retention.yaml"
    models_memory_mb: int | None = Field(default=None, ge=1, description="main memory budget for one process's models")
    models_gpu_memory_mb: int | None = Field(default=None, ge=1, description="GPU memory budget for them")
    models_idle_seconds: float = Field(default=1800.0, ge=0, description="unload a model unused for so long; 0: never")


def load_settings(home: Path | None = None) -> Settings:
    """Read the settings of a home, by default of `default_home()`. Raises SettingsMissing."""
    chosen = home or default_home()
    try:
        found = Settings(home=chosen, _env_file=stack_file(chosen))  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        raise SettingsMissing(
            f"TRIPTYCH_{field.upper()} is not set: start the stack with `triptych up`, or set it in the environment."
        ) from error
    return found.model_copy(update=dict.fromkeys(_credentials_of_replaced_servers()))


def load_model_settings(home: Path | None = None) -> ModelSettings:
    """Read the settings of models, for which no server needs to have run here."""
    chosen = home or default_home()
    return ModelSettings(home=chosen, _env_file=stack_file(chosen))  # pyright: ignore[reportCallIssue]


def default_home() -> Path:
    """Return TRIPTYCH_HOME, else `.triptych` in the checkout, else `.triptych` in the user's home folder."""
    named = os.environ.get("TRIPTYCH_HOME")
    if named:
        return Path(named).absolute()
    return (ROOT if (ROOT / "pyproject.toml").exists() else Path.home()) / ".triptych"


def stack_file(home: Path) -> Path:
    """Return the path of the file with the embedded stack's addresses and credentials, readable by its owner only."""
    return home / "stack.env"


def _credentials_of_replaced_servers() -> list[str]:
    """List credentials in stack.env that belong to an embedded server whose address the environment overrides.

    They are dropped, because another server must not receive them.
    """
    return [
        credential
        for address, credential in (("PREFECT_API_URL", "prefect_auth_string"), ("GATEWAY_URL", "gateway_token"))
        if f"TRIPTYCH_{address}" in os.environ and f"TRIPTYCH_{credential.upper()}" not in os.environ
    ]
