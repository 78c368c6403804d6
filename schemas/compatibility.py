"""Whether what is stored can still be read, and still means the same: today's event types against the frozen shapes.

``schemas/stored/types`` holds every shape that each type and version ever had. Refused is what would make a stored
event unreadable or mean something else: something taken away, demanded, narrowed, renamed or measured otherwise.
Allowed are a new optional field, wider limits, more allowed values, better words, and a new version with an upcaster.

``python -m schemas.compatibility``            says what is wrong; exit code 1
``python -m schemas.compatibility --freeze``   freezes what is new and allowed, and adds its golden examples to the
                                               golden log; never touches what is frozen
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from schemas.base import EventType, JsonObject
from schemas.catalogue import EVENT_TYPES
from schemas.shape import IncompatibleError, shapes

STORED = Path(__file__).resolve().parent / "stored"
FREEZE = "python -m schemas.compatibility --freeze"
_REMEDY = (
    "stored events of it would be refused or mean something else. Leave it as it was; declare the change as a new "
    "version of the type, with an upcaster from this one (docs/operations.md, Upgrade)"
)
_AT_LEAST = ("minimum", "exclusiveMinimum", "minLength")  # may fall or go, never rise or come
_AT_MOST = ("maximum", "exclusiveMaximum", "maxLength")
_KNOWN = frozenset({*_AT_LEAST, *_AT_MOST, "type", "enum", "const", "default", "anyOf", "pattern", "format"})

Frozen = Mapping[str, Sequence[JsonObject]]
"""Every shape that a wire name (or the envelope) ever had, the oldest first."""


def load_frozen(directory: Path = STORED) -> dict[str, list[JsonObject]]:
    """The frozen shapes by wire name."""
    return {path.stem: orjson.loads(path.read_bytes()) for path in sorted((directory / "types").glob("*.json"))}


def breaks(
    frozen: Frozen, current: Mapping[str, JsonObject], event_types: Sequence[EventType] = EVENT_TYPES
) -> list[str]:
    """One sentence for everything that would break stored events; empty when nothing does."""
    found = []
    for name, past in frozen.items():
        if name not in current:
            found.append(f"{name} is gone: {_REMEDY}")
            continue
        reasons = {reason: None for shape in past for reason in _broken(shape, current[name])}
        found += [f"{name}: {reason}: {_REMEDY}" for reason in reasons]
    for event_type in event_types:
        missing = len(event_type.models) - 1 - len(event_type.upcasters)
        if missing > 0:
            found.append(
                f"{event_type.wire_name}: {missing} of {len(event_type.models) - 1} upcasters are missing: stored "
                "events of older versions could not be read. Add one from each version to the next"
            )
    return found


def unfrozen(frozen: Frozen, current: Mapping[str, JsonObject]) -> list[str]:
    """Names whose present shape is not the one frozen last."""
    return [name for name, shape in current.items() if not frozen.get(name) or frozen[name][-1] != shape]


def freeze(directory: Path = STORED) -> list[str]:
    """Freeze what is new; the names of what was.

    :raises IncompatibleError: a change breaks stored events; then nothing is frozen.
    """
    frozen, current = load_frozen(directory), shapes()
    if broken := breaks(frozen, current):
        raise IncompatibleError("\n".join(broken))
    new = unfrozen(frozen, current)
    for name in new:
        past = [*frozen.get(name, ()), current[name]]
        path = directory / "types" / f"{name}.json"
        path.write_bytes(orjson.dumps(past, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return new


def _broken(old: JsonObject, new: JsonObject) -> list[str]:
    """What an event of the old shape would suffer."""
    found = [
        f"{what} changed from {old[what] or 'none'} to {new[what] or 'none'}"
        for what in ("topic", "table")
        if old.get(what) != new.get(what)
    ]
    if new.get("own_rule") and not old.get("own_rule"):
        found.append("a rule over the whole event is new")
    for name, field in old["fields"].items():
        if name not in new["fields"]:
            found.append(f"field {name} was removed or renamed")
        else:
            found += [f"field {name}: {change}" for change in _narrowed(field, new["fields"][name])]
    for name in sorted(set(new["required"]) - set(old["required"])):
        known = name in old["fields"]
        found.append(f"field {name} is {'required now and was optional' if known else 'new and required'}")
    for name, field in new["fields"].items():
        if name not in old["fields"] and field.get("default") is not None:
            found.append(f"field {name} is new and has a default: what was never said must read as null")
    return found + _quantities(old.get("quantities", {}), new.get("quantities", {})) + _limits(old, new)


def _quantities(old: JsonObject, new: JsonObject) -> list[str]:
    found = []
    for name, rule in old.items():
        if name not in new:
            found.append(f"quantity {name} was removed")
        elif rule["unit"] != new[name]["unit"]:
            found.append(f"quantity {name}: the unit changed from {rule['unit']} to {new[name]['unit']}")
        else:
            found += [f"quantity {name}: {change}" for change in _bounds(rule, new[name])]
    return found


def _limits(old: JsonObject, new: JsonObject) -> list[str]:
    fallen = {name: most for name, most in old.get("limits", {}).items() if new["limits"][name] < most}
    return [f"{name} fell from {most} to {new['limits'][name]}" for name, most in fallen.items()]


def _narrowed(old: JsonObject, new: JsonObject) -> list[str]:
    """How a field's new JSON Schema allows less than the old one, or says something else."""
    before, after = _one_type(old), _one_type(new)
    strange = sorted((set(before) | set(after)) - _KNOWN)  # nobody has thought yet about what it would do
    found = [f"the keyword {name} changed" for name in strange if before.get(name) != after.get(name)]
    if before["type"] - after["type"]:
        found.append(f"the type changed from {_names(before)} to {_names(after)}")
    elif after["type"] - before["type"] - {"null"}:
        found.append(f"the type changed from {_names(before)} to {_names(after)}: its column would change")
    if before.get("default") != after.get("default"):
        found.append(f"the default changed from {before.get('default')!r} to {after.get('default')!r}")
    for keyword in ("pattern", "format"):
        if keyword in after and before.get(keyword) != after[keyword]:
            found.append(f"the {keyword} changed from {before.get(keyword, 'none')} to {after[keyword]}")
    return found + _bounds(before, after) + _values(before, after)


