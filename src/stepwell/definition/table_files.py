"""Decision tables as files that people edit: bytes to a checked table, and back to the same table.

A file is one sheet. First its settings, one in a row and none of them required; then the header; then a row for
each rule:

    table     | loan-rating
    strategy  | FIRST_MATCH
    kind      | in:score   | NUMBER
    label     | in:country | Country of residence

    in:score  | in:country | out:rating | description
    > 750     | *          | PRIME      | the best
    between(650, 750) | in [NO, SE] | STANDARD |

Conditions stand as they are. An output is read as JSON where it is JSON, else as text; `"750"` in quotes is text. In a
column of kind TEXT or DATE, every output is text.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import islice
from typing import Any

from stepwell.definition.condition import ANY_VALUE, BOOLEANS, NULLS, number_of
from stepwell.definition.decision_table import UNPRINTABLE, read_decision_table
from stepwell.definition.parse import MAX_BYTES
from stepwell.definition.table_xlsx import MAX_ROW, Row, cell_name, read_sheet, write_sheet
from stepwell.model.codec import CodecError, decode, encode
from stepwell.model.decision_table import Column, ColumnKind, DecisionTable, Rule
from stepwell.model.errors import Invalid, Problem

MAX_CSV_CELL = 131_072
"""Characters; readers of CSV take no more."""

INPUT = "in:"
OUTPUT = "out:"
DESCRIPTION = "description"

_SETTINGS = {"table": "name", "namespace": "namespace", "about": "description", "strategy": "strategy"}
_NUMBERS = ("version", "limit")
_OF_COLUMNS = ("label", "kind")
_DELIMITERS = (",", ";", "\t")
_NOTHING: Mapping[str, Any] = {}

_FORMULA = re.compile(r"'*[=+\-@\t\r＝＋－＠]")
"""How a cell begins that a spreadsheet would compute, or that begins like one that was made harmless."""
_HARMLESS = re.compile(r"'+[=+\-@\t\r＝＋－＠]")


class TableFormat(StrEnum):
    CSV = "CSV"
    XLSX = "XLSX"


def read_table_file(
    data: bytes, format: TableFormat, defaults: Mapping[str, Any] = _NOTHING
) -> tuple[DecisionTable | None, list[Problem]]:
    """The table of a file, or None and everything that is wrong with it, by cell (`B7`).

    `defaults`: fields of the table (names of the wire) for what the file does not say.
    """
    try:
        if len(data) > MAX_BYTES:
            raise Invalid(problems=(Problem("", f"larger than {MAX_BYTES} bytes", "TOO_LARGE"),))
        rows = _read_csv(data) if format is TableFormat.CSV else read_sheet(data)
    except Invalid as refused:
        return None, list(refused.problems)
    sheet = _Sheet()
    sheet.read(rows)
    table, problems = read_decision_table({**defaults, **sheet.value})
    problems = [*sheet.problems, *(_in_the_file(problem, sheet.places) for problem in problems)]
    return (None if problems else table), problems


def write_table_file(table: DecisionTable, format: TableFormat) -> bytes:
    """The file of a table; the same table gives the same bytes. Who wrote the table and when is left out.

    Raises Invalid when a text is longer than a cell of the format can be.
    """
    rows = _rows_of(table)
    return _write_csv(rows) if format is TableFormat.CSV else write_sheet(rows)


def _in_the_file(problem: Problem, places: Mapping[str, str]) -> Problem:
    return Problem(places.get(problem.path, problem.path), problem.message, problem.code)


# -- the sheet


class _Sheet:
    """What a sheet says, as the value of a table, and where each part of it stands."""

    def __init__(self) -> None:
        self.value: dict[str, Any] = {}
        self.places: dict[str, str] = {}
        self.problems: list[Problem] = []
        self.notes: dict[str, dict[str, tuple[str, str]]] = {}
        """By header, then `label` or `kind`: the text and its cell."""
        self.columns: list[tuple[str, str]] = []
        """Of each column of the sheet: `in:`, `out:`, `description` or nothing, and the name."""

    def read(self, rows: Iterable[Row]) -> None:
        rules: list[dict[str, Any]] = []
        self.value["rules"] = rules
        for number, cells in rows:
            if not any(cells):
                continue
            if self.columns:
                rules.append(self._rule(number, cells, f"rules[{len(rules)}]"))
            elif not self._setting(number, cells):
                self._header(number, cells)
        if not self.columns:
            self._note("", f"there is no header: a row with {INPUT}<name> and {OUTPUT}<name>", "MISSING")

    def _note(self, cell: str, message: str, code: str) -> None:
        self.problems.append(Problem(cell, message, code))

    def _setting(self, number: int, cells: Sequence[str]) -> bool:
        key, first, second = (*(cell.strip() for cell in cells[:3]), "", "")[:3]
        key = key.lower()
        if key in _SETTINGS:
            self._put(_SETTINGS[key], first.upper() if key == "strategy" else first, cell_name(number, 1))
        elif key in _NUMBERS:
            is_whole = re.fullmatch(r"-?[0-9]{1,18}", first) is not None
            self._put(key, int(first) if is_whole else first, cell_name(number, 1))
        elif key in _OF_COLUMNS:
            header = "".join(_header_of(first)) or first
            text = second.upper() if key == "kind" else second
            self.notes.setdefault(header, {})[key] = (text, cell_name(number, 2))
        else:
            return False
        return True

    def _put(self, field: str, value: Any, cell: str) -> None:
        if value != "":
            self.value[field] = value
        self.places[field] = cell

    def _header(self, number: int, cells: Sequence[str]) -> None:
        inputs: list[dict[str, str]] = []
        outputs: list[dict[str, str]] = []
        for index, cell in enumerate(cells):
            kind, name = _header_of(cell)
            self.columns.append((kind, name))
            if kind == INPUT:
                inputs.append(self._column(f"inputs[{len(inputs)}]", kind, name, cell_name(number, index)))
            elif kind == OUTPUT:
                outputs.append(self._column(f"outputs[{len(outputs)}]", kind, name, cell_name(number, index)))
            elif cell.strip() and kind != DESCRIPTION:
                message = f"{cell[:100]!r} is no column: write {INPUT}<name>, {OUTPUT}<name> or {DESCRIPTION}"
                self._note(cell_name(number, index), message, "UNKNOWN_COLUMN")
        self.value |= {"inputs": inputs, "outputs": outputs}
        for header in self.notes:
            _, cell = next(iter(self.notes[header].values()))
            self._note(cell, f"there is no column {header[:100]!r}", "UNKNOWN_COLUMN")

    def _column(self, path: str, kind: str, name: str, cell: str) -> dict[str, str]:
        self.places[f"{path}.name"] = cell
        column = {"name": name}
        for key, (text, place) in self.notes.pop(kind + name, {}).items():
            column[key] = text
            self.places[f"{path}.{key}"] = place
        return column

    def _rule(self, number: int, cells: Sequence[str], path: str) -> dict[str, Any]:
        conditions: dict[str, Any] = {}
        outputs: dict[str, Any] = {}
        rule: dict[str, Any] = {"conditions": conditions, "outputs": outputs}
        kinds = {column["name"]: column.get("kind", "") for column in self.value["outputs"]}
        for index, cell in enumerate(cells):
            place = cell_name(number, index)
            kind, name = self.columns[index] if index < len(self.columns) else ("", "")
            if kind == INPUT:
                conditions[name] = cell
                self.places[f"{path}.conditions.{name}"] = place
            elif kind == OUTPUT:
                outputs[name] = self._output(cell, kinds[name], place)
                self.places[f"{path}.outputs.{name}"] = place
            elif kind == DESCRIPTION:
                rule["description"] = cell
                self.places[f"{path}.description"] = place
            elif cell.strip():
                self._note(place, "stands in a column without a header", "UNKNOWN_COLUMN")
        return rule

    def _output(self, cell: str, kind: str, place: str) -> Any:
        try:
            return _output_of(cell, kind)
        except ValueError as error:
            self._note(place, str(error), "SYNTAX")
            return None


def _header_of(cell: str) -> tuple[str, str]:
    text = cell.strip()
    for kind in (INPUT, OUTPUT):
        if text[: len(kind)].lower() == kind:
            return kind, text[len(kind) :].strip()
    return (DESCRIPTION, "") if text.lower() == DESCRIPTION else ("", "")


def _rows_of(table: DecisionTable) -> Iterator[list[str]]:
    yield ["table", table.name]
    yield ["namespace", table.namespace]
    if table.version is not None:
        yield ["version", str(table.version)]
    if table.description:
        yield ["about", table.description]
    yield ["strategy", table.strategy]
    if table.limit:
        yield ["limit", str(table.limit)]
    headers = [(INPUT + c.name, c) for c in table.inputs] + [(OUTPUT + c.name, c) for c in table.outputs]
    for header, column in headers:
        if column.label:
            yield ["label", header, column.label]
        if column.kind is not ColumnKind.ANY:
            yield ["kind", header, column.kind]
    yield [*(header for header, _ in headers), DESCRIPTION]
    for rule in table.rules:
        yield [
            *(rule.conditions.get(column.name, ANY_VALUE) for column in table.inputs),
            *(_output_cell(rule, column) for column in table.outputs),
            rule.description or "",
        ]


# -- outputs


def _output_of(cell: str, kind: str) -> Any:
    """The JSON value of a cell; None for an empty one. Raises ValueError."""
    text = cell.strip()
    if text.startswith('"'):
        return _json(text)
    if kind in (ColumnKind.TEXT, ColumnKind.DATE):
        return text or None
    if not text or text in NULLS:
        return None
    if text[0] in "{[":
        return _json(text)
    number = number_of(text)
    return BOOLEANS.get(text, text) if number is None else number


def _json(text: str) -> Any:
    try:
        return decode(text.encode())
    except (CodecError, UnicodeError):
        raise ValueError(f"begins like JSON with {text[0]} but is none: put text in double quotes") from None


def _output_cell(rule: Rule, column: Column) -> str:
    value = rule.outputs.get(column.name)
    if value is None:
        return ""
    if isinstance(value, str) and not UNPRINTABLE.search(value) and _is_plain(value, column.kind):
        return value
    text = encode(value).decode()
    return json.dumps(value) if UNPRINTABLE.search(text) else text


def _is_plain(text: str, kind: ColumnKind) -> bool:
    """Whether a text, written as it is, is read as itself."""
    try:
        return bool(_output_of(text, kind) == text)
    except ValueError:
        return False


# -- CSV


class _Lines:
    """What a CSV writer writes to."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        self.lines.append(line)


