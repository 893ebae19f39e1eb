"""How many environments there are, who waits for whom, and how they end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from iotrules.functions import LocalFunctions
from iotrules.model.errors import ConfigError, UnavailableError
from iotrules.ports import FunctionResult
from tests.functions.service import CLIENTS, CODE, Service, alive, our_children, running, until, write_template

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("client", CLIENTS)
async def test_it_scales_out_to_the_limit_and_the_rest_waits_in_order(tmp_path: Path, client: str) -> None:
    template = write_template(tmp_path, ["cases.wait_for_file"], Timeout=30)
    async with running(template, client=client, max_environments=2) as service:
        calls = [_waiting_call(service, tmp_path, n) for n in range(5)]
        await until(lambda: len(_running(tmp_path)) == 2)
        assert _running(tmp_path) == {0, 1}
        assert service.phases() == ["busy", "busy"]
        for done in range(5):
            (tmp_path / f"go-{done}").touch()
            await calls[done]
            await _until_running(tmp_path, set(range(min(done + 3, 5))))
        assert len({(await call).answer for call in calls}) == 2


async def test_reserved_concurrency_is_the_limit_where_it_is_lower(tmp_path: Path) -> None:
    template = write_template(tmp_path, ["cases.wait_for_file"], Timeout=30, ReservedConcurrentExecutions=1)
    async with running(template, max_environments=3) as service:
        calls = [_waiting_call(service, tmp_path, n) for n in range(2)]
        await until(lambda: _running(tmp_path) == {0})
        assert len(service.pids()) == 1
        for n in range(2):
            (tmp_path / f"go-{n}").touch()
        assert [(await call).error_type for call in calls] == ["", ""]
        assert len(service.pids()) == 1


async def test_reserved_concurrency_of_0_turns_a_function_off(tmp_path: Path) -> None:
    async with running(write_template(tmp_path, ["cases.echo"], ReservedConcurrentExecutions=0)) as service:
        result = await service.invoke("echo")
        assert (result.error_type, result.error_message) == ("TooManyRequestsException", "Rate Exceeded.")


async def test_an_event_over_the_limit_is_refused(tmp_path: Path) -> None:
    async with running(write_template(tmp_path, ["cases.echo"])) as service:
        assert (await service.invoke("echo", "x" * 6_300_000)).error_type == "RequestTooLargeException"
        assert service.pids() == []


async def test_a_burst_of_short_calls_starts_no_more_than_the_limit(tmp_path: Path) -> None:
    async with running(write_template(tmp_path, ["cases.count"]), max_environments=2) as service:
        answers = await asyncio.gather(*(service.answer("count") for _ in range(200)))
        assert len(service.pids()) <= 2
        assert len(answers) == 200


async def test_an_idle_environment_is_reaped(tmp_path: Path) -> None:
    async with running(write_template(tmp_path, ["cases.echo"]), idle_seconds=0.05) as service:
        assert await service.answer("echo", 1) == 1
        (pid,) = service.pids()
        await until(lambda: service.pids() == [])
        assert pid not in our_children()
        assert (await service.invoke("echo", 1)).usage.cold


async def test_an_idle_environment_that_dies_is_replaced_unnoticed(tmp_path: Path) -> None:
    async with running(write_template(tmp_path, ["cases.echo"])) as service:
        await service.answer("echo", 1)
        os.kill(service.pids()[0], signal.SIGKILL)
        await until(lambda: service.pids() == [])
        assert await service.answer("echo", 2) == 2


@pytest.mark.parametrize("client", CLIENTS)
async def test_an_import_that_never_ends_is_cut(tmp_path: Path, client: str) -> None:
    template = write_template(tmp_path, ["hanging.handler"])
    async with running(template, client=client, init_seconds=0.3) as service:
        result = await service.invoke("handler", None, "r-1")
        assert result.error_type == "Sandbox.Timedout"
        assert result.error_message == "RequestId: r-1 Error: Init timed out after 0.30 seconds"
        assert result.usage.init_ms == 300
        assert service.pids() == []


async def test_every_waiting_call_gets_its_own_import_error(tmp_path: Path) -> None:
    async with running(write_template(tmp_path, ["broken.handler"]), max_environments=2) as service:
        results = await asyncio.gather(*(service.invoke("handler", n, f"r-{n}") for n in range(5)))
        assert [result.error_type for result in results] == ["Runtime.ImportModuleError"] * 5
        assert [result.usage.request_id for result in results] == [f"r-{n}" for n in range(5)]


async def test_a_cancelled_call_gives_up_its_place(tmp_path: Path) -> None:
    template = write_template(tmp_path, ["cases.wait_for_file"], Timeout=30)
    async with running(template, max_environments=1) as service:
        calls = [_waiting_call(service, tmp_path, n) for n in range(3)]
        await until(lambda: _running(tmp_path) == {0})
        calls[1].cancel()
        for n in range(3):
            (tmp_path / f"go-{n}").touch()
        assert (await calls[2]).error_type == ""
        assert _running(tmp_path) == {0, 2}
        with pytest.raises(asyncio.CancelledError):
            await calls[1]


async def test_a_call_that_is_cancelled_while_its_environment_fails_harms_no_other(tmp_path: Path) -> None:
    async with running(write_template(tmp_path, ["hanging.handler"]), max_environments=1) as service:
        calls = [asyncio.ensure_future(service.invoke("handler", n)) for n in range(2)]
        await until(lambda: service.pids() not in ([], [0]))
        os.kill(service.pids()[0], signal.SIGKILL)
        dead = os.WEXITED | os.WNOWAIT
        os.waitid(os.P_PID, service.pids()[0], dead)  # noqa: ASYNC222  # the loop must not see the end yet
        calls[0].cancel()
        assert (await calls[1]).error_message.endswith("Runtime exited with error: signal: killed")
        assert service.pids() == []


async def test_stop_fails_what_runs_and_what_waits_and_leaves_nothing(tmp_path: Path) -> None:
    before, files = our_children(), len(os.listdir("/proc/self/fd"))
    template = write_template(tmp_path, ["cases.wait_for_file", "cases.echo"], Timeout=30)
    async with running(template, max_environments=1) as service:
        await service.answer("echo", 1)
        calls = [_waiting_call(service, tmp_path, n) for n in range(2)]
        await until(lambda: _running(tmp_path) == {0})
        pids = service.pids()
        await service.functions.stop()
        for call in calls:
            with pytest.raises(UnavailableError, match="was stopped"):
                await call
        assert not any(alive(pid) for pid in pids)
        with pytest.raises(UnavailableError, match="not running"):
            await service.invoke("echo", 1)
        await service.functions.start()
        assert await service.answer("echo", 2) == 2
    await until(lambda: len(os.listdir("/proc/self/fd")) == files)
    assert our_children() == before


async def test_stop_while_an_environment_starts(tmp_path: Path) -> None:
    before = our_children()
    async with running(write_template(tmp_path, ["hanging.handler"])) as service:
        call = asyncio.ensure_future(service.invoke("handler"))
        await until(lambda: service.phases() == ["starting"])
    with pytest.raises(UnavailableError):
        await call
    assert our_children() == before


async def test_a_call_of_an_unknown_function_is_a_key_error(tmp_path: Path) -> None:
    async with running(write_template(tmp_path, ["cases.echo"])) as service:
        assert service.functions.names() == {"echo"}
        with pytest.raises(KeyError, match="shutdown"):
            await service.invoke("shutdown")


async def test_a_code_folder_that_is_gone_is_an_error_of_the_call(tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    template = write_template(tmp_path, ["cases.echo"])
    template.write_text(template.read_text().replace(str(CODE), "code"))
    functions = LocalFunctions(template)
    code.rmdir()
    await functions.start()
    result = await functions.invoke("echo", b"1", "r-1")
    assert result.error_type == "Sandbox.StartFailed"
    assert "RequestId: r-1 Error: can't start an environment" in result.error_message
    await functions.stop()


def test_no_environments_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        LocalFunctions(write_template(tmp_path, ["cases.echo"]), max_environments=0)


ENGINE = """
import asyncio, pathlib, sys
from iotrules.functions import LocalFunctions

