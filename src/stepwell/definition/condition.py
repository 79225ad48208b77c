"""The language of one cell of a decision table: from text to a test of a value. Spec 3.12.

    * or nothing          anything                      > 750   >= 2026-01-01   < "m"     order
    750   true   GOLD     exactly this                  >= 650 and < 750                  both
    null                  absent or null                between(650, 750)                 both ends included
    != GOLD               anything but this             in [GOLD, "a, b"]    GOLD, < 5    one of these
    like "A*"             a pattern, * is any text      not in [a, b]   not like "A*"     the opposite

A test never raises, whatever JSON value it is given, and takes time linear in the value: there are no regular
expressions. Values of different kinds are different: text `"750"` is not 750, and neither is above the other.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from stepwell.definition.fields import kind_of
from stepwell.model.codec import encode
from stepwell.model.decision_table import ColumnKind

MAX_CONDITION = 4_000
"""Characters in one condition."""
MAX_DIGITS = 400

Scalar = str | int | float | bool | None
Test = Callable[[Any], bool]

ANY_VALUE: Final = "*"

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DATE = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
NULLS = frozenset({"null", "Null", "NULL"})

_QUOTED = re.compile(r'"((?:[^"]|"")*)"|\'((?:[^\']|\'\')*)\'')
_BARE = re.compile(r"""[^\s,()\[\]<>=!"'*](?:[^,()\[\]<>=!"*]|!(?!=))*""")
_COMPARISON = re.compile(r">=|<=|!=|>|<|=")
_NOT = re.compile(r"not(?=[\s\"'(])\s*", re.IGNORECASE)
_BETWEEN = re.compile(r"between\s*\(", re.IGNORECASE)
_IN = re.compile(r"in\s*([\[(])", re.IGNORECASE)
_LIKE = re.compile(r"like\s*(?=[\"'])", re.IGNORECASE)
_AND = re.compile(r"and\s*(?=[<>=]|!=)", re.IGNORECASE)
_ENDS_IN_AND = re.compile(r"\sand\Z", re.IGNORECASE)
_BLANKS = re.compile(r"\s*")
_PATTERN_PART = re.compile(r"\\[\\*]|.", re.DOTALL)


class ConditionError(ValueError):
    """The text is no condition; a sentence for the user."""


def compile_condition(text: str, kind: ColumnKind = ColumnKind.ANY) -> Test | None:
    """The test that a cell asks for; None when anything passes. Raises ConditionError."""
    if len(text) > MAX_CONDITION:
        raise ConditionError(f"is longer than {MAX_CONDITION} characters")
    text = text.strip()
    if text in ("", ANY_VALUE):
        return None
    return _Parser(text, kind).whole()


def condition_text(value: Any, kind: ColumnKind) -> str:
    """A condition given as a JSON value, as text: a number, boolean or null means itself, a list one of its items.

    Raises ConditionError.
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list | tuple):
        return f"in [{', '.join(_item_text(item, kind) for item in value)}]"
    return _item_text(value, kind)


def is_date(value: Any) -> bool:
    return isinstance(value, str) and _DATE.fullmatch(value) is not None


def _item_text(value: Any, kind: ColumnKind) -> str:
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    if value is not None and not isinstance(value, bool | int | float):
        raise ConditionError(f"{kind_of(value)} is no condition")
    if value is not None and kind is ColumnKind.TEXT:
        raise ConditionError(f"must be text, is {kind_of(value)}: the column is of kind TEXT")
    if isinstance(value, float) and value - value != 0:
        raise ConditionError("a number is too large")
    return encode(value).decode()


class _Operand:
    """A value in a condition. Text that was written bare is told apart: it may be a slip."""

    def __init__(self, value: Scalar, *, bare: bool) -> None:
        self.value = value
        self.bare_text = bare and isinstance(value, str)


