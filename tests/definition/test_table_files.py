"""Tables as CSV and XLSX: the same table comes back, what is wrong is told by cell, and files cannot hurt."""

import csv
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepwell.definition import table_xlsx
from stepwell.definition.decision_table import read_decision_table
from stepwell.definition.table_files import TableFormat, read_table_file, write_table_file
from stepwell.definition.table_xlsx import cell_name, read_sheet, write_sheet
from stepwell.model.decision_table import DecisionTable, Rule
from stepwell.model.errors import Invalid

CSV, XLSX = TableFormat.CSV, TableFormat.XLSX

LOANS = '''\
table,loans
strategy,all_match
limit,2
about,"Who pays
what"
kind,in:score,number
label,out:rate,"Rate, % a year"

in:score,in:country,out:rating,out:rate,description
> 750,*,PRIME,1.5,the best
"between(650, 750)","in [NO, SE]",STANDARD,"{""base"": 2, ""steps"": [1, null]}",

,null,"""750""",-2,'=1+1
'''


def table(**fields: Any) -> DecisionTable:
    value = {"name": "t", "inputs": [{"name": "a"}], "outputs": [{"name": "b"}], **fields}
    read, problems = read_decision_table(value)
    assert read is not None, problems
    return read


def read_csv(text: str, **defaults: Any) -> DecisionTable:
    read, problems = read_table_file(text.encode(), CSV, defaults)
    assert read is not None, problems
    return read


def problems_of(data: bytes | str, format: TableFormat = CSV) -> list[tuple[str, str]]:
    raw = data.encode() if isinstance(data, str) else data
    read, problems = read_table_file(raw, format, {"name": "t"})
    assert (read is None) == bool(problems)
    return [(problem.path, problem.code) for problem in problems]


def test_reads_a_file_as_people_write_it() -> None:
    read = read_csv(LOANS)
    assert (read.name, read.strategy, read.limit, read.description) == (
        "loans",
        "ALL_MATCH",
        2,
        "Who pays\nwhat",
    )
    assert [(c.name, c.kind, c.label) for c in (*read.inputs, *read.outputs)] == [
        ("score", "NUMBER", None),
        ("country", "ANY", None),
        ("rating", "ANY", None),
        ("rate", "ANY", "Rate, % a year"),
    ]
    assert read.rules == (
        Rule(conditions={"score": "> 750"}, outputs={"rating": "PRIME", "rate": 1.5}, description="the best"),
        Rule(
            conditions={"score": "between(650, 750)", "country": "in [NO, SE]"},
            outputs={"rating": "STANDARD", "rate": {"base": 2, "steps": [1, None]}},
        ),
        Rule(conditions={"country": "null"}, outputs={"rating": "750", "rate": -2}, description="=1+1"),
    )


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_and_a_byte_order_mark(delimiter: str) -> None:
    text = "\ufefftable,loans\r\nIN: a,Out:b,Description\r\n> 5,yes,\r\n".replace(",", delimiter)
    assert read_csv(text).rules == (Rule(conditions={"a": "> 5"}, outputs={"b": "yes"}),)


def test_the_file_wins_over_the_defaults() -> None:
    assert read_csv("in:a,out:b\n", name="x", version=7).version == 7
    assert read_csv("table,y\nversion,8\nin:a,out:b\n", name="x", version=7).version == 8


