"""Which key is meant: labels given in any order, and not all of them where one known key fits."""

from __future__ import annotations

from collections.abc import Sequence

from iotrules.model.decisions import Key
from iotrules.model.errors import ConfigError
from iotrules.model.rules import Stream
from iotrules.yamlfile import nearest, quoted

_LISTED = 8


def parse_labels(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """`site=A,device=b1`, or several of them. ConfigError for what is not NAME=VALUE."""
    found: dict[str, str] = {}
    for part in (part for text in texts for part in text.split(",")):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"a key is written site=A,device=b1, not {quoted(part)}")
        if name.strip() in found:
            raise ConfigError(f"the key has {quoted(name.strip())} twice")
        found[name.strip()] = value
    return tuple(found.items())


def choose_key(rule: str, by: Sequence[str], labels: Sequence[tuple[str, str]], known: Sequence[Key]) -> Key:
    """The key of the rule that these labels name. ConfigError where none or several could be meant."""
    given = dict(labels)
    for name in given:
        if name not in by:
            hint = nearest(name, by) or f"; its keys have {', '.join(by) or 'no labels'}"
            raise ConfigError(f"the rule {quoted(rule)} has no label {quoted(name)} in its key{hint}")
    if given.keys() == set(by):
        return Key(tuple((name, given[name]) for name in by))
    fitting = [key for key in known if given.items() <= dict(key.labels).items()]
    if len(fitting) == 1:
        return fitting[0]
    wanted = ",".join(f"{name}={given.get(name, '…')}" for name in by)
    raise ConfigError(f"name one key with --key {wanted}: {_listed(fitting, len(known))}")


def key_of(stream: Stream, by: tuple[str, ...], topic: str) -> Key | None:
    """The key that a message on this topic belongs to; None if it is none of the stream's."""
    captured = stream.topic.match(topic)
    if captured is None:
        return None
    labels = dict(zip(stream.captures, captured, strict=True))
    return Key(tuple((name, labels[name]) for name in by))


def _listed(fitting: list[Key], known: int) -> str:
    if not fitting:
        return "none of the known keys fits" if known else "no message of any key was taken yet"
    texts = sorted(",".join(f"{name}={value}" for name, value in key.labels) for key in fitting)
    more = f" and {len(texts) - _LISTED} more" if len(texts) > _LISTED else ""
    return f"it could be {'; '.join(texts[:_LISTED])}{more}"
