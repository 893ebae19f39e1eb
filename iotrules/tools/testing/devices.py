"""The devices of the registry that a case speaks of: the others are not there, or all would be silent in every case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from iotrules.model.registry import Registry
from iotrules.model.rules import RuleSet
from iotrules.tools.testing.cases import Case, StateExpected


def of_case(case: Case, rules: RuleSet) -> RuleSet:
    """The rules, with a registry of the devices that the case sends messages of or expects something about."""
    if rules.registry is None:
        return rules
    named = list(_named(case, rules))
    return replace(rules, registry=_only(rules.registry, named))


def _named(case: Case, rules: RuleSet) -> Iterator[Mapping[str, str]]:
    for topic in dict.fromkeys(message.topic for message in case.sent):
        for stream in rules.streams.values():
            captured = stream.topic.match(topic)
            if captured is not None:
                yield dict(zip(stream.captures, captured, strict=True))
    for one in case.expected:
        if isinstance(one, StateExpected):
            yield dict(one.key.labels)


def _only(registry: Registry, named: list[Mapping[str, str]]) -> Registry:
    devices = {
        labels: values
        for labels, values in registry.devices.items()
        if any(_fits(dict(zip(registry.labels, labels, strict=True)), one) for one in named)
    }
    return replace(registry, devices=devices)


def _fits(device: Mapping[str, str], named: Mapping[str, str]) -> bool:
    shared = device.keys() & named.keys()
    return bool(shared) and all(device[label] == named[label] for label in shared)
