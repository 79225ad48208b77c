"""The statement of DEPENDSON: how it is read, what it means, what is refused and where."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepwell.definition.depends_on import (
    AllOf,
    AnyOf,
    Statement,
    StatementError,
    Term,
    holds,
    parse_statement,
    terms,
)
from stepwell.model.process import ProcessStatus
from stepwell.model.step import StepStatus

A = Term("a", ProcessStatus.COMPLETED)
B = Term("b", StepStatus.FAILED, "charge[3]")
C = Term("it's", ProcessStatus.TERMINATED)
a, b, c = "PROCESS('a', 'COMPLETED')", "STEP('b', 'charge[3]', 'FAILED')", "PROCESS('it''s', 'TERMINATED')"


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        (a, A),
        (b, B),
        ('  process ( "a" ,"completed")\n', A),
        (c, C),
        ('PROCESS("it\'s", "TERMINATED")', C),
        (f"(({a}))", A),
        (f"{a} AND {b}", AllOf((A, B))),
        (f"{a} or {b} Or {c}", AnyOf((A, B, C))),
        (f"{a} OR {b} AND {c}", AnyOf((A, AllOf((B, C))))),
        (f"({a} OR {b})AND {c}", AllOf((AnyOf((A, B)), C))),
    ],
)
def test_reads(text: str, statement: Statement) -> None:
    assert parse_statement(text) == statement


REFUSED = [
    ("", 0, "expected PROCESS(…), STEP(…) or ("),
    ("  ", 2, "found the end"),
    (f"{a} AND", 29, "found the end"),
    (f"{a} {b}", 26, "expected AND, OR or the end, found 'STEP'"),
    (f"({a}", 26, "expected AND, OR or )"),
    (f"NOT {a}", 0, "NOT is no part of the language"),
    (f"{a} && {b}", 26, "'&' means nothing here"),
    ("PROCESS('a, 'COMPLETED')", 13, "expected ,"),
    ("PROCESS('a', 'COMPLETED", 13, "the quote is not closed"),
    ("PROCESS('a')", 11, "expected ,"),
    ("PROCESS(a, 'COMPLETED')", 8, "the name of a process definition in quotes"),
    ("PROCESS('', 'COMPLETED')", 8, "is missing or empty"),
    ("PROCESS('a', 'PAUSED')", 13, "must be one of RUNNING, COMPLETED"),
    ("STEP('a', 'COMPLETED')", 21, "expected ,"),
    ("STEP('a', 'x.y', 'COMPLETED')", 10, "the step ref contains"),
    ("STEP('a', 'x[y]', 'COMPLETED')", 10, "the step ref contains"),
    ("STEP('a', 'x', 'TERMINATED')", 15, "must be one of PENDING"),
    ("TASK('a', 'COMPLETED')", 0, "found 'TASK'"),
    ("(" * 33 + a + ")" * 33, 32, "nested deeper than 32"),
    (" OR ".join([a] * 101), 2_900, "more than 100 conditions"),
    ("x" * 8_001, 8_000, "longer than 8000"),
]


@pytest.mark.parametrize(("text", "position", "message"), REFUSED, ids=[row[0][:30] for row in REFUSED])
def test_refuses_and_says_where(text: str, position: int, message: str) -> None:
    with pytest.raises(StatementError) as refused:
        parse_statement(text)
    assert (refused.value.position, message in str(refused.value)) == (position, True), refused.value
    assert f"at character {position + 1}: " in str(refused.value)


def test_the_largest_that_is_possible() -> None:
    assert terms(parse_statement("(" * 32 + a + ")" * 32)) == (A,)
    assert len(terms(parse_statement(" OR ".join(f"PROCESS('{n}', 'COMPLETED')" for n in range(100))))) == 100


def test_terms_are_distinct_and_in_their_order() -> None:
    assert terms(parse_statement(f"{b} OR ({a} AND {b}) OR {c} AND {a}")) == (B, A, C)


def test_asks_no_more_than_it_needs() -> None:
    asked: list[Term] = []

    def truth(term: Term) -> bool:
        asked.append(term)
        return term is not B

    statement = AnyOf((AllOf((B, A)), A, C))
    assert holds(statement, truth)
    assert asked == [B, A]


def written(statement: Statement) -> str:
    """Every part in parentheses, so that nothing depends on what binds closer."""
    if isinstance(statement, Term):
        quoted = [statement.process, *([statement.step] if statement.step else []), statement.status]
        inner = ", ".join("'" + text.replace("'", "''") + "'" for text in quoted)
        return f"{'STEP' if statement.step else 'PROCESS'}({inner})"
    word = " AND " if isinstance(statement, AllOf) else " OR "
    return word.join(f"({written(part)})" for part in statement.parts)


NAMES = st.text(alphabet="ab'\" -ø", min_size=1, max_size=6).filter(lambda text: text.strip() == text)
TERMS = st.builds(Term, NAMES, st.sampled_from(ProcessStatus)) | st.builds(
    Term, NAMES, st.sampled_from(StepStatus), NAMES
)


def several(parts: st.SearchStrategy[Statement]) -> st.SearchStrategy[Statement]:
    some = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.builds(AllOf, some) | st.builds(AnyOf, some)


STATEMENTS: st.SearchStrategy[Statement] = st.recursive(TERMS, several, max_leaves=8)


@settings(max_examples=40, deadline=None)
@given(STATEMENTS)
def test_what_is_written_is_read(statement: Statement) -> None:
    assert parse_statement(written(statement)) == statement


@settings(max_examples=40, deadline=None)
@given(STATEMENTS, st.data())
def test_holds_as_the_words_say(statement: Statement, data: st.DataObject) -> None:
    facts = {term: data.draw(st.booleans()) for term in terms(statement)}

    def meaning(part: Statement) -> bool:
        if isinstance(part, Term):
            return facts[part]
        results = [meaning(inner) for inner in part.parts]
        return min(results) if isinstance(part, AllOf) else max(results)

    assert holds(statement, facts.__getitem__) == meaning(statement)


@settings(deadline=None)
@given(st.text(alphabet="PROCESTAND ('a\",)", max_size=40))
def test_any_text_is_read_or_refused_inside_itself(text: str) -> None:
    try:
        assert terms(parse_statement(text))
    except StatementError as error:
        assert 0 <= error.position <= len(text)
