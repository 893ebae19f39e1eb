"""Topics with captures: `site/{site}/dev/{device}/env`."""

from __future__ import annotations

from iotrules.language.words import refuse_name
from iotrules.model.rules import TopicPattern
from iotrules.yamlfile import quoted

_MAX_LENGTH = 1024


def topic_pattern(text: str) -> TopicPattern:
    """The levels of a topic. ValueError for wildcards, empty levels, a leading `$`."""
    if not text or len(text) > _MAX_LENGTH:
        raise ValueError(f"a topic has from 1 to {_MAX_LENGTH} characters")
    if text.startswith("$"):
        raise ValueError("topics that begin with $ belong to the broker")
    levels = tuple(_level(level, text) for level in text.split("/"))
    pattern = TopicPattern(text, levels)
    for name in pattern.captures:
        if pattern.captures.count(name) > 1:
            raise ValueError(f"the capture {{{name}}} is in the topic twice")
    return pattern


def _level(level: str, topic: str) -> tuple[bool, str]:
    if not level:
        raise ValueError(f"the topic {quoted(topic)} has an empty level: two / side by side, or one at an end")
    if level.startswith("{") and level.endswith("}"):
        return True, _capture(level[1:-1])
    if "{" in level or "}" in level:
        raise ValueError(f"{quoted(level)}: a capture is a whole level, as in dev/{{device}}/env")
    if "+" in level or "#" in level:
        raise ValueError(f"{quoted(level)}: wildcards have no name: write a capture, as in dev/{{device}}/env")
    return False, level


def _capture(name: str) -> str:
    if reason := refuse_name(name, "capture"):
        raise ValueError(reason)
    return name


def overlap(one: TopicPattern, other: TopicPattern) -> bool:
    """Whether some topic fits both patterns."""
    if len(one.levels) != len(other.levels):
        return False
    pairs = zip(one.levels, other.levels, strict=True)
    return all(mine or theirs or text == word for (mine, text), (theirs, word) in pairs)
