"""`iotrules sim`: the fleet simulator."""

from __future__ import annotations

from typing import Any

import click

from device_sim.cli import run_command, sim_options
from iotrules.cli.options import broker_options
from iotrules.transports.address import BrokerAddress


@click.command("sim")
@sim_options
@broker_options
def command(broker: BrokerAddress, **options: Any) -> None:
    """Simulate a fleet of machines that talks to an MQTT broker; FLEET.yaml may be `demo`."""
    run_command(broker=broker, **options)
