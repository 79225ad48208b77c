"""The language of a cell: which values each condition lets through, and what is no condition."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepwell.definition.condition import ConditionError, compile_condition, condition_text
from stepwell.model.decision_table import ColumnKind

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=3), SCALARS, max_size=3)


def passes(text: str, value: Any, kind: str = "ANY") -> bool:
    test = compile_condition(text, ColumnKind(kind))
    return test is None or test(value)


LETS = [
    # condition, values that pass, values that do not
    ("", [None, 0, "", [], {}, "x"], []),
    (" * ", [None, 0, "x"], []),
    ("750", [750, 750.0], ["750", 751, True, None, [750]]),
    ("1", [1], [True, "1"]),
    ("-2.5e1", [-25, -25.0], [25]),
    ("007", ["007"], [7]),
    ('"750"', ["750"], [750]),
    ("true", [True], [1, "true", None]),
    ("FALSE", [False], [0, "", None]),
    ("null", [None], ["", 0, False, "null"]),
    ('"null"', ["null"], [None]),
    ("GOLD", ["GOLD"], ["gold", "GOLD ", None, ["GOLD"]]),
    ("very good", ["very good"], ["very"]),
    ("'it''s \"so\"'", ['it\'s "so"'], []),
    ('"say ""hi"", twice"', ['say "hi", twice'], []),
    ("in transit", ["in transit"], ["transit"]),
    ("like new", ["like new"], ["new"]),
    ("O'Neil", ["O'Neil"], []),
    ("not", ["not"], [None]),
    ("= 5", [5], [6]),
    ("> 750", [751, 750.1, 10**30], [750, "800", None, True, [900], {}]),
    (">=750", [750], [749.99]),
    ("< -1", [-2], [-1, False]),
    ("<= 0.5", [0.5, 0], [0.6]),
    ('> "m"', ["n", "mm"], ["m", "a", 5, None]),
    (
        ">= 2026-03-01",
        ["2026-03-01", "2026-03-01T00:00:00Z", "2027-01-01"],
        ["2026-02-28", "n/a", 2027, None],
    ),
    ("> 650 and <= 750", [651, 750], [650, 751, None]),
    ("> 650\nAND < 750, 900", [700, 900], [750, 800]),
    ('>= "a" and < "c"', ["b"], ["c", 1]),
    ("between(650, 750)", [650, 750, 700.5], [649.9, 751, "700", None]),
    ("BETWEEN ( -1 , 1 )", [0, -1], [2]),
    (
        "between(2026-01-01, 2026-06-30)",
        ["2026-01-01", "2026-06-30"],
        ["2026-06-30T08:00", "2025-12-31", "zz"],
    ),
    ("!= GOLD", ["gold", None, 5, []], ["GOLD"]),
    ("!= null", [0, "", []], [None]),
    ("in [GOLD, 5, null, true]", ["GOLD", 5, 5.0, None, True], [1, "5", False, [5], {}]),
    ('in ("a, b", c)', ["a, b", "c"], ["a", "b"]),
    ("GOLD, SILVER", ["GOLD", "SILVER"], ["GOLD, SILVER", None]),
    ('< 5, 7, like "a*"', [4, 7, "ab"], [5, 6, "ba"]),
    ('like "A*"', ["A", "ABC"], ["a", "BA", 1, None]),
    ('like "*.pdf"', [".pdf", "x.pdf"], ["x.pdf.exe"]),
    ('like "a*b*c"', ["abc", "a-b-c", "abbcc"], ["acb", "ab", "ac"]),
    ('like "ab*ba"', ["abba", "ab-ba"], ["aba"]),
    ('like "a*b*b"', ["abb", "a-b-b"], ["ab"]),
    ('like "*aa*aa*"', ["aaaa", "xaaxaax"], ["aaa"]),
    ('like "*"', ["", "x\ny"], [None, 5]),
    ('like "1\\*2"', ["1*2"], ["1x2"]),
    ('like "plain"', ["plain"], ["plainly"]),
    ('not "GOLD"', ["x", None], ["GOLD"]),
    ("not null", [0], [None]),
    ("not in [a, b]", ["c", None, 1], ["a", "b"]),
    ('not like "A*"', ["B", None], ["A"]),
    ("not between(1, 3)", [0, None, "2"], [1, 2, 3]),
]


@pytest.mark.parametrize(("text", "good", "bad"), LETS, ids=[row[0] for row in LETS])
def test_lets_through(text: str, good: list[Any], bad: list[Any]) -> None:
    assert [value for value in good if not passes(text, value)] == []
    assert [value for value in bad if passes(text, value)] == []


@pytest.mark.parametrize(
    ("text", "kind", "good", "bad"),
    [
        ("750", "TEXT", "750", 750),
        ("true", "TEXT", "true", True),
        ("null", "TEXT", None, "null"),
        ("750", "NUMBER", 750, "750"),
        ("true, null", "BOOLEAN", None, False),
        ('> "2026-01-31"', "DATE", "2026-02-01", "later"),
        ('> "2026-01-31"', "ANY", "later", "2026-01-01"),
    ],
)
def test_the_kind_of_the_column_says_what_words_mean(text: str, kind: str, good: Any, bad: Any) -> None:
    assert passes(text, good, kind)
    assert not passes(text, bad, kind)


REFUSED = [
    ("A*", "ANY", 'like "A*"'),
    ("> *", "ANY", 'like "A*"'),
    ('like "A', "ANY", "not closed"),
    ('like "5*"', "NUMBER", "like is for text"),
    ("not found", "ANY", "bare not"),
    ("not (a, b)", "ANY", "not understood"),
    ("!= a, b", "ANY", "not in [a, b]"),
    ('not "a", "b"', "ANY", "not in [a, b]"),
    ("> abc", "ANY", "neither a number nor a date"),
    ("> true", "ANY", "neither above nor below"),
    ("between(null, 5)", "ANY", "neither above nor below"),
    ("between(750, 650)", "ANY", "can never hold"),
    ('between(1, "2")', "ANY", "different kinds"),
    ('between(2026-01-01, "b")', "ANY", "different kinds"),
    ("between(1)", "ANY", "between(low, high)"),
    ("in [a, b", "ANY", "in [a, b]"),
    ("in []", "ANY", "not understood"),
    ("a,", "ANY", "ends where a value"),
    (">", "ANY", "ends where a value"),
    ("a=b", "ANY", "in quotes"),
    ("f(x)", "ANY", "in quotes"),
    ('> "a" and !x', "ANY", "in quotes"),
    ("GOLD", "NUMBER", "kind NUMBER"),
    ("1", "BOOLEAN", "kind BOOLEAN"),
    ("2026-13-01", "DATE", "kind DATE"),
    ("1e999", "ANY", "too large"),
    ("9" * 500, "ANY", "too many digits"),
    ("x" * 5_000, "ANY", "longer than"),
]


@pytest.mark.parametrize(("text", "kind", "message"), REFUSED, ids=[row[0][:20] for row in REFUSED])
def test_refuses_with_a_hint(text: str, kind: str, message: str) -> None:
    with pytest.raises(ConditionError) as refused:
        compile_condition(text, ColumnKind(kind))
    assert message in str(refused.value)


@settings(deadline=None)
@given(SCALARS, VALUES)
def test_a_json_value_as_a_condition_means_itself(wanted: Any, other: Any) -> None:
    if isinstance(wanted, str):
        wanted = [wanted]
    elif isinstance(wanted, float) and wanted - wanted != 0:
        return
    text = condition_text(wanted, ColumnKind.ANY)
    value = wanted[0] if isinstance(wanted, list) else wanted
    assert passes(text, value)
    same = type(other) is type(value) or {type(other), type(value)} == {int, float}
    assert passes(text, other) == (same and other == value)


@settings(deadline=None)
@given(st.text(alphabet="ab*?\\.", max_size=8), st.text(alphabet="ab*?\\.", max_size=12))
def test_patterns_agree_with_their_definition(pattern: str, value: str) -> None:
    assert passes(f'like "{pattern}"', value) == matches(pattern, value)


def matches(pattern: str, value: str) -> bool:
    """The meaning, tried out place by place."""
    if not pattern:
        return not value
    if pattern[:2] in ("\\*", "\\\\"):
        return value[:1] == pattern[1] and matches(pattern[2:], value[1:])
    if pattern[0] == "*":
        return any(matches(pattern[1:], value[count:]) for count in range(len(value) + 1))
    return value[:1] == pattern[0] and matches(pattern[1:], value[1:])


@settings(deadline=None)
@given(st.text(alphabet="abn otin,()[]<>=!*\"'0123-.&like", max_size=24), VALUES)
def test_any_text_is_refused_or_gives_a_test_that_answers(text: str, value: Any) -> None:
    try:
        assert passes(text, value) in (True, False)
    except ConditionError:
        return
