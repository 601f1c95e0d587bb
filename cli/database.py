"""platformctl init-db: make the database ready."""

import rich_click as click

from cli.context import Platform, pass_platform


@click.command("init-db")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="How long to wait for a database server that is only starting.",
)
@pass_platform
def init_db(platform: Platform, wait_seconds: float) -> None:
    """Make the database ready: indexes and counters, and a replica set where it is our own mongod.

    It may be repeated at any time, while the platform runs, too.
    """
    from shared.services.database_setup import initiate_local_server, prepare_database

    with platform.open_store(wait_seconds=wait_seconds) as store:
        if initiate_local_server(platform.settings):
            click.echo("The local mongod is now a replica set of one.", err=True)
        changed = prepare_database(store)
    click.echo("The database is ready." if changed else "The database was ready.", err=True)
