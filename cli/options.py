"""Options that many commands have."""

import rich_click as click

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
wide_option = click.option("--wide", is_flag=True, help="Show every column, and nothing cut.")