def test_a_text_column_of_outputs_holds_text() -> None:
    read = read_csv('kind,out:b,TEXT\nin:a,out:b\n,750\n,null\n,"""x """\n', name="t")
    assert [rule.outputs["b"] for rule in read.rules] == ["750", "null", "x "]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", [("", "MISSING"), ("inputs", "MISSING"), ("outputs", "MISSING")]),
        ("hello\n", [("A1", "UNKNOWN_COLUMN"), ("inputs", "MISSING"), ("outputs", "MISSING")]),
        ("strategy,best\nlimit,many\nin:a,out:b\n", [("B1", "UNKNOWN_VALUE"), ("B2", "WRONG_KIND")]),
        ("in:a,out:b\nGOLD,1\na*,1\n", [("A3", "CONDITION")]),
        ("in:a,in:a,out:b.c\n", [("B1", "DUPLICATE_NAME"), ("C1", "BAD_REF")]),
        ("kind,in:a,FLOAT\nin:a,out:b\n", [("C1", "UNKNOWN_VALUE")]),
        ("label,in:x,Text\nin:a,out:b\n", [("C1", "UNKNOWN_COLUMN")]),
        ("in:a,,out:b\n1,,2\n\n1,x,2,y\n", [("B4", "UNKNOWN_COLUMN"), ("D4", "UNKNOWN_COLUMN")]),
        ("in:a,out:b\n*,{x\n", [("B2", "SYNTAX")]),
        ("kind,out:b,NUMBER\nin:a,out:b\n*,high\n", [("B3", "WRONG_KIND")]),
        ('in:a,out:b\n"x"y,1\n', [("", "SYNTAX")]),
        ('in:a,out:b\n"x', [("", "SYNTAX")]),
    ],
)
def test_what_is_wrong_is_told_by_cell(text: str, problems: list[tuple[str, str]]) -> None:
    assert problems_of(text) == problems


def test_files_that_are_none() -> None:
    assert problems_of(b"\xff\xfe\x00") == [("", "SYNTAX")]
    assert problems_of("in:a,out:b\n" * 20_001) == [("", "TOO_LARGE")]
    assert problems_of(b"x" * 3_000_000) == [("", "TOO_LARGE")]
    assert problems_of(b"PK\x03\x04 and then nothing", XLSX) == [("", "SYNTAX")]
    assert problems_of(LOANS, XLSX) == [("", "SYNTAX")]


# -- round trips

RISKY = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=x",
    "'=1",
    "''-2",
    "'x",
    "＝1",
    "-1+1",
    "=",
    "a;b",
    "in:x",
    "table",
    "_x000D_",
)
WORDS = st.sampled_from(RISKY) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12
)
NOTES = WORDS.filter(lambda text: text.isprintable())
SCALARS = (
    st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
    | st.sampled_from(["750", "true", "null", "{", '"x"', " x ", "x\r\ny", "\x07", "\uffff", "_x0041_x0042_"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)
CONDITIONS = (
    st.none()
    | st.sampled_from(["*", "> -5", "= 5", "-5", "!= a", 'not in ["=x", b]', "'it''s'", "null", "a, b"])
    | (st.lists(NOTES | st.integers() | st.booleans(), min_size=1, max_size=3))
)
KINDS = st.sampled_from(["ANY", "ANY", "TEXT", "NUMBER"])
COLUMN_NAMES = ["=a", "-b", "in:c", "d e", "ø"]


@st.composite
def tables(draw: st.DrawFn) -> DecisionTable:
    inputs = draw(st.lists(st.sampled_from(COLUMN_NAMES), unique=True, min_size=1, max_size=3))
    outputs = draw(st.lists(st.sampled_from(COLUMN_NAMES), unique=True, min_size=1, max_size=3))
    kinds = {name: draw(KINDS) for name in outputs}
    fitting = {"ANY": JSON, "TEXT": WORDS, "NUMBER": st.integers(-9, 9) | st.floats(-9, 9)}
    rule = st.fixed_dictionaries(
        {
            "conditions": st.fixed_dictionaries(dict.fromkeys(inputs, CONDITIONS)),
            "outputs": st.fixed_dictionaries({name: st.none() | fitting[kinds[name]] for name in outputs}),
            "description": NOTES,
        }
    )
    return table(
        name=draw(st.sampled_from(["t", "=t", "table", "in:t"])),
        version=draw(st.none() | st.integers(1, 9)),
        description=draw(NOTES | st.sampled_from(["two\nlines", "x\nin:a;out:b;c"])),
        strategy=draw(st.sampled_from(["FIRST_MATCH", "ALL_MATCH"])),
        limit=draw(st.integers(0, 2)),
        inputs=[{"name": name, "label": draw(NOTES)} for name in inputs],
        outputs=[{"name": name, "kind": kinds[name]} for name in outputs],
        rules=draw(st.lists(rule, max_size=3)),
    )


@settings(max_examples=60, deadline=None)
@given(tables())
def test_a_table_comes_back_from_a_file_as_it_was(written: DecisionTable) -> None:
    for format in TableFormat:
        data = write_table_file(written, format)
        read, problems = read_table_file(data, format)
        assert problems == []
        assert read == written
        assert write_table_file(read, format) == data


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1, max_size=3),
        max_size=3,
    )
)
def test_a_sheet_comes_back_as_it_was(rows: list[list[str]]) -> None:
    read = {
        cell_name(number, place): text
        for number, cells in read_sheet(write_sheet(rows))
        for place, text in enumerate(cells)
        if text
    }
    assert read == {
        cell_name(number, place): text
        for number, cells in enumerate(rows, 1)
        for place, text in enumerate(cells)
        if text
    }


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+1", "@SUM(A1)", "＝1"])
def test_no_cell_of_a_file_is_computed(text: str) -> None:
    """What a spreadsheet would compute is text in both formats."""
    written = table(rules=[{"outputs": {"b": text}, "description": text}], description=text)
    cells = [cell for row in csv.reader(write_table_file(written, CSV).decode().splitlines()) for cell in row]
    assert cells.count("'" + text) == 3
    assert not [cell for cell in cells if cell[:1] == text[:1]]
    sheet = openpyxl.load_workbook(BytesIO(write_table_file(written, XLSX))).active
    assert {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value} == {"s"}