class _Parser:
    def __init__(self, text: str, kind: ColumnKind) -> None:
        self.text = text
        self.kind = kind
        self.at = 0

    def whole(self) -> Test:
        tests: list[Test] = []
        negative = False
        while True:
            test, is_negative = self._test()
            tests.append(test)
            negative = negative or is_negative
            if not self._take(","):
                break
        if self.at < len(self.text):
            raise ConditionError(self._not_understood())
        if len(tests) == 1:
            return tests[0]
        if negative:
            raise ConditionError("mixes a negation with a list: write not in [a, b] for none of these")
        return _one_of_tests(tests)

    def _test(self) -> tuple[Test, bool]:
        """A test, and whether it is a negation."""
        if self._keyword(_NOT):
            return _opposite(self._negatable()), True
        comparison = self._keyword(_COMPARISON)
        if comparison is not None:
            return self._comparisons(comparison[0]), comparison[0] == "!="
        test = self._function()
        return (_equal(self._operand().value) if test is None else test), False

    def _negatable(self) -> Test:
        test = self._function()
        if test is not None:
            return test
        operand = self._operand()
        if operand.bare_text:
            raise ConditionError(
                'begins with a bare not: write not "…" for anything but this text, "not …" for the text itself'
            )
        return _equal(operand.value)

    def _function(self) -> Test | None:
        if self._keyword(_BETWEEN):
            return self._between()
        opened = self._keyword(_IN)
        if opened is not None:
            return self._in("]" if opened[1] == "[" else ")")
        if self._keyword(_LIKE):
            return self._like()
        return None

    def _comparisons(self, sign: str) -> Test:
        tests = [self._comparison(sign)]
        while self._keyword(_AND):
            following = self._keyword(_COMPARISON)
            assert following is not None
            tests.append(self._comparison(following[0]))
        return tests[0] if len(tests) == 1 else _all_tests(tests)

    def _comparison(self, sign: str) -> Test:
        operand = self._operand()
        if sign == "=":
            return _equal(operand.value)
        if sign == "!=":
            return _opposite(_equal(operand.value))
        self._check_ordered(operand)
        return _ordered(sign, operand.value, as_date=self._is_date(operand))

    def _between(self) -> Test:
        low = self._operand()
        self._expect(",", "between(low, high)")
        high = self._operand()
        self._expect(")", "between(low, high)")
        self._check_ordered(low)
        self._check_ordered(high)
        as_date = self._is_date(low)
        if isinstance(low.value, str) != isinstance(high.value, str) or as_date != self._is_date(high):
            raise ConditionError("has two ends of different kinds")
        if _ordered(">", high.value, as_date=as_date)(low.value):
            raise ConditionError("can never hold: the first end is above the second")
        return _all_tests(
            [_ordered(">=", low.value, as_date=as_date), _ordered("<=", high.value, as_date=as_date)]
        )

    def _in(self, closing: str) -> Test:
        values = [self._operand().value]
        while self._take(","):
            values.append(self._operand().value)
        self._expect(closing, "in [a, b]")
        return _one_of(values)

    def _like(self) -> Test:
        pattern = self._operand_text()
        if self.kind in (ColumnKind.NUMBER, ColumnKind.BOOLEAN):
            raise ConditionError(f"like is for text, the column is of kind {self.kind}")
        return _like(pattern)

    def _check_ordered(self, operand: _Operand) -> None:
        value = operand.value
        if value is None or isinstance(value, bool):
            raise ConditionError(f"{encode(value).decode()} is neither above nor below anything")
        if operand.bare_text and not is_date(value):
            raise ConditionError(
                f"{value!r} is neither a number nor a date: put text to be ordered by its letters in quotes"
            )

    def _is_date(self, operand: _Operand) -> bool:
        return is_date(operand.value) and (operand.bare_text or self.kind is ColumnKind.DATE)

    def _operand(self) -> _Operand:
        self._skip_blanks()
        if self.text[self.at : self.at + 1] in ("'", '"'):
            return _Operand(self._checked(self._operand_text()), bare=False)
        found = _BARE.match(self.text, self.at)
        if found is None:
            raise ConditionError(self._no_operand())
        bare = found.group().rstrip()
        end = found.end()
        if end < len(self.text) and self.text[end] in "<>!=" and _ENDS_IN_AND.search(bare):
            end = found.start() + len(bare) - 3
            bare = bare[:-4].rstrip()
        self.at = end
        return _Operand(self._checked(_bare_value(bare, self.kind)), bare=True)

    def _operand_text(self) -> str:
        found = _QUOTED.match(self.text, self.at)
        if found is None:
            raise ConditionError("has a quote that is not closed")
        self.at = found.end()
        double, single = found.groups()
        return str(double).replace('""', '"') if double is not None else str(single).replace("''", "'")

    def _no_operand(self) -> str:
        if self.at >= len(self.text):
            return "ends where a value is expected"
        return self._not_understood()

    def _not_understood(self) -> str:
        if self.text[self.at] == ANY_VALUE:
            return 'has a * among other signs: write like "A*" for a pattern, "A*" for the text itself'
        return f"is not understood from {self._rest} on: put text with special signs in quotes"

    def _checked(self, value: Scalar) -> Scalar:
        if value is not None and not fits(value, self.kind):
            raise ConditionError(f"{value!r} does not fit a column of kind {self.kind}")
        return value

    @property
    def _rest(self) -> str:
        return repr(self.text[self.at : self.at + 30])

    def _skip_blanks(self) -> None:
        blanks = _BLANKS.match(self.text, self.at)
        self.at = blanks.end() if blanks else self.at

    def _keyword(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        self._skip_blanks()
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found

    def _take(self, mark: str) -> bool:
        self._skip_blanks()
        if not self.text.startswith(mark, self.at):
            return False
        self.at += len(mark)
        return True

    def _expect(self, mark: str, form: str) -> None:
        if not self._take(mark):
            raise ConditionError(f"has no {mark} where it is expected: write {form}")


def fits(value: Any, kind: ColumnKind) -> bool:
    """Whether a value that is not null is of the column's kind."""
    match kind:
        case ColumnKind.ANY:
            return True
        case ColumnKind.TEXT:
            return isinstance(value, str)
        case ColumnKind.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case ColumnKind.BOOLEAN:
            return isinstance(value, bool)
        case ColumnKind.DATE:
            return is_date(value)


def number_of(text: str) -> int | float | None:
    """The number that a text is, in the spelling of JSON; None for any other text. Raises ConditionError."""
    if _NUMBER.fullmatch(text) is None:
        return None
    if len(text) > MAX_DIGITS:
        raise ConditionError("a number has too many digits")
    number = float(text) if any(sign in text for sign in ".eE") else int(text)
    if number - number != 0:
        raise ConditionError("a number is too large")
    return number


def _bare_value(text: str, kind: ColumnKind) -> Scalar:
    if text in NULLS:
        return None
    if kind in (ColumnKind.TEXT, ColumnKind.DATE):
        return text
    number = number_of(text)
    return BOOLEANS.get(text, text) if number is None else number


# -- the tests


def _equal(wanted: Scalar) -> Test:
    if wanted is None:
        return lambda value: value is None
    if isinstance(wanted, bool):
        return lambda value: value is wanted
    if isinstance(wanted, str):
        return lambda value: type(value) is str and value == wanted
    return lambda value: _is_number(value) and bool(value == wanted)


def _one_of(wanted: Iterable[Scalar]) -> Test:
    keys = frozenset(_key(item) for item in wanted)
    return lambda value: not isinstance(value, list | dict) and _key(value) in keys


def _key(value: Any) -> tuple[str, Any]:
    """Equal for equal values of the same kind only: in Python True equals 1."""
    return kind_of(value), value


def _ordered(sign: str, limit: Any, *, as_date: bool) -> Test:
    """Dates are text that is only compared with other dates; both then stand in the same order as letters do."""
    comparable = is_date if as_date else _is_text if isinstance(limit, str) else _is_number
    match sign:
        case ">":
            return lambda value: comparable(value) and bool(value > limit)
        case ">=":
            return lambda value: comparable(value) and bool(value >= limit)
        case "<":
            return lambda value: comparable(value) and bool(value < limit)
        case _:
            return lambda value: comparable(value) and bool(value <= limit)


def _like(pattern: str) -> Test:
    first, *others = _pieces(pattern)
    if not others:
        return _equal(first)
    *middle, last = others

    def test(value: Any) -> bool:
        if type(value) is not str or len(value) < len(first) + len(last):
            return False
        if not (value.startswith(first) and value.endswith(last)):
            return False
        # The leftmost place is always good enough for a piece: it leaves the most room for those after it.
        at, end = len(first), len(value) - len(last)
        for piece in middle:
            found = value.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return True

    return test


def _pieces(pattern: str) -> list[str]:
    """The texts between the stars; `\\*` is a star as such."""
    pieces = [""]
    for part in _PATTERN_PART.findall(pattern):
        if part == "*":
            pieces.append("")
        else:
            pieces[-1] += part[-1]
    return pieces


def _opposite(test: Test) -> Test:
    return lambda value: not test(value)


def _one_of_tests(tests: list[Test]) -> Test:
    return lambda value: any(test(value) for test in tests)


def _all_tests(tests: list[Test]) -> Test:
    return lambda value: all(test(value) for test in tests)


def _is_number(value: Any) -> bool:
    return type(value) is int or type(value) is float


def _is_text(value: Any) -> bool:
    return type(value) is str
