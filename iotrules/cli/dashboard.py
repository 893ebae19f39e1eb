"""`iotrules dashboard`: serve the dashboard on this machine."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from iotrules.cli.failures import INTERRUPTED, reported


@click.command("dashboard")
@click.option(
    "--store",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(".iotrules/store.db"),
    show_default=True,
    help="The engine's store.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback only: there is no authentication yet.")
@click.option("--port", type=click.IntRange(1, 65535), default=8700, show_default=True)
@click.option("--no-open", is_flag=True, help="Don't open a browser.")
def command(store: Path, host: str, port: int, no_open: bool) -> None:
    """Alerts, fleet and devices in the browser, live. It only reads, in a process of its own.

    Exits with 3 for a host that can't be used 4 if the port is taken, 130 after Ctrl-C.
    """
    from iotrules.dashboard.app import check_host, check_port, serve  # here: NiceGUI takes a second to import

    with reported():
        check_host(host)
        check_port(host, port)
    if not store.exists():
        click.echo(f"there is no store at {store} yet: waiting for the engine (`iotrules run`)", err=True)
    click.echo(f"dashboard on http://{host}:{port}/ (Ctrl-C ends it)", err=True)
    if not no_open and sys.stdout.isatty():
        click.launch(f"http://{host}:{port}/")
    try:
        serve(store, host, port)
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
