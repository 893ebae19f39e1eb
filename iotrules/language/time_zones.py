"""Names of time zones, as the IANA database has them."""

from __future__ import annotations

from zoneinfo import ZoneInfo, available_timezones

from iotrules.yamlfile import nearest, quoted

ZONE_HINT = "zones have names such as Europe/Berlin or UTC"


def refuse_zone(zone: str) -> str:
    """Why `zone` names no time zone, with the nearest that does, or nothing."""
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):  # no such zone; a name that leaves the database; a folder of it
        return f"unknown time zone {quoted(zone)}{nearest(zone, available_timezones())}"
    return ""