def _write_csv(rows: Iterable[Sequence[str]]) -> bytes:
    target = _Lines()
    writer = csv.writer(target)
    for number, row in enumerate(rows, 1):
        cells = [_made_harmless(cell) for cell in row]
        long = next((place for place, cell in enumerate(cells) if len(cell) > MAX_CSV_CELL), None)
        if long is not None:
            raise _refused(f"longer than {MAX_CSV_CELL} characters", "TOO_LARGE", cell_name(number, long))
        writer.writerow(cells)
    return "".join(target.lines).encode()


def _read_csv(data: bytes) -> list[Row]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refused("not UTF-8 text") from None
    # Only these ends of a line: others, such as U+2028, are part of a text.
    lines = [line + "\n" for line in text.split("\n")]
    return [(number, [_as_written(cell) for cell in row]) for number, row in enumerate(_divided(lines), 1)]


def _divided(lines: Sequence[str]) -> list[list[str]]:
    """The cells. Spreadsheets of many countries write semicolons: what makes the header a header is right."""
    failure: csv.Error | None = None
    rows: list[list[str]] = []
    for delimiter in _DELIMITERS:
        try:
            rows = list(islice(csv.reader(lines, delimiter=delimiter, strict=True), MAX_ROW + 1))
        except csv.Error as error:
            failure = failure or error
        else:
            if len(rows) > MAX_ROW:
                raise _refused(f"has more than {MAX_ROW} rows", "TOO_LARGE")
            if _has_header(rows):
                return rows
    if failure is not None:
        raise _refused(f"no CSV: {failure}")
    return rows


def _has_header(rows: Iterable[Sequence[str]]) -> bool:
    for row in rows:
        if any(row) and row[0].strip().lower() not in (*_SETTINGS, *_NUMBERS, *_OF_COLUMNS):
            return sum(_header_of(cell)[0] in (INPUT, OUTPUT) for cell in row) > 1
    return False


def _made_harmless(cell: str) -> str:
    if _FORMULA.match(cell) and not _is_number(cell):
        return "'" + cell
    return cell


def _as_written(cell: str) -> str:
    return cell[1:] if _HARMLESS.match(cell) else cell


def _is_number(cell: str) -> bool:
    try:
        return number_of(cell) is not None
    except ValueError:
        return False


def _refused(message: str, code: str = "SYNTAX", cell: str = "") -> Invalid:
    return Invalid(problems=(Problem(cell, message, code),))
