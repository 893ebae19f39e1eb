"""`python -m device_sim`: the simulator on its own; `iotrules sim` is the same with all broker options."""

from __future__ import annotations

from typing import Any

import click

from device_sim.cli import run_command, sim_options
from iotrules.model.errors import ConfigError
from iotrules.transports.address import BrokerAddress


@click.command()
@sim_options
@click.option("--broker", metavar="URL", default="mqtt://127.0.0.1:1883", show_default=True, help="The MQTT broker.")
def main(broker: str, **options: Any) -> None:
    """Simulate a fleet of machines that talks to an MQTT broker."""
    try:
        address = BrokerAddress.parse(broker)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    run_command(broker=address, **options)


if __name__ == "__main__":
    main(prog_name="python -m device_sim")
