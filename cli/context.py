"""What every command is given: the settings, and the way to the store."""

import getpass
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import click

from deploy import running
from shared.domain.actor import Actor, user
from shared.domain.node import LeaseGrace
from shared.errors import DatabaseUnavailable
from shared.settings import PASSWORD_FILE, Settings

if TYPE_CHECKING:  # the driver takes a tenth of a second: not for commands without a database
    from shared.store import Store


class DatabaseDown(click.ClickException):
    """The database does not answer: exit code 3, whatever the command."""

    exit_code = 3


class Platform:
    """The settings and the store, opened when a command first asks for them, or given by a test."""

    def __init__(self, settings: Settings | None = None, store: "Store | None" = None) -> None:
        self._given_settings = settings
        self._given_store = store
        self.is_command = False  # completion must say nothing
        self.grace = LeaseGrace(time.monotonic)

    @cached_property
    def configured(self) -> Settings:
        """Read what the next start would read; raises SettingsError with every bad setting."""
        return self._given_settings or Settings.from_env()

    @cached_property
    def settings(self) -> Settings:
        """Read the settings of the platform that runs here; without one, what is configured."""
        if self.running is None:
            return self.configured
        self.tell_differences()
        return self.running

    @cached_property
    def running(self) -> Settings | None:
        """Read the settings of the platform that runs here; None without one."""
        return Settings.from_env(running=self._started) if self._started else None

    @cached_property
    def _started(self) -> dict[str, str]:
        return {} if self._given_settings else running.read_started(self.configured.var_dir)

    def differences(self) -> list[str]:
        """Return a sentence for each setting that the next start would change."""
        return running.tell_differences(self._started, self.configured)

    def tell_differences(self) -> None:
        """Say on standard error that the next start would change something."""
        for difference in self.differences() if self.is_command else ():
            click.echo(f"warning: {difference}; ./manage.sh restart applies it", err=True)

    @property
    def actor(self) -> Actor:
        """Return the user that runs the command; the events of its changes name that user."""
        return user(getpass.getuser())

    @contextmanager
    def open_store(self, *, wait_seconds: float = 0.0, timeout_ms: int = 1500) -> Iterator["Store"]:
        """Open the store of a database that answers now, or within this time."""
        from shared.services.database_setup import wait_for_database
        from shared.store import connect, unavailable_as_platform_error
        from shared.store.errors import DatabaseError, is_refusal

        store = self._given_store or connect(self.settings, timeout_ms=timeout_ms)
        try:
            with unavailable_as_platform_error():
                wait_for_database(store, wait_seconds)
                yield store
        except DatabaseUnavailable:
            raise DatabaseDown(self._describe_outage()) from None
        except DatabaseError as error:
            if is_refusal(error):
                raise click.ClickException(tell_refusal(self.settings)) from None
            reason = str(error).partition(", full error")[0]
            raise click.ClickException(f"The database refused: {reason}") from None
        finally:
            if store is not self._given_store:
                store.close()

    def _describe_outage(self) -> str:
        settings = self.settings
        hosts = address_of(settings.database_url)
        if settings.database_server == "external":
            return (
                f"The database at {hosts} does not answer: "
                "check that it runs, and MONGODB_HOST in .env."
            )
        return f"The database at {hosts} does not answer: start it with ./manage.sh up."


def tell_refusal(settings: Settings) -> str:
    """Say why a database does not let us in."""
    address = address_of(settings.database_url)
    if settings.database_server == "external":
        return f"The database at {address} refuses its user: see MONGODB_HOST in .env."
    return (
        f"The database at {address} is not this checkout's: it refuses the password in "
        f"{settings.var_dir / PASSWORD_FILE}. Set MONGODB_PORT in .env."
    )


def address_of(url: str) -> str:
    """Return the host and port of a database's address, without user, password and options."""
    hosts = url.partition("://")[2].rpartition("@")[2]
    return hosts.partition("/")[0].partition("?")[0]


pass_platform = click.make_pass_decorator(Platform)
