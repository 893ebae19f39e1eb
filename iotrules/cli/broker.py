"""`iotrules broker`: an MQTT broker on loopback, for trying things out."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Literal

import click

from iotrules.cli.failures import reported
from iotrules.transports.broker import LocalBroker
from iotrules.transports.durable_broker import durable_configuration


@click.command("broker", short_help="run a broker")
@click.option("--port", type=click.IntRange(1, 65535), default=1883, show_default=True)
@click.option(
    "--kind",
    type=click.Choice(["auto", "mosquitto", "iotcore"]),
    default="auto",
    show_default=True,
    help="auto: mosquitto if it is installed, else the embedded iotcore.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".iotrules/broker"),
    show_default=True,
    help="Where it keeps its files.",
)
@click.option(
    "--mosquitto-conf",
    is_flag=True,
    help="Print a mosquitto.conf for a plant instead: a kill costs it no more than what it acknowledged last.",
)
def command(port: int, kind: Literal["auto", "mosquitto", "iotcore"], directory: Path, mosquitto_conf: bool) -> None:
    """Run an MQTT broker on 127.0.0.1, without a password, until it is told to stop; it is restarted if it dies."""
    if mosquitto_conf:
        click.echo(durable_configuration(directory.resolve(), port), nl=False)
        return
    with reported():
        asyncio.run(_run(LocalBroker(kind, port, directory=directory, on_status=click.echo)))


async def _run(broker: LocalBroker) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with broker:
        click.echo(f"{broker.kind} listens on {broker.address.url}; Ctrl-C ends it")
        await stop.wait()
