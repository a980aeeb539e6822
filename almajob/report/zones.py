"""The time zone in which a report shows its times."""

from __future__ import annotations

from datetime import datetime, tzinfo


def name_zone(zone: tzinfo | None, now: datetime) -> str:
    """Return the name of a time zone with its offset at a time: ``Europe/Zurich, UTC+01:00``.

    Args:
        zone: None for that of this machine.
    """
    local = now.astimezone(zone)
    offset = f"UTC{local:%z}"
    shown = "UTC" if offset == "UTC+0000" else f"{offset[:-2]}:{offset[-2:]}"
    name = str(zone) if zone else local.tzname() or ""
    return shown if name in ("", shown) else f"{name}, {shown}"
