"""From text to values."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepwell.definition.parse import MAX_BYTES, parse
from stepwell.model.errors import Invalid


def bomb() -> str:
    lines = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join(['*' + before] * 10)}]")
    return "\n".join(lines)


def deep_by_alias() -> str:
    lines = ["a0: &a0 x"]
    lines += [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 100)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, true, null, "x"]}', {"a": [1, 2.5, True, None, "x"]}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ("{a: 1, b: [x, y]}", {"a": 1, "b": ["x", "y"]}),
        ("a: on\nb: yes\nc: no\nd: off\non: 1", {"a": "on", "b": "yes", "c": "no", "d": "off", "on": 1}),
        ("a: true\nb: False\nc: ~\nd:\ne: null", {"a": True, "b": False, "c": None, "d": None, "e": None}),
        (
            "a: 2024-01-01\nb: 007\nc: 1:30\nd: 0x10",
            {"a": "2024-01-01", "b": "007", "c": "1:30", "d": "0x10"},
        ),
        ("a: 1e3\nb: -5\nc: .5\nd: '5'\ne: !!str 5", {"a": 1000.0, "b": -5, "c": 0.5, "d": "5", "e": "5"}),
        ("a: &x {k: 1}\nb: [*x, *x]", {"a": {"k": 1}, "b": [{"k": 1}, {"k": 1}]}),
        ("1: x\ntrue: y", {"1": "x", "true": "y"}),
        ("a: |\n  {{ input.x }}\n  b\n", {"a": "{{ input.x }}\nb\n"}),
        ("", None),
    ],
)
def test_accepted(text, value):
    assert parse(text) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": 1, "a": 2}', "twice"),
        ("a: 1\nb: 2\na: 3", "line 3, column 1: the key 'a' is there twice"),
        ('{"a": 1,,}', "line 1, column"),
        ("a: [1", "line"),
        ("a: *x", "alias"),
        ("a: &a [*a]", "alias"),
        ("<<: {a: 1}", "merge"),
        ("a: !python/object x", "tag"),
        ("? [x]\n: 1", "key must be text"),
        ("a: 1\n---\nb: 1", "one document"),
        ("a: .inf", "number"),
        ('{"a": NaN}', "number"),
        ('{"a": 1e999}', "too large"),
        ('{"a": ' + "9" * 5000 + "}", "digits"),
        ('{"a": "\\u0000"}', "NUL"),
        ('{"a": "\\ud800"}', "surrogate"),
        ('{"\\ud800": 1}', "surrogate"),
        ('a: "\\0"', "NUL"),
        ("\ud800", "UTF-8"),
        (b"\xff\xfe", "UTF-8"),
        ("[" * 65 + "]" * 65, "deeper"),
        ("[" * 100_000, "deeper"),
        ("a: " + "[" * 100_000, "deeper"),
        ('{"a":' * 5_000 + "1" + "}" * 5_000, "deeper"),
        (bomb(), "values"),
        (deep_by_alias(), "deeper"),
        ("a" * (MAX_BYTES + 1), "larger"),
    ],
    ids=range(27),
)
def test_refused(text, says):
    with pytest.raises(Invalid) as refused:
        parse(text, at="steps")
    (problem,) = refused.value.problems
    assert problem.path == "steps"
    assert says in problem.message


FRAGMENTS = st.sampled_from(
    [
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        ",",
        "- ",
        "\n",
        "  ",
        "a",
        "1",
        '"',
        "'",
        "&a ",
        "*a",
        "!!str ",
        "? ",
        "|",
        "#",
        "<<",
    ]
)


@given(st.one_of(st.text(), st.binary(), st.lists(FRAGMENTS, max_size=20).map("".join)))
def test_any_text_is_a_value_or_invalid(text):
    try:
        parse(text)
    except Invalid as refused:
        assert refused.problems


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["a", "b", "on", "1"]), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["x", "y"]), JSON), st.booleans())
def test_json_comes_back_as_it_was(value, ascii_only):
    assert parse(json.dumps(value, ensure_ascii=ascii_only)) == value
