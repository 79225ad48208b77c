"""The statement of a DEPENDSON step: which processes and steps must have reached which status. Spec 3.10.

    PROCESS('load-orders', 'COMPLETED') AND (STEP('billing', 'post', 'COMPLETED') OR PROCESS('skip', 'COMPLETED'))

AND binds closer than OR. Keywords and statuses in any case, names in single or double quotes (a quote inside is
written twice). There is no NOT: it would hold before anything has run.
"""

import re
from collections.abc import Callable, Iterator

from stepwell.definition.names import name_problems, ref_problems
from stepwell.model.codec import Record
from stepwell.model.errors import Problem
from stepwell.model.process import ProcessStatus
from stepwell.model.step import StepStatus

MAX_LENGTH = 8_000
MAX_TERMS = 100
MAX_NESTING = 32


class Term(Record, frozen=True):
    """One condition: the process, or the step of it, has reached the status."""

    process: str
    status: ProcessStatus | StepStatus
    """A StepStatus exactly when there is a `step`."""
    step: str | None = None
    """The ref, with the indexes of an iteration: `child[3]`."""


class AllOf(Record, frozen=True):
    """Every part holds."""

    parts: tuple["Statement", ...]


class AnyOf(Record, frozen=True):
    """At least one part holds."""

    parts: tuple["Statement", ...]


Statement = Term | AllOf | AnyOf


class StatementError(ValueError):
    """The text is no statement; says what was expected instead, and where."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"at character {position + 1}: {message}")
        self.position = position
        """Counted from 0."""


def parse_statement(text: str) -> Statement:
    """Raises StatementError for the first thing wrong."""
    if len(text) > MAX_LENGTH:
        raise StatementError(f"the statement is longer than {MAX_LENGTH} characters", MAX_LENGTH)
    return _Parser(text).whole()


def terms(statement: Statement) -> tuple[Term, ...]:
    """The distinct conditions, in the order they are written."""
    return tuple(dict.fromkeys(_terms(statement)))


def _terms(statement: Statement) -> Iterator[Term]:
    if isinstance(statement, Term):
        yield statement
    else:
        for part in statement.parts:
            yield from _terms(part)


def holds(statement: Statement, truth: Callable[[Term], bool]) -> bool:
    """Whether the statement holds, given what holds of its conditions. Asks no more than it needs."""
    match statement:
        case Term():
            return truth(statement)
        case AllOf(parts):
            return all(holds(part, truth) for part in parts)
        case AnyOf(parts):
            return any(holds(part, truth) for part in parts)


_TOKEN = re.compile(
    r"""\s*(?: (?P<mark>[(),])
             | (?P<word>[A-Za-z_]+)
             | '(?P<single>(?:[^']|'')*)'
             | "(?P<double>(?:[^"]|"")*)"
             | (?P<end>\Z) )""",
    re.VERBOSE,
)
_INDEXES = re.compile(r"(?:\[[0-9]{1,9}\])+\Z")
_NOT = "NOT is no part of the language: name the statuses to wait for, joined by OR"


class _Token(Record, frozen=True):
    kind: str
    """`mark`, `word`, `text` or `end`."""
    text: str
    at: int

    @property
    def shown(self) -> str:
        return "the end" if self.kind == "end" else repr(self.text)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.terms = 0
        self.token = self._next()

    def whole(self) -> Statement:
        found = self._any(0)
        if self.token.kind != "end":
            raise self._expected("AND, OR or the end")
        return found

    def _any(self, depth: int) -> Statement:
        parts = [self._all(depth)]
        while self._take_word("OR"):
            parts.append(self._all(depth))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _all(self, depth: int) -> Statement:
        parts = [self._one(depth)]
        while self._take_word("AND"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _one(self, depth: int) -> Statement:
        opened = self.token
        if self._take_mark("("):
            if depth == MAX_NESTING:
                raise StatementError(f"parentheses are nested deeper than {MAX_NESTING}", opened.at)
            inner = self._any(depth + 1)
            self._expect_mark(")", "AND, OR or )")
            return inner
        if self._take_word("PROCESS"):
            return self._term(opened, with_step=False)
        if self._take_word("STEP"):
            return self._term(opened, with_step=True)
        if opened.kind == "word" and opened.text.upper() == "NOT":
            raise StatementError(_NOT, opened.at)
        raise self._expected("PROCESS(…), STEP(…) or (")

    def _term(self, function: _Token, *, with_step: bool) -> Term:
        self.terms += 1
        if self.terms > MAX_TERMS:
            raise StatementError(f"more than {MAX_TERMS} conditions", function.at)
        self._expect_mark("(", "(")
        process, at = self._quoted("the name of a process definition in quotes")
        _check_name(name_problems(process, ""), "the process name", at)
        self._expect_mark(",", ",")
        step: str | None = None
        if with_step:
            step, at = self._quoted("the ref of a step in quotes")
            _check_name(ref_problems(_INDEXES.sub("", step), ""), "the step ref", at)
            self._expect_mark(",", ",")
        status, at = self._quoted("a status in quotes")
        term = Term(process, _status(status, StepStatus if with_step else ProcessStatus, at), step)
        self._expect_mark(")", ")")
        return term

    def _next(self) -> _Token:
        found = _TOKEN.match(self.text, self.position)
        if found is None:
            rest = self.text[self.position :]
            at = self.position + len(rest) - len(rest.lstrip())
            if self.text[at] in "'\"":
                raise StatementError("the quote is not closed", at)
            raise StatementError(f"{self.text[at]!r} means nothing here", at)
        kind = found.lastgroup or "end"
        self.position = found.end()
        text = found.group(kind)
        at = found.start(kind)
        if kind in ("single", "double"):
            quote = "'" if kind == "single" else '"'
            return _Token("text", text.replace(quote * 2, quote), at - 1)
        return _Token(kind, text, at)

    def _take_word(self, word: str) -> bool:
        if self.token.kind != "word" or self.token.text.upper() != word:
            return False
        self.token = self._next()
        return True

    def _take_mark(self, mark: str) -> bool:
        if self.token.kind != "mark" or self.token.text != mark:
            return False
        self.token = self._next()
        return True

    def _expect_mark(self, mark: str, wanted: str) -> None:
        if not self._take_mark(mark):
            raise self._expected(wanted)

    def _quoted(self, wanted: str) -> tuple[str, int]:
        token = self.token
        if token.kind != "text":
            raise self._expected(wanted)
        self.token = self._next()
        return token.text, token.at

    def _expected(self, wanted: str) -> StatementError:
        return StatementError(f"expected {wanted}, found {self.token.shown}", self.token.at)


def _check_name(problems: list[Problem], what: str, at: int) -> None:
    if problems:
        raise StatementError(f"{what} {problems[0].message}", at)


def _status(text: str, kind: type[ProcessStatus] | type[StepStatus], at: int) -> ProcessStatus | StepStatus:
    try:
        return kind(text.strip().upper())
    except ValueError:
        known = ", ".join(kind)
        raise StatementError(f"{text!r} is no status here: must be one of {known}", at) from None
