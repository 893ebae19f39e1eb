"""Test files on disk to suites: every problem of every file at once, at its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from iotrules.language import load_files, read_directory, registry_file, registry_in
from iotrules.language.parts import Part
from iotrules.model.errors import ConfigError, FileError, Problem
from iotrules.model.inputs import RegistryFile
from iotrules.model.rules import RuleSet
from iotrules.model.times import MILLISECOND
from iotrules.tools.testing.cases import Case, Equivalent, Sent, Suite, rules_of
from iotrules.tools.testing.documents import CaseDocument, TestFileDocument
from iotrules.tools.testing.expectations import last_instant, read_expected, rules_named
from iotrules.tools.testing.interventions import read_restarts, read_rulings
from iotrules.tools.testing.messages import Sender, check_key, is_mapping, part_of
from iotrules.tools.testing.names import check_names, expected_to_come
from iotrules.yamlfile import Node, Scalar, Source, node_at, parse, quoted
from iotrules.yamlfile import Sequence as SequenceNode

_START = "2026-01-05T08:00:00Z"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ENDINGS = (".test.yaml", ".test.yml")


def read_suites(paths: Sequence[Path], registry: RegistryFile | None = None) -> list[Suite]:
    """The test files at or below the paths; `NAME.yaml` means the test file beside it.

    All rule files of a test file's directory (or of the directory given) are loaded, as `iotrules run` would; with the
    registry that the test file names, else the one given, else the directory's own.
    ConfigError: there is nothing to test; FileError: every problem of the rule or test files.
    """
    suites: list[Suite] = []
    problems: list[Problem] = []
    for root, files in _by_root(paths).items():
        loaded = _Loaded(read_directory(root), registry or registry_in(root))
        for file in files:
            suite = _suite(file, loaded, problems)
            suites += [suite] if suite else []
    if problems:
        raise FileError(problems)
    return suites


@dataclass(slots=True)
class _Loaded:
    """The rule files of one directory, loaded once for each registry."""

    texts: dict[str, str]
    registry: RegistryFile | None
    sets: dict[str, RuleSet] = field(default_factory=dict)

    def rules(self, registry: RegistryFile | None) -> RuleSet:
        name = registry.name if registry else ""
        if name not in self.sets:
            self.sets[name] = load_files(self.texts, registry)
        return self.sets[name]


@dataclass(frozen=True, slots=True)
class _Setting:
    """What the cases of a file have in common: all rules that are loaded, those of the file beside them, the start.

    `come`: the commands that one of them expects to come.
    """

    rules: RuleSet
    start: int
    own: frozenset[str]
    come: frozenset[str]


def _by_root(paths: Sequence[Path]) -> dict[Path, list[Path]]:
    """Directory of rules → its test files, each once, in order."""
    found: dict[Path, list[Path]] = {}
    for path in paths:
        root = path if path.is_dir() else path.parent
        known = found.setdefault(root, [])
        known += [file for file in _test_files(path) if file not in known]
    return found


def _test_files(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted((file for file in path.rglob("*.test.y*ml") if _is_test_file(file)), key=str)
    elif _is_test_file(path):
        files = [path]
    else:
        files = [path.with_name(path.stem + ending) for ending in _ENDINGS]
    files = [file for file in files if file.is_file()]
    if not files:
        what = "does not exist" if not path.exists() else "has no test file"
        raise ConfigError(f"{path} {what}: write the cases of NAME.yaml into NAME.test.yaml beside it")
    return files


def _is_test_file(path: Path) -> bool:
    return path.name.endswith(_ENDINGS)


def _suite(file: Path, loaded: _Loaded, problems: list[Problem]) -> Suite | None:
    name, texts = str(file), loaded.texts
    beside = [str(file.with_name(file.name.split(".test.")[0] + ending)) for ending in (".yaml", ".yml")]
    rule_file = next((rule_file for rule_file in beside if rule_file in texts), None)
    text = _text(file)
    if rule_file is None:
        problems.append(Source.of(text, name).problem((1, 1), f"there is no rule file {beside[0]} beside this"))
        return None
    try:
        root = parse(text, name)
    except FileError as error:
        problems += error.problems
        return None
    part = part_of(Source.of(text, name), "the file", root, problems)
    document = part.document(TestFileDocument)
    if document is None:
        return None
    rules = loaded.rules(_registry(part, document.registry, file) or loaded.registry)
    come = expected_to_come(document.cases)
    setting = _Setting(rules, _start(part, document.start), rules_of(rules, rule_file), come)
    nodes = _items(node_at(root, ["cases"]))
    cases = [case for node in nodes if (case := _case(part_of(part.source, "a case", node, problems), setting))]
    _refuse_repeated_names(part, nodes)
    return Suite(name, rule_file, rules, texts, tuple(cases), tuple(_equivalent(root, document)))


def _registry(part: Part, given: str | None, file: Path) -> RegistryFile | None:
    try:
        return None if given is None else registry_file(file.parent / given)
    except ConfigError as error:
        part.wrong(str(error), "registry")
    return None


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode(errors="surrogateescape")
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror}") from error


def _start(part: Part, given: str | None) -> int:
    try:
        moment = datetime.fromisoformat(given or _START)
    except ValueError:
        part.wrong(f'"start" is not an instant: {quoted(given or "")}', "start", hint=f"write it like {_START}")
        return 0
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not 1970 <= moment.year <= 2200:
        part.wrong('"start" is not from 1970 to 2200', "start")
        return 0
    return (aware - _EPOCH) // timedelta(milliseconds=1) * MILLISECOND


def _items(node: Node | None) -> tuple[Node, ...]:
    return node.items if isinstance(node, SequenceNode) else ()


def _refuse_repeated_names(part: Part, nodes: tuple[Node, ...]) -> None:
    lines: dict[str, int] = {}
    for index, node in enumerate(nodes):
        name = node_at(node, ["name"])
        if not isinstance(name, Scalar):
            continue
        if name.text in lines:
            message = f"a case is called {quoted(name.text)} already, in line {lines[name.text]}"
            part.wrong(message, "cases", index, "name")
        lines.setdefault(name.text, name.line)


def _equivalent(root: Node, document: TestFileDocument) -> Iterator[Equivalent]:
    for node, one in zip(_items(node_at(root, ["equivalent"])), document.equivalent, strict=False):
        yield Equivalent(node.place, " ".join(one.change.split()), one.because)


def _case(part: Part, setting: _Setting) -> Case | None:
    before, (rules, start) = len(part.problems), (setting.rules, setting.start)
    document = part.document(CaseDocument) if is_mapping(part) else None
    if document is None:
        return None
    check_key(part, document.key, rules, "key")
    sent = _sent(part, document, rules, start)
    restarts = read_restarts(part, document)
    rulings = read_rulings(part, document, rules, restarts)
    expected = read_expected(part, rules, document.key)
    about = setting.own | rules_named(expected)
    check_names(part, document, rules, about, setting.come)
    if not document.expect:
        part.wrong("the case expects nothing", "expect", hint="say what must be so, or nothing_more: true")
    ends = [part.duration(document.until, 0, "until"), last_instant(expected)]
    end = max(
        [*ends, *(one.at for one in sent), *(restart.end for restart in restarts), *(ruling.at for ruling in rulings)]
    )
    if len(part.problems) > before:
        return None
    return Case(
        part.source.file, document.name, part.key.place, start, end, sent, restarts, rulings,
        document.answers, document.replies, expected, about,
    )  # fmt: skip


def _sent(part: Part, document: CaseDocument, rules: RuleSet, start: int) -> tuple[Sent, ...]:
    node = node_at(part.node, ["send"])
    if node is None:
        return ()
    sender = Sender.of(rules, start)
    sent: list[Sent] = []
    for item in _items(node) or (node,):
        one = part_of(part.source, "send", item, part.problems)
        for name, value in getattr(node_at(item, ["key"]), "entries", ()):
            if isinstance(value, Scalar) and isinstance(value.value, str):
                check_key(one, {name.text: value.value}, rules, "key")
        sent += sender.messages(one, document.key)
    return tuple(sorted(sent, key=lambda message: message.at))
