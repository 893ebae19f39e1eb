"""Broker addresses, and the command line options that make them."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from iotrules.cli.options import broker_options
from iotrules.model.errors import ConfigError
from iotrules.transports.address import BrokerAddress


@pytest.mark.parametrize(
    ("text", "host", "port", "tls", "url"),
    [
        ("mqtt://broker", "broker", 1883, False, "mqtt://broker:1883"),
        ("mqtts://broker", "broker", 8883, True, "mqtts://broker:8883"),
        ("mqtt://127.0.0.1:21883/", "127.0.0.1", 21883, False, "mqtt://127.0.0.1:21883"),
        ("mqtt://[::1]:1884", "::1", 1884, False, "mqtt://[::1]:1884"),
    ],
)
def test_an_address_is_read(text: str, host: str, port: int, tls: bool, url: str) -> None:
    address = BrokerAddress.parse(text)
    assert (address.host, address.port, address.tls, address.url) == (host, port, tls, url)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("localhost", "expected mqtt://HOST"),
        ("localhost:1883", "expected mqtt://HOST"),
        ("http://broker", "expected mqtt://HOST"),
        ("mqtt://", "expected mqtt://HOST"),
        ("mqtt://broker:99999", "1 to 65535"),
        ("mqtt://broker:0", "1 to 65535"),
        ("mqtt://broker:x", "1 to 65535"),
        ("mqtt://broker/topic", "nothing may follow"),
        ("mqtt://[::1", "can't be read"),
        ("mqtt://me:s3cret@broker", "--broker-password-file or IOTRULES_BROKER_PASSWORD"),
    ],
)
def test_what_is_no_address_is_refused_with_advice(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        BrokerAddress.parse(text)
    assert words in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_the_password_is_not_shown() -> None:
    address = BrokerAddress.parse("mqtt://me@broker", password="s3cret")
    assert (address.username, address.password) == ("me", "s3cret")
    assert "s3cret" not in repr(address) + address.url


def test_files_and_passwords_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    file.touch()
    with pytest.raises(ConfigError, match="needs TLS: write mqtts://"):
        BrokerAddress.parse("mqtt://broker", ca_file=file)
    with pytest.raises(ConfigError, match="give --broker-cert too"):
        BrokerAddress.parse("mqtts://broker", key_file=file)
    with pytest.raises(ConfigError, match="does not exist"):
        BrokerAddress.parse("mqtts://broker", ca_file=tmp_path / "missing.pem")
    with pytest.raises(ConfigError, match="name the user with --broker-user"):
        BrokerAddress.parse("mqtt://broker", password="s3cret")


@click.command()
@click.argument("word")
@broker_options
def show(word: str, broker: BrokerAddress) -> None:
    """Show what came."""
    click.echo(f"{word} {broker.url} {broker.username} {broker.password}")


def run(*arguments: str, password: str | None = None) -> Result:
    return CliRunner().invoke(show, arguments, env={"IOTRULES_BROKER_PASSWORD": password})


def test_a_command_gets_the_default_broker() -> None:
    assert run("hello").output == "hello mqtt://127.0.0.1:1883 None None\n"


def test_the_password_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from file\n")
    user = ["--broker", "mqtts://b", "--broker-user", "me"]
    assert (
        run("x", *user, "--broker-password-file", str(file), password="env").output == "x mqtts://b:8883 me from file\n"
    )
    assert run("x", *user, password="from env").output == "x mqtts://b:8883 me from env\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--broker", "nonsense"],
        ["--broker", "mqtt://me:pw@b"],
        ["--broker-ca", "missing"],
        ["--broker-password-file", "/proc/self/mem", "--broker-user", "me"],
    ],
)
def test_bad_values_are_usage_errors(arguments: list[str]) -> None:
    result = run("x", *arguments)
    assert result.exit_code == 2
    assert result.output.startswith("Usage:")


def test_every_option_is_in_the_help() -> None:
    output = run("--help").output
    for name in ("", "-ca", "-cert", "-key", "-user", "-password-file"):
        assert f"--broker{name} " in output
    assert "IOTRULES_BROKER_PASSWORD" in output