def test_a_plain_negative_number_needs_no_apostrophe() -> None:
    written = table(rules=[{"conditions": {"a": -5}, "outputs": {"b": -1.5}}])
    assert write_table_file(written, CSV).endswith(b"\r\n-5,-1.5,\r\n")


# -- workbooks of others


def workbook(*rows: list[Any], formats: dict[str, str] | None = None) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for cell, code in (formats or {}).items():
        book.active[cell].number_format = code
    target = BytesIO()
    book.save(target)
    return target.getvalue()


def test_reads_what_spreadsheets_write() -> None:
    data = workbook(
        ["table", "loans"],
        [],
        ["in:a", "out:b", None, "description"],
        [750, 1.5, None, True],
        [46_053, 46_053.25, None, 0.5],
        [59, 61, None, 750],
        ["*", False],
        formats={
            "A5": "yyyy-mm-dd",
            "B5": "dd/mm/yy hh:mm",
            "D5": "[h]:mm",
            "A6": "d mmm",
            "B6": "d",
            "D6": '0 "d"',
        },
    )
    assert read_sheet(data) == [
        (1, ["table", "loans"]),
        (3, ["in:a", "out:b", "", "description"]),
        (4, ["750", "1.5", "", "true"]),
        (5, ["2026-01-31", "2026-01-31T06:00:00", "", "12:00:00"]),
        (6, ["1900-02-28", "1900-03-01", "", "750"]),
        (7, ["*", "false"]),
    ]


def test_openpyxl_reads_what_we_write() -> None:
    rows = [["in:a", "out:b"], ["=1+1", " <&> \n"], ["", "750"]]
    sheet = openpyxl.load_workbook(BytesIO(write_sheet(rows))).active
    assert [list(row) for row in sheet.values] == [["in:a", "out:b"], ["=1+1", " <&> \n"], [None, "750"]]


def test_formulas_and_errors_are_refused_each_by_its_cell() -> None:
    data = workbook(["in:a", "out:b"], ["=1+1", "x"], ["*", "#DIV/0!"])
    assert problems_of(data, XLSX) == [("A2", "FORMULA"), ("B3", "FORMULA")]


