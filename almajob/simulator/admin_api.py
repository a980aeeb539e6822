"""The simulator's own page and API below ``/simulator/``: state, log, faults, clock, runs, webhooks, reset.

For people, and for tests in other languages. It needs no key, and exists in no real Alma.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from almajob.simulator.faults import NAMES
from almajob.simulator.http.messages import HTML, JSON, Call, Reply
from almajob.simulator.institution import Institution
from almajob.simulator.world.lifecycle import instant
from almajob.simulator.world.run import Ending

Answer = Callable[[Institution, dict[str, Any]], Any]


def state(institution: Institution, _given: dict[str, Any]) -> dict[str, Any]:
    """Return what there is."""
    now = institution.clock()
    return {
        "time": instant(now),
        "speed": institution.clock.speed,
        "remaining_calls": institution.gateway.remaining,
        "calls": institution.log.total,
        "environments": {
            name: {
                "jobs": len(world.jobs),
                "runs": len(world.runs()),
                "running": sum(not run.has_ended(now) for run in world.runs()[-1000:]),
                "sets": len(list(world.sets)),
            }
            for name, world in institution.worlds.items()
        },
        "keys": {key.name: key.text for key in institution.gateway.keys.values()},
        "faults": [asdict(fault) for fault in institution.faults.list_planned()],
        "webhook": institution.webhooks.url,
    }


def _add_fault(institution: Institution, given: dict[str, Any]) -> Any:
    times = given.get("times", 1)
    return asdict(
        institution.faults.add(
            str(given.get("name", "")),
            str(given.get("on", "*")),
            times=None if times is None else int(times),
            probability=float(given.get("probability", 1.0)),
            seconds=float(given.get("seconds", 30.0)),
        )
    )


def _set_clock(institution: Institution, given: dict[str, Any]) -> Any:
    institution.clock.advance(float(given.get("advance", 0)))
    if "speed" in given:
        institution.clock.set_speed(float(given["speed"]))
    now = institution.clock()
    return {"time": instant(now), "seconds": now, "speed": institution.clock.speed}


def _set_quota(institution: Institution, given: dict[str, Any]) -> Any:
    gateway = institution.gateway
    gateway.remaining = int(given.get("remaining", gateway.remaining))
    if "a_day" in given:
        gateway.a_day = None if given["a_day"] is None else int(given["a_day"])
    return {"remaining": gateway.remaining, "a_day": gateway.a_day}


def _end_run(institution: Institution, given: dict[str, Any]) -> Any:
    for world in institution.worlds.values():
        run = world.run(str(given.get("id", "")))
        if run is not None:
            world.end(run, str(given.get("status", "USER_ABORTED")), given.get("progress"))
            return {"id": run.id}
    raise ValueError("there is no run of that id")


def _set_ending(institution: Institution, given: dict[str, Any]) -> Any:
    job = str(given.pop("job", ""))
    if job not in {name for known in institution.sandbox.jobs for name in (known.id, known.name)} | {
        known.id for known in institution.production.jobs
    }:
        raise ValueError("there is no job of that name or id")
    institution.rules.endings[job] = Ending(**given)
    return {name: asdict(ending) for name, ending in institution.rules.endings.items()}


def _listen(institution: Institution, given: dict[str, Any]) -> Any:
    answered = institution.webhooks.listen(
        str(given.get("url", "")), str(given.get("secret", "")), str(given.get("form", "json"))
    )
    return {"challenge_answered": answered}


ROUTES: dict[tuple[str, str], Answer] = {
    ("GET", "state"): state,
    ("GET", "log"): lambda institution, _given: [entry.as_json() for entry in institution.log.requests()],
    ("GET", "faults"): lambda institution, _given: {
        "planned": [asdict(fault) for fault in institution.faults.list_planned()],
        "names": NAMES,
    },
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): lambda institution, _given: institution.faults.clear(),
    ("GET", "clock"): lambda institution, _given: _set_clock(institution, {}),
    ("POST", "clock"): _set_clock,
    ("POST", "quota"): _set_quota,
    ("POST", "runs"): _end_run,
    ("POST", "endings"): _set_ending,
    ("GET", "webhooks"): lambda institution, _given: [
        {"run_id": message.run_id, "answers": message.answers, "due": message.due}
        for message in institution.webhooks.messages
    ],
    ("POST", "webhooks"): _listen,
    ("POST", "reset"): lambda institution, _given: institution.reset(),
}


def answer(institution: Institution, call: Call) -> Reply:
    """Answer a call to the control API; its path begins behind ``/simulator/``."""
    name = "/".join(call.path)
    if name in ("", "index.html"):
        return Reply(200, _page(institution).encode(), HTML)
    route = ROUTES.get((call.method, name))
    if route is None:
        listed = ", ".join(f"{method} /simulator/{path}" for method, path in ROUTES)
        return as_json(404, {"error": f"there is no such call; there are: {listed}"})
    try:
        given = json.loads(call.body or b"{}")
        if not isinstance(given, dict):
            raise ValueError("the body is a JSON object")
        found = route(institution, given)
        return as_json(200, {} if found is None else found)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        return as_json(400, {"error": str(error)})


def as_json(status: int, document: Any) -> Reply:
    """Answer as the control API does."""
    return Reply(status, json.dumps(document, indent=1).encode(), JSON)


def _page(institution: Institution) -> str:
    told = html.escape(json.dumps(state(institution, {}), indent=1))
    calls = "".join(
        f"<tr><td>{entry.number}<td>{html.escape(entry.method)}<td>{html.escape(entry.path)}"
        f"<td>{entry.status or 'reset'}<td>{html.escape(', '.join(entry.faults))}"
        for entry in reversed(institution.log.requests()[-50:])
    )
    faults = "".join(f"<li><b>{name}</b>: {html.escape(text)}" for name, text in NAMES.items())
    routes = "".join(f"<li>{method} /simulator/{path}" for method, path in ROUTES)
    return (
        '<!doctype html><meta charset="utf-8"><title>almajob simulator</title>'
        "<style>body{font-family:sans-serif;max-width:60em;margin:2em auto}td{padding-right:1em}</style>"
        f"<h1>almajob simulator</h1><pre>{told}</pre>"
        f"<h2>Latest calls</h2><table>{calls}</table><h2>Control calls</h2><ul>{routes}</ul>"
        f"<h2>Faults</h2><ul>{faults}</ul>"
    )
