"""Which keys a rule looks at (`only_keys`).

House rule: it depends on the rule and the key alone, so it is worked out once for a key and need not be stored.
"""

from __future__ import annotations

from iotrules.model.decisions import Key
from iotrules.model.rules import Rule


def covers(rule: Rule, key: Key) -> bool:
    """Does the rule look at this key? `key` has the labels of the rule's `by`."""
    if not rule.only_keys:
        return True
    labels = dict(key.labels)
    return all(labels.get(name) in values for name, values in rule.only_keys)
