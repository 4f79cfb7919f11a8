"""Damages files: bytes, lines and parts of JSON values. All chance comes from the dice given."""

from __future__ import annotations

import json
import random
from typing import Any

NESTED = "[" * 20_000
LONG = "9" * 5000
JUNK: list[Any] = [
    None, True, False, -1, 0, 1, 2, 3, 1.5, -0.0, 2**31, 2**63, 2**70, 10**400, 1e300, -1e300,
    float("nan"), float("inf"), float("-inf"), "", " ", "x", "a", "abc", "1", "\u0000", "Ā",
    "\ud83d", "[red]", ":smile:", "../../x", "/dev/zero", "nan", "x" * 5000, "<think>", "🙂" * 20,
    [], {}, [[]], [{}], [None], [1], ["a"], [["a"]], [1, 2], [1, 2, 3, 4], [1e308] * 6, {"a": 1},
    {"size": [12, 16], "counts": "0"}, {"counts": [1]}, {"size": [10**9] * 2, "counts": [10**18]},
    {"size": [10, 10], "counts": "d3"}, {"size": [10, 10], "counts": "oooooooooooo"},
    {"size": [10, 10], "counts": [-5, 105]}, [[0, 0, 1e9, 0, 1e9, 1e9]], "1" * 50,
]  # fmt: skip
RAW = [
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", LONG.encode(), NESTED.encode(),
    b'{"a":' * 20_000, b'"\\ud83d"', b'"\\udc00\\ud83d"', b"\xed\xa0\xbd", b"\xff\xfe", b"\x00",
    b"\xef\xbb\xbf", b"\r", b"\n", b"\r\n", b'"', b"\\", b"{", b"}", b"[", b"]", b":", b",",
    b" " * 3000, "\u2028".encode(), b"null", b"true", b"{}", b"[]", b"-", b"0", b"1e5", b";", b"\t",
]  # fmt: skip
TOML_VALUES = [
    b"true", b"0", b"-1", b"1.5", b"nan", b"-inf", b"9" * 30, LONG.encode(), b'""', b'"x"',
    b'"a/b"', rb'"\u0000"', b"[]", b"{}", b"[[1]]", b'["x", 1]', b"{x = 1}", b"[{}]", b"[nan]",
    b'["A", "A"]', b"1979-05-27T07:32:00Z", b"1979-05-27", b"07:32:00", NESTED.encode(),
    b"{a = " * 2000, b"[" * 400 + b"]" * 400, b'{"" = ""}', "'🙂'".encode(),
]  # fmt: skip

TOML_WORDS = [b'"none"', b'"x y"', b'"oracle"', b'"coordinates"', b'"published"', b'"../x"', b'"1"']


def damage_bytes(data: bytes, dice: random.Random) -> bytes:
    """Flip, insert, remove, repeat or cut bytes, one to four times."""
    broken = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        place = dice.randrange(len(broken) + 1)
        match dice.randrange(7):
            case 0 if broken:
                broken[place % len(broken)] ^= 1 << dice.randrange(8)
            case 1 if broken:
                broken[place % len(broken)] = dice.randrange(256)
            case 2:
                broken[place:place] = dice.choice(RAW)
            case 3:
                del broken[place : place + dice.randint(1, 40)]
            case 4:
                broken[place:place] = broken[place : place + dice.randint(1, 60)]
            case 5:
                del broken[place:]
            case _:
                end = place + dice.randint(1, 8)
                broken[place:end] = dice.choice(RAW)
    return bytes(broken)


def damage_value(value: Any, dice: random.Random) -> Any:
    """Replace, drop, rename or double one part of a JSON value."""
    if isinstance(value, dict) and value and dice.random() < 0.9:
        key = dice.choice(list(value))
        kind = dice.random()
        if kind < 0.1:
            return {k: v for k, v in value.items() if k != key}
        if kind < 0.13:
            return {(f"{k}x" if k == key else k): v for k, v in value.items()}
        return {**value, key: damage_value(value[key], dice)}
    if isinstance(value, list) and value and dice.random() < 0.9:
        place = dice.randrange(len(value))
        kind = dice.random()
        if kind < 0.1:
            return value[:place] + value[place + 1 :]
        if kind < 0.2:
            return [*value, *value[place : place + 1] * dice.randint(1, 30)]
        return [*value[:place], damage_value(value[place], dice), *value[place + 1 :]]
    if isinstance(value, str) and value and dice.random() < 0.3:
        return damage_bytes(value.encode("utf-8", "replace"), dice).decode("utf-8", "replace")
    if isinstance(value, int | float) and dice.random() < 0.3:
        return value + dice.choice([-1, 1, 1000, -1000])
    return dice.choice(JUNK)


def damage_json(data: bytes, dice: random.Random) -> bytes:
    """Damage a JSON file in one to three places; sometimes a key stands there twice."""
    try:
        value = json.loads(data)
    except ValueError:
        return damage_bytes(data, dice)
    for _ in range(dice.randint(1, 3)):
        value = damage_value(value, dice)
    text = json.dumps(value, ensure_ascii=dice.random() < 0.5).encode("utf-8", "surrogatepass")
    if dice.random() < 0.05 and text.startswith(b'{"'):
        text = text[:-1] + b"," + text[1 : text.find(b",")] + b"}"
    return text


def damage_lines(data: bytes, dice: random.Random) -> bytes:
    """Damage one line of a file of JSON lines, or drop, double, swap or join lines."""
    lines = data.split(b"\n")
    place = dice.randrange(max(len(lines) - 1, 1))
    kind = dice.random()
    if kind < 0.05:
        del lines[place]
    elif kind < 0.1:
        lines.insert(place, lines[place])
    elif kind < 0.15:
        lines.insert(0, lines.pop(place))
    elif kind < 0.2:
        lines[place : place + 2] = [b"".join(lines[place : place + 2])]
    elif kind < 0.25:
        lines.insert(place, dice.choice([b"", b"[]", b"null", b"1", NESTED.encode(), b"\xff"]))
    else:
        lines[place] = damage_json(lines[place], dice)
    return b"\n".join(lines)


def damage_toml(data: bytes, dice: random.Random) -> bytes:
    """Give entries of a TOML file other values, often of their own kind, or drop a line."""
    lines = data.split(b"\n")
    for _ in range(1 + (dice.random() < 0.3)):
        place = dice.randrange(len(lines))
        key, sign, value = lines[place].partition(b" = ")
        if not sign or dice.random() < 0.1:
            lines[place : place + 1] = [lines[place]] * dice.choice([0, 2])
        elif dice.random() < 0.5 and value[-1:].isdigit():
            lines[place] = key + sign + b"%d" % dice.choice([0, 1, 2, 3, 100, 2**40])
        elif dice.random() < 0.5 and value.startswith(b'"'):
            lines[place] = key + sign + dice.choice(TOML_WORDS)
        else:
            lines[place] = key + sign + dice.choice(TOML_VALUES)
    return b"\n".join(lines)


def damage(name: str, data: bytes, dice: random.Random) -> bytes:
    """Damage the content of a file in a way that fits its name."""
    if dice.random() < 0.35:
        return damage_bytes(data, dice)
    if name.endswith(".jsonl"):
        return damage_lines(data, dice)
    if name.endswith(".json"):
        return damage_json(data, dice)
    if name.endswith(".toml"):
        return damage_toml(data, dice)
    return damage_bytes(data, dice)