def _bounds(before: JsonObject, after: JsonObject) -> list[str]:
    found = []
    for keyword in (*_AT_LEAST, *_AT_MOST):
        if keyword not in after:
            continue
        sign = 1 if keyword in _AT_LEAST else -1
        if keyword not in before or sign * after[keyword] > sign * before[keyword]:
            found.append(f"{keyword} was narrowed from {before.get(keyword, 'none')} to {after[keyword]}")
    return found


def _values(before: JsonObject, after: JsonObject) -> list[str]:
    old, new = _allowed(before), _allowed(after)
    if new is None:
        return []
    if old is None:
        return [f"only {', '.join(map(str, new))} are allowed now"]
    return [f"value {value} was removed" for value in old if value not in new]


def _allowed(schema: JsonObject) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _one_type(schema: JsonObject) -> JsonObject:
    """``anyOf`` of one type and null as that type's schema; ``type`` as a set of names."""
    options = schema.get("anyOf", [schema])
    kept = {name: value for name, value in schema.items() if name != "anyOf"}
    names: set[str] = set()
    for option in options:
        declared = option.get("type", ())
        names |= {declared} if isinstance(declared, str) else set(declared)
        if declared != "null":
            kept.update(option)
    return {**kept, "type": names}


def _names(schema: JsonObject) -> str:
    return " or ".join(sorted(schema["type"])) or "anything"


def main(arguments: Sequence[str]) -> int:
    """The command; what it says goes to standard output and standard error."""
    from schemas.golden_log import extend, lacking

    try:
        if list(arguments) == ["--freeze"]:
            added = [f"golden log: {what}" for what in extend()]
            added += [f"schemas/stored/types/{name}.json" for name in freeze()]
            sys.stdout.write("".join(f"{line}\n" for line in added or ["nothing is new"]))
            return 0
        frozen, current = load_frozen(), shapes()
        broken = breaks(frozen, current)
        broken += [f"{name} is not frozen in its present shape: run `{FREEZE}`" for name in unfrozen(frozen, current)]
        broken += lacking()
    except IncompatibleError as error:
        broken = str(error).splitlines()
    sys.stderr.write("".join(f"{line}\n" for line in broken))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