async def main():
    functions = LocalFunctions(pathlib.Path(sys.argv[1]), client=sys.argv[2])
    await functions.start()
    await functions.invoke("echo", b"1", "r-1")
    hanging = asyncio.create_task(functions.invoke("hang", b"1", "r-2"))
    while [phase for _, _, phase in functions.environments()] != ["idle", "busy"]:
        await asyncio.sleep(0.005)
    print(*(pid for _, pid, _ in functions.environments()), flush=True)
    await hanging

asyncio.run(main())
"""


@pytest.mark.parametrize("client", CLIENTS)
async def test_environments_die_with_an_engine_that_is_killed(tmp_path: Path, client: str) -> None:
    template = write_template(tmp_path, ["cases.echo", "cases.hang"], Timeout=60)
    command = [sys.executable, "-c", ENGINE, str(template), client]
    engine = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, cwd=ROOT)
    assert engine.stdout is not None
    pids = [int(pid) for pid in (await engine.stdout.readline()).split()]
    assert len(pids) == 2
    assert all(alive(pid) for pid in pids)
    engine.kill()
    await engine.wait()
    await until(lambda: not any(alive(pid) for pid in pids))


def _waiting_call(service: Service, folder: Path, n: int) -> asyncio.Future[FunctionResult]:
    return asyncio.ensure_future(service.invoke("wait_for_file", {"folder": str(folder), "n": n}))


async def _until_running(folder: Path, expected: set[int]) -> None:
    await until(lambda: _running(folder) == expected)


def _running(folder: Path) -> set[int]:
    return {int(path.name.partition("-")[2]) for path in folder.glob("running-*")}
