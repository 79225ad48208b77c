"""The door: what may never be stored is seen, and nothing else is refused."""

import json

import pytest

from stepwell.model.errors import Invalid
from stepwell.server.door import (
    TooLarge,
    Unreadable,
    check_json,
    check_object,
    is_deeper,
    read_body,
    split,
    split_members,
)

REFUSED = {
    "empty": (b"", "NOT_JSON"),
    "not json": (b"{a:1}", "NOT_JSON"),
    "truncated": (b'{"a": [1, 2', "NOT_JSON"),
    "trailing": (b"{} x", "NOT_JSON"),
    "nan": (b'{"a": NaN}', "NOT_JSON"),
    "infinity": (b'{"a": -Infinity}', "NOT_JSON"),
    "bom": (b"\xef\xbb\xbf{}", "NOT_JSON"),
    "utf16": ('{"a":1}'.encode("utf-16"), "NOT_UTF8"),
    "bad utf-8": (b'{"a": "\xff"}', "NOT_UTF8"),
    "surrogate in utf-8": (b'{"a": "\xed\xa0\x80"}', "NOT_UTF8"),
    "nul": (b'{"a": "x\\u0000y"}', "NUL_CHARACTER"),
    "nul in a key": (b'{"a\\u0000": 1}', "NUL_CHARACTER"),
    "nul after backslash": (b'{"a": "\\\\\\u0000"}', "NUL_CHARACTER"),
    "raw nul": (b'{"a": "\x00"}', "NOT_JSON"),
    "high alone": (b'{"a": "\\ud800"}', "LONE_SURROGATE"),
    "high then text": (b'{"a": "\\uD83Dx"}', "LONE_SURROGATE"),
    "high then high": (b'{"a": "\\ud83d\\ud83d\\ude00"}', "LONE_SURROGATE"),
    "high then letter": (b'{"a": "\\ud83d\\u0041"}', "LONE_SURROGATE"),
    "low alone": (b'{"a": "\\ude00"}', "LONE_SURROGATE"),
    "halves apart": (b'{"a": "\\ud83d", "b": "\\ude00"}', "LONE_SURROGATE"),
    "halves with an escape between": (b'{"a": "\\ud83d\\n\\ude00"}', "LONE_SURROGATE"),
    "deep arrays": (b"[" * 65 + b"]" * 65, "TOO_DEEP"),
    "very deep": (b"[" * 200_000 + b"]" * 200_000, "TOO_DEEP"),
    "deep objects": (b'{"a":' * 65 + b"1" + b"}" * 65, "TOO_DEEP"),
    "unclosed deep": (b"[" * 100_000, "TOO_DEEP"),
    "1e400": (b'{"a": 1e400}', "NOT_JSON"),
    "10,000 digits": (b'{"a": ' + b"9" * 10_000 + b"}", "NOT_JSON"),
}

ACCEPTED = {
    "escaped backslash before u0000": b'{"a": "\\\\u0000"}',
    "escaped backslash before ud800": b'{"a": "\\\\ud800"}',
    "a pair": b'{"a": "\\ud83d\\ude00"}',
    "two pairs": b'{"a": "\\ud83d\\ude00\\ud83d\\ude00"}',
    "every plane": '{"a": "ü 漢 😀 \U0010ffff"}'.encode(),
    "as deep as allowed": b"[" * 64 + b"]" * 64,
    "brackets in a text": b'{"a": "' + b"[{" * 500 + b'"}',
    "broad": b"[" + b",".join([b"[{}]"] * 500) + b"]",
    "64 bits": b'{"a": 18446744073709551615, "b": -9223372036854775808}',
    "65 bits": b'{"a": 36893488147419103232}',
    "a key twice": b'{"a": 1, "a": 2}',
    "minus nothing": b'{"a": -0}',
    "a million keys' little brother": json.dumps({str(i): i for i in range(10_000)}).encode(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    text, code = REFUSED[name]
    with pytest.raises(Unreadable) as refusal:
        check_json(text, 64)
    assert refusal.value.code == code


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    assert check_json(ACCEPTED[name], 64) == json.loads(ACCEPTED[name])


@pytest.mark.parametrize("text", [b"[]", b"1", b'"x"', b"null"])
def test_only_an_object_is_an_object(text: bytes) -> None:
    with pytest.raises(Unreadable) as refusal:
        check_object(text, 64)
    assert refusal.value.code == "NOT_AN_OBJECT"


def test_depth_is_counted_outside_of_strings() -> None:
    assert is_deeper(b'{"a": [1, {"b": []}]}', 3)
    assert not is_deeper(b'{"a": [1, {"b": []}]}', 4)
    assert not is_deeper(b'{"a": "\\"[[[[", "b": []}', 2)


def test_split_looks_past_what_the_parser_refuses() -> None:
    assert split(b' [ {"a": [1, 2]} , {"b": NaN}, "x,]", "\\ud800" ] ') == [
        b'{"a": [1, 2]}',
        b'{"b": NaN}',
        b'"x,]"',
        b'"\\ud800"',
    ]
    assert split(b"[]") == []
    assert split(b"{}") == []
    bad = b'{"a": {"x": [1, 2]}, "b": "\\ud800"}'
    assert split_members(bad) == {"a": b'{"x": [1, 2]}', "b": b'"\\ud800"'}


@pytest.mark.parametrize("text", [b"", b"1", b"[1, 2", b"[[]", b"[]]", b"[1] [2]", b'{"a": 1]', b"x"])
def test_what_is_no_list_cannot_be_split(text: bytes) -> None:
    assert split(text) is None


async def _read(chunks: list[bytes], limit: int, headers: list[tuple[bytes, bytes]]) -> tuple[bytes, int]:
    taken = 0

    async def receive() -> dict[str, object]:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": chunks[taken - 1], "more_body": taken < len(chunks)}

    try:
        return await read_body({"headers": headers}, receive, limit), taken
    except TooLarge:
        return b"TOO LARGE", taken


@pytest.mark.anyio
async def test_a_chunked_body_is_refused_before_it_is_all_here() -> None:
    assert await _read([b"x" * 10] * 1_000, 95, []) == (b"TOO LARGE", 10)
    assert await _read([b"x" * 10] * 3, 30, []) == (b"x" * 30, 3)


@pytest.mark.anyio
@pytest.mark.parametrize("length", [b"101", b"9" * 5_000])
async def test_a_declared_length_is_refused_without_reading(length: bytes) -> None:
    assert await _read([b"x"], 100, [(b"content-length", length)]) == (b"TOO LARGE", 0)


def test_refusals_are_errors_that_the_table_knows() -> None:
    assert issubclass(TooLarge, Invalid) and issubclass(Unreadable, Invalid)
