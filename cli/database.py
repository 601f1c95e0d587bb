"""platformctl init-db: make the database ready."""

import rich_click as click

from cli.context import Platform, pass_platform
from shared.clock import utc_now


@click.command("init-db")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="How long to wait for a database server that is only starting.",
)
@click.option("--started-here", is_flag=True, hidden=True, help="`up` has started this server.")
@pass_platform
def init_db(platform: Platform, wait_seconds: float, started_here: bool) -> None:
    """Make the database ready: indexes and counters, and a replica set where it is our own mongod.

    It may be repeated at any time, while the platform runs, too.
    """
    from shared.services import database_setup

    with platform.open_store(wait_seconds=wait_seconds) as store:
        settings = platform.settings
        if database_setup.initiate_local_server(settings):
            click.echo("The local mongod is now a replica set of one.", err=True)
        changed = database_setup.prepare_database(store)
        database_setup.mark_database(store, settings, utc_now(), started_here=started_here)
    click.echo("The database is ready." if changed else "The database was ready.", err=True)
