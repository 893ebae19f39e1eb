"""From our errors to what a person sees and the exit code that a script sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from iotrules.cli.reports import counted
from iotrules.model.errors import ConfigError, FileError, HeldError, IotrulesError, StateError, UnavailableError

FILES, UNAVAILABLE, INTERRUPTED = 3, 4, 130


@contextmanager
def reported() -> Iterator[None]:
    """End the program with the message of an error of ours; the exit codes are those in `iotrules --help`."""
    try:
        yield
    except FileError as error:
        click.echo(str(error), err=True)
        click.echo(f"{counted(len(error.problems), 'problem')}; nothing was started", err=True)
        raise SystemExit(FILES) from error
    except (UnavailableError, StateError, HeldError) as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(UNAVAILABLE) from error
    except ConfigError as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(FILES) from error
    except IotrulesError as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(1) from error
