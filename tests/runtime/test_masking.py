"""Masking what an in-server step says: every usual spelling of a value goes, everything else stays."""

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest

from stepwell.model.codec import decode, encode
from stepwell.runtime.masking import Masker

VALUES = [
    "correct horse battery",
    "p@ss w/rd+&=?%",
    'quo"te\\back\nslash\ttab',
    "línea ñ €uro 😀 end",
    "a.b*c[d](e)$^|",
    "<b>&amp;'\"</b>",
    "x" * 500,
]


@pytest.mark.parametrize("value", VALUES)
def test_every_spelling_goes(value):
    data = value.encode()
    spelled = [
        value,
        json.dumps(value),
        json.dumps(value, ensure_ascii=False),
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        quote(value, safe="").lower() if value.isascii() and value.islower() else quote(value),
        html.escape(value),
        data.hex(),
        data.hex().upper(),
        base64.b64encode(data).decode(),
        base64.urlsafe_b64encode(data).decode(),
        repr(value),
    ]
    masker = Masker([value])
    for text in spelled:
        said = masker.text(f"before {text} after")
        assert "***" in said, text
        assert said.startswith("before ") and said.endswith(" after")
        assert len(said) < 30


@pytest.mark.parametrize("before", ["", "u", "us", "user:", "user:x"])
@pytest.mark.parametrize("after", ["", "!", "!!"])
def test_inside_of_something_that_is_encoded_as_a_whole(before, after):
    value = "correct horse battery"
    text = base64.b64encode((before + value + after).encode()).decode()
    said = Masker([value]).text(text)
    left = sum(len(base64.b64encode(around.encode())) for around in (before, after))
    assert "***" in said and len(said) - 3 <= left + 4, (
        "only letters at the edges, shared with what is around it"
    )


@pytest.mark.parametrize("end", ["", "…", "...", '"', "'", "…'"])
def test_a_beginning_at_the_end_of_a_text_that_was_cut(end):
    assert Masker(["correct horse battery"]).text(f"asked for correct ho{end}") == f"asked for ***{end}"
    assert Masker(["correct horse battery"]).text("asked for corre") == "asked for corre"


def test_only_what_is_long_enough_is_looked_for():
    assert Masker(["short", "12345"]).text("short 12345") == "short 12345"
    assert Masker(["longer"]).text("longer") == "***"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"user": "somebody", "n": 1234567}, ["somebody", "1234567", '{"user":"somebody","n":1234567}']),
        (["a secret list"], ["a secret list"]),
        (987654321, ["987654321"]),
        ("first line\nsecond line", ["first line", "second line", "first line\nsecond line"]),
    ],
)
def test_values_that_are_no_plain_text(value, said):
    for text in said:
        assert Masker([value]).text(text) == "***"


def test_a_whole_output():
    masker = Masker(["correct horse", 987654321])
    output = {
        "result": {"correct horse": ["x", "say correct horse!", 987654321, 98, None, True, 1.5]},
        "n": 987654321,
        "plain": "nothing",
        "__secretStatePut": {"k": "correct horse"},
    }
    assert decode(masker.json(encode(output))) == {
        "result": {"***": ["x", "say ***!", "***", 98, None, True, 1.5]},
        "n": "***",
        "plain": "nothing",
        "__secretStatePut": {"k": "correct horse"},
    }
    assert (
        masker.json(b'{"big": 123456789012345678901234567890}') == b'{"big":123456789012345678901234567890}'
    )


def test_nothing_to_mask_changes_nothing():
    assert Masker([]).json(b' {"a" : 1} ') == b' {"a" : 1} '
    assert Masker([None, True, "", "abc"]).json(b' {"a" : 1} ') == b' {"a" : 1} '
