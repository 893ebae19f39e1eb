"""What every handler may count on, and what none gets away with: with our client and with AWS's own."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.functions.handlers import cases
from tests.functions.service import CLIENTS, CODE, Service, alive, our_children, running, until, write_template

HANDLERS = [
    name
    for name, value in vars(cases).items()
    if callable(value) and value.__module__ == cases.__name__ and not name.startswith("_")
]


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def service(tmp_path: Path, client: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    monkeypatch.setenv("A_SECRET_OF_THE_ENGINE", "hidden")
    variables = {"Variables": {"LIMIT": "2", "FLAG": True}}
    names = [*(f"cases.{name}" for name in HANDLERS), "cases.missing", "broken.handler", "raising.load", "nowhere.run"]
    template = write_template(tmp_path, names, Timeout=1, Environment=variables)
    before = our_children()
    async with running(template, client=client) as service:
        yield service
    assert our_children() <= before, "an environment was not reaped"
    assert service.functions.environments() == []


async def test_events_and_answers_are_json_of_any_kind(service: Service) -> None:
    for event in (None, True, 1.5, "°C \U0001f525", [1, [2]], {"a": {"b": None}}, "x" * 3_000_000):
        assert await service.answer("echo", event) == event


async def test_an_environment_is_reused_warm(service: Service) -> None:
    assert [await service.answer("count") for _ in range(5)] == [1, 2, 3, 4, 5]
    assert len(service.pids()) == 1


async def test_usage_tells_a_cold_from_a_warm_start(service: Service) -> None:
    cold = (await service.invoke("echo", 1, "first")).usage
    warm = (await service.invoke("echo", 1, "second")).usage
    assert cold.cold
    assert cold.init_ms > 1
    assert cold.billed_ms >= cold.init_ms + cold.duration_ms > cold.billed_ms - 1
    assert not warm.cold
    assert warm.init_ms == 0
    assert warm.billed_ms >= warm.duration_ms > warm.billed_ms - 1
    assert (warm.request_id, warm.memory_mb) == ("second", 128)
    assert 5 < warm.max_memory_mb < 128


async def test_the_log_ends_as_lambda_prints_it(service: Service) -> None:
    usage = (await service.invoke("log", None, "abc-1")).usage
    lines = usage.log_tail.splitlines()
    assert lines[0] == "START RequestId: abc-1 Version: $LATEST"
    assert lines[1].startswith("[INFO]\t20")
    assert lines[1].endswith("Z\tabc-1\thalf full")
    assert lines[2] == "as it is"
    assert lines[3] == "END RequestId: abc-1"
    assert lines[4] == (
        f"REPORT RequestId: abc-1\tDuration: {usage.duration_ms:.2f} ms\tBilled Duration: {usage.billed_ms} ms\t"
        f"Memory Size: 128 MB\tMax Memory Used: {usage.max_memory_mb} MB\tInit Duration: {usage.init_ms:.2f} ms\t"
    )


async def test_the_context_has_lambdas_fields(service: Service) -> None:
    seen = await service.answer("describe")
    assert seen["function"] == "describe"
    assert seen["request"] == "request-1"
    assert seen["version"] == "$LATEST"
    assert seen["memory"] == "128"
    assert seen["arn"] == "arn:aws:lambda:us-east-1:000000000000:function:describe"
    assert seen["log_group"] == "/aws/lambda/describe"
    assert "/[$LATEST]" in seen["log_stream"]
    assert seen["client_context"] is None
    assert seen["identity"] is None
    assert 0 < seen["remaining"] <= 1000


async def test_a_handler_gets_the_variables_of_lambda_and_of_the_template_only(service: Service) -> None:
    seen = await service.answer("describe")
    environ = seen["environ"]
    ours = {"AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION", "_HANDLER"}
    ours |= {"AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_REGION", "TZ"}
    ours |= {"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_EXECUTION_ENV", "AWS_DEFAULT_REGION", "LAMBDA_TASK_ROOT"}
    ours |= {"LAMBDA_RUNTIME_DIR", "PATH", "LANG", "LIMIT", "FLAG"}
    assert set(environ) - {"_X_AMZN_TRACE_ID"} == ours
    assert (environ["LIMIT"], environ["FLAG"], environ["TZ"]) == ("2", "true", ":UTC")
    assert environ["LAMBDA_TASK_ROOT"] == seen["cwd"] == str(CODE)
    assert seen["session"]


async def test_no_file_of_the_engine_is_open_in_a_handler(service: Service, tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        seen = await service.answer("describe")
    assert not any("journal" in target for target in seen["descriptors"])
    assert sorted(target for target in seen["descriptors"] if target.startswith("/dev/")) == ["/dev/null"]


async def test_what_a_handler_raises_is_its_result_and_the_environment_lives_on(service: Service) -> None:
    result = await service.invoke("fail", {"words": "by nought"})
    assert (result.answer, result.error_type, result.error_message) == (None, "ZeroDivisionError", "by nought")
    assert "[ERROR] ZeroDivisionError: by nought" in result.usage.log_tail
    assert "bootstrap.py" not in result.usage.log_tail
    (pid,) = service.pids()
    assert not (await service.invoke("fail", {"words": "again"})).usage.cold
    assert service.pids() == [pid]


async def test_a_long_error_is_cut(service: Service) -> None:
    assert len((await service.invoke("fail", {"words": "x" * 1_000_000})).error_message) == 2000


async def test_a_hanging_handler_is_killed_at_its_timeout_with_all_it_started(service: Service, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    result = await service.invoke("hang_with_child", {"pids": str(pids)}, "r-1")
    assert result.error_type == "Sandbox.Timedout"
    assert result.error_message == "RequestId: r-1 Error: Task timed out after 1.00 seconds"
    assert result.usage.duration_ms == 1000
    assert "r-1 Task timed out after 1.00 seconds\n" in result.usage.log_tail
    assert result.usage.log_tail.endswith("\tStatus: timeout\t\n")
    assert service.pids() == []
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == 2
    await until(lambda: not any(alive(pid) for pid in started))


@pytest.mark.parametrize("function", ["allocate", "allocate_in_child"])
async def test_a_handler_that_grows_too_big_is_killed(service: Service, function: str) -> None:
    before = _resident()
    result = await service.invoke(function, {"bytes": 1 << 30}, "r-1")
    assert result.error_type == "Runtime.OutOfMemory"
    assert result.error_message == "RequestId: r-1 Error: Runtime exited with error: signal: killed"
    assert result.usage.max_memory_mb > 128
    assert "Status: error\tError Type: Runtime.OutOfMemory" in result.usage.log_tail
    assert service.pids() == []
    assert _resident() - before < 20 * 1024 * 1024


async def test_memory_that_came_and_went_is_seen(service: Service) -> None:
    result = await service.invoke("allocate_briefly", {"bytes": 40_000_000})
    assert result.error_type == ""
    assert 80 < result.usage.max_memory_mb < 128


@pytest.mark.parametrize(
    ("function", "code", "words"),
    [
        ("leave", 3, "Runtime exited with error: exit status 3"),
        ("leave_politely", 4, "Runtime exited with error: exit status 4"),
        ("leave", 0, "Runtime exited without providing a reason"),
        ("crash", 0, "Runtime exited with error: signal: aborted"),
    ],
)
async def test_a_process_that_ends_is_an_error_and_is_replaced(
    service: Service, function: str, code: int, words: str
) -> None:
    result = await service.invoke(function, {"code": code}, "r-1")
    assert (result.error_type, result.error_message) == ("Runtime.ExitError", f"RequestId: r-1 Error: {words}")
    assert service.pids() == []
    assert (await service.invoke(function, {"code": code})).usage.cold


async def test_children_that_a_handler_leaves_end_with_its_environment(service: Service, tmp_path: Path) -> None:
    started = await service.answer("leave_children", {"pids": str(tmp_path / "pids")})
    assert all(alive(pid) for pid in started)
    await service.functions.stop()
    await until(lambda: not any(alive(pid) for pid in started))


async def test_a_flood_of_output_neither_blocks_nor_grows_us(service: Service) -> None:
    before = _resident()
    result = await service.invoke("flood", {"times": 300})
    assert result.answer == b'"done"'
    assert len(result.usage.log_tail.encode()) <= 4096
    assert "to stderr\nthe last line\nEND RequestId: " in result.usage.log_tail
    assert _resident() - before < 10 * 1024 * 1024


@pytest.mark.parametrize(
    ("function", "event", "error_type", "words"),
    [
        ("give_nan", None, "Runtime.MarshalError", "Unable to marshal response: "),
        ("give_set", None, "Runtime.MarshalError", "Unable to marshal response: "),
        ("give_bytes", {"bytes": "{not json"}, "Runtime.MarshalError", "Unable to marshal response: "),
        (
            "give_text",
            {"length": 7_000_000},
            "Function.ResponseSizeTooLarge",
            "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        ),
    ],
)
async def test_an_answer_that_can_not_be_used_is_an_error(
    service: Service, function: str, event: Any, error_type: str, words: str
) -> None:
    result = await service.invoke(function, event)
    assert (result.answer, result.error_type) == (None, error_type)
    assert result.error_message.startswith(words)
    assert (await service.invoke(function, event)).error_type == error_type


async def test_the_largest_answer_passes(service: Service) -> None:
    assert len(await service.answer("give_text", {"length": 6_291_554})) == 6_291_554


async def test_bytes_of_json_pass(service: Service) -> None:
    assert await service.answer("give_bytes", {"bytes": '{"a": 1}'}) == {"a": 1}


@pytest.mark.parametrize(
    ("function", "error_type", "words"),
    [
        ("handler", "Runtime.ImportModuleError", "Unable to import module 'broken': No module named"),
        ("run", "Runtime.ImportModuleError", "Unable to import module 'nowhere': No module named 'nowhere'"),
        ("missing", "Runtime.HandlerNotFound", "Handler 'missing' missing on module 'cases'"),
        ("load", "LookupError", "no settings"),
    ],
)
async def test_a_handler_that_can_not_be_loaded_says_why_each_time(
    service: Service, function: str, error_type: str, words: str
) -> None:
    for _ in range(2):
        result = await service.invoke(function)
        assert (result.answer, result.error_type) == (None, error_type)
        assert result.error_message.startswith(words)
        assert result.usage.cold
        assert result.usage.init_ms > 0
        assert "[ERROR]" in result.usage.log_tail
    assert service.pids() == []


async def test_an_event_that_is_not_json_is_an_error(service: Service) -> None:
    result = await service.functions.invoke("echo", b"{", "r-1")
    assert result.error_type == "Runtime.UnmarshalError"


@pytest.mark.parametrize("request_id", ["boiler-overheat~site=A,device=b%201~4711~1~0~0", "a b/ü\r\nX: y", "..", ""])
async def test_any_request_id_works_and_the_same_one_stays_the_same(service: Service, request_id: str) -> None:
    first = await service.functions.invoke("describe", b"null", request_id)
    second = await service.functions.invoke("describe", b"null", request_id)
    assert first.usage.request_id == request_id
    assert json.loads(first.answer or b"")["request"] == json.loads(second.answer or b"")["request"]


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
