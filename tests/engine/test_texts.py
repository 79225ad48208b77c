"""Looking into a text says what reading it whole says, and reads a large one once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepwell.definition.template import MISSING
from stepwell.engine import texts
from stepwell.engine.texts import MOST_BYTES, MOST_TEXTS, Memo, opened, pick, walk
from stepwell.model import codec
from stepwell.model.codec import CodecError, decode, encode

KEYS = st.sampled_from(["a", "b", "0", "1", "7"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)
PATHS = st.lists(KEYS | st.integers(0, 4), max_size=4).map(tuple)


@given(value=VALUES, path=PATHS, small=st.integers(0, 30))
@settings(max_examples=300, deadline=None)
def test_it_finds_what_a_whole_reading_finds(value, path, small):
    before, texts.SMALL = texts.SMALL, small
    try:
        text = encode(value)
        memo: Memo = {}
        assert pick(memo, text, path) == walk(decode(text), path)
        assert pick(memo, text, path) == walk(decode(text), path)
    finally:
        texts.SMALL = before


@pytest.mark.parametrize("blanks", [b"", b" \n\t"])
def test_blanks_around_it(blanks):
    text = blanks + b'{ "a" : [ 1, "' + b"x" * texts.SMALL + b'" ] , "b": 2 }' + blanks
    assert pick({}, text, ("a", 0)) == 1
    assert pick({}, text, ("b",)) == 2
    assert pick({}, text, ("c",)) is MISSING
    assert pick({}, text, ("b", "c")) is MISSING


def test_a_large_text_is_read_once(monkeypatch):
    read = []
    for name in ("members", "items", "decode"):
        inner = getattr(codec, name)
        monkeypatch.setattr(texts, name, lambda text, inner=inner: (read.append(len(text)), inner(text))[1])
    text = encode({"order": {"lines": [{"n": n} for n in range(10_000)], "name": "Ada"}})
    memo: Memo = {}
    for n in range(500):
        assert pick(memo, text, ("order", "lines", n, "n")) == n
        assert pick(memo, text, ("order", "name")) == "Ada"
    assert sum(read) < 4 * len(text)


def test_what_was_not_looked_at_for_longest_is_closed():
    memo: Memo = {}
    kept = [encode(["x" * texts.SMALL, n]) for n in range(MOST_TEXTS + 1)]
    for text in kept:
        pick(memo, kept[0], (1,))
        pick(memo, text, (1,))
    assert len(memo) == MOST_TEXTS
    assert id(kept[0]) in memo and id(kept[1]) not in memo
    large = [b'["' + b"x" * (MOST_BYTES // 2) + b'"]' for _ in range(3)]
    for text in large:
        opened(memo, text)
    assert list(memo) == [id(large[2])]


def test_no_array():
    for text in (b"{}", b'{"a":7}', b'{"a":{}}', b"[1]"):
        with pytest.raises(CodecError):
            opened({}, text).items("a")
    assert opened({}, b"{}").value("a") is None