def changed(part: str, old: str, new: str) -> bytes:
    """Our own workbook with something else in one part."""
    source = ZipFile(BytesIO(write_sheet([["in:a", "out:b"], ["x", "y"]])))
    target = BytesIO()
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        for name in source.namelist():
            text = source.read(name).decode()
            if name == part:
                assert old in text
                text = text.replace(old, new)
            archive.writestr(name, text)
    return target.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
BOOK = "xl/workbook.xml"
RELATIONS = "xl/_rels/workbook.xml.rels"
ENTITY = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><worksheet '


@pytest.mark.parametrize(
    ("part", "old", "new", "code"),
    [
        (SHEET, "<worksheet ", ENTITY, "SYNTAX"),
        (SHEET, "</worksheet>", "", "SYNTAX"),
        (SHEET, "</worksheet>", " " * (17 * 1024 * 1024) + "</worksheet>", "TOO_LARGE"),
        (SHEET, '<row r="2">', '<row r="1048576">', "TOO_LARGE"),
        (SHEET, '<c r="B2"', '<c r="XFD2"', "TOO_LARGE"),
        (SHEET, '<c r="B2"', '<c r="2"', "SYNTAX"),
        (SHEET, ">y<", f">{'y' * 40_000}<", "TOO_LARGE"),
        (SHEET, 't="inlineStr"><is><t xml:space="preserve">y</t></is>', 't="s"><v>7</v>', "SYNTAX"),
        (SHEET, 't="inlineStr"><is><t xml:space="preserve">y</t></is>', "><v>nan</v>", "SYNTAX"),
        (BOOK, 'r:id="rId1"', 'r:id="rId9"', "SYNTAX"),
        (RELATIONS, 'Target="worksheets/sheet1.xml"', 'Target="file:///x" TargetMode="External"', "SYNTAX"),
    ],
)
def test_hostile_workbooks_are_refused(part: str, old: str, new: str, code: str) -> None:
    assert problems_of(changed(part, old, new), XLSX) == [("", code)]


def test_an_archive_is_bounded_in_parts_and_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = write_sheet([["in:a", "out:b"]])
    monkeypatch.setattr(table_xlsx, "MAX_ELEMENTS", 5)
    with pytest.raises(Invalid, match="more than 5 elements"):
        read_sheet(plain)
    monkeypatch.setattr(table_xlsx, "MAX_ENTRIES", 5)
    with pytest.raises(Invalid, match="more than 5 parts"):
        read_sheet(plain)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 4_000), st.binary(min_size=1, max_size=4))
def test_a_damaged_workbook_is_refused_or_read(at: int, noise: bytes) -> None:
    data = bytearray(write_sheet([["in:a", "out:b"], ["x", "y"]]))
    at %= len(data)
    data[at : at + len(noise)] = noise
    read, problems = read_table_file(bytes(data), XLSX, {"name": "t"})
    assert (read is None) == bool(problems)


def test_rich_and_shared_texts_are_read_whole() -> None:
    rich = "<is><r><t>o</t></r><r><t>ut:b</t></r><rPh><t>spoken</t></rPh></is>"
    data = changed(SHEET, '<is><t xml:space="preserve">out:b</t></is>', rich)
    assert read_sheet(data)[0] == (1, ["in:a", "out:b"])
    assert read_sheet(workbook(["a_x000D_b"]))[0] == (1, ["a\rb"])


@pytest.mark.parametrize(("format", "most"), [(CSV, 131_072), (XLSX, 32_767)])
def test_a_cell_has_a_length(format: TableFormat, most: int) -> None:
    longest = table(rules=[{"outputs": {"b": "x" * most}}])
    assert read_table_file(write_table_file(longest, format), format) == (longest, [])
    with pytest.raises(Invalid) as refused:
        write_table_file(table(rules=[{"outputs": {"b": "x" * (most + 1)}}]), format)
    assert [(p.path, p.code) for p in refused.value.problems] == [("B5", "TOO_LARGE")]
