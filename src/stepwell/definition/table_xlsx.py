"""One sheet of text in the container that spreadsheets use: XLSX bytes to rows, rows to XLSX bytes.

Only what a table needs. Formulas and error values are refused; macros, links and everything else in the file are
never looked at. An archive is read no further than the limits allow, whatever it claims about its sizes, and XML
with a document type is refused, so no entity can grow.
"""

import re
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from stepwell.model.codec import encode
from stepwell.model.errors import Invalid, Problem

MAX_PART_BYTES = 16 * 1024 * 1024
"""One part of the archive, unpacked."""
MAX_ENTRIES = 1_000
MAX_ELEMENTS = 1_500_000
"""XML elements in one part."""
MAX_ROW = 20_000
MAX_COLUMN = 256
MAX_CELL = 32_767
"""Characters; the format's own limit."""
MAX_FORMAT = 255
"""Characters of a number format that are looked at."""
MAX_TEXT = 8 * 1024 * 1024
"""Characters in all cells: many cells may name the same long text."""

Row = tuple[int, list[str]]
"""Its number in the sheet, from 1, and its cells from column A on."""

_BROKEN = (
    BadZipFile, EOFError, KeyError, OverflowError, RuntimeError, ValueError, expat.ExpatError, struct.error, zlib.error,
)  # fmt: skip
"""What a damaged or odd archive makes the libraries raise. RuntimeError: a part is encrypted."""

_CELL = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_LIKE_ESCAPED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
_NOT_IN_XML = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff\ud800-\udfff]")
_LITERAL = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.')
_DATE_LETTERS = re.compile(r"[dmyhs]", re.IGNORECASE)
_DATE_FORMATS = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
_DAYS_TO_1970: Final = {False: 25_569, True: 24_107}
"""From the first day of the sheet's calendar; by whether that is the one of 1904."""
_SECONDS_IN_DAY = 86_400

_LONGEST_SHOWN = 40


def cell_name(row: int, column: int) -> str:
    """`B7` for row 7 and column 1."""
    letters = ""
    column += 1
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return f"{letters}{row}"


# -- reading


def read_sheet(data: bytes) -> list[Row]:
    """The rows of the first sheet, each cell as the text that a person would write in a table.

    Raises Invalid, with a problem for each formula and error value by its cell.
    """
    try:
        with ZipFile(_Memory(data)) as archive:
            return _read(archive)
    except _BROKEN as error:
        if isinstance(error, _Refused):
            raise Invalid(problems=(Problem("", str(error), error.code),)) from None
        raise Invalid(problems=(Problem("", "no XLSX file, or a damaged one", "SYNTAX"),)) from None


class _Refused(ValueError):
    def __init__(self, message: str, code: str = "TOO_LARGE") -> None:
        super().__init__(message)
        self.code = code


def _read(archive: ZipFile) -> list[Row]:
    if len(archive.infolist()) > MAX_ENTRIES:
        raise _Refused(f"holds more than {MAX_ENTRIES} parts")
    if any(entry.compress_type not in (ZIP_DEFLATED, ZIP_STORED) for entry in archive.infolist()):
        raise _Refused("is packed in a way that spreadsheets do not use", "SYNTAX")
    sheet_relation, from_1904 = _first_sheet(_part(archive, "xl/workbook.xml"))
    targets, kinds = _relations(_part(archive, "xl/_rels/workbook.xml.rels"))
    shared = kinds.get("sharedStrings")
    styles = kinds.get("styles")
    cells = _Cells(
        shared=_shared_texts(_part(archive, shared)) if shared else [],
        dates=_date_styles(_part(archive, styles)) if styles else frozenset(),
        from_1904=from_1904,
    )
    _walk(_part(archive, targets[sheet_relation]), cells.start, cells.end)
    if cells.problems:
        raise Invalid(problems=tuple(cells.problems))
    return cells.rows


def _part(archive: ZipFile, name: str) -> bytes:
    with archive.open(name) as part:
        data = part.read(MAX_PART_BYTES + 1)
    if len(data) > MAX_PART_BYTES:
        raise _Refused(f"{name} is larger than {MAX_PART_BYTES} bytes unpacked")
    return data


Attributes = Mapping[str, str]
Start = Callable[[str, Attributes], None]
End = Callable[[str, str], None]


def _walk(xml: bytes, start: Start, end: End) -> None:
    """Tell of every element, without its namespace: at its end with the text since the last tag."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    texts: list[str] = []
    count = 0

    def on_start(name: str, attributes: Attributes) -> None:
        nonlocal count
        count += 1
        if count > MAX_ELEMENTS:
            raise _Refused(f"holds more than {MAX_ELEMENTS} elements")
        texts.clear()
        start(_local(name), {_local(key): value for key, value in attributes.items()})

    def on_end(name: str) -> None:
        end(_local(name), "".join(texts))
        texts.clear()

    def on_doctype(*_: object) -> None:
        raise _Refused("holds a document type", "SYNTAX")

    parser.StartElementHandler = on_start
    parser.EndElementHandler = on_end
    parser.CharacterDataHandler = texts.append
    parser.StartDoctypeDeclHandler = on_doctype
    parser.Parse(xml, True)


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def _no_end(name: str, text: str) -> None:
    """For parts that say everything in attributes."""


def _first_sheet(xml: bytes) -> tuple[str, bool]:
    """The relation of the first sheet, and whether days are counted from 1904."""
    relations: list[str] = []
    from_1904: list[bool] = []

    def start(name: str, attributes: Attributes) -> None:
        if name == "sheet":
            relations.append(attributes.get("id", ""))
        elif name == "workbookPr":
            from_1904.append(attributes.get("date1904", "") in ("1", "true"))

    _walk(xml, start, _no_end)
    return relations[0] if relations else "", any(from_1904)


def _relations(xml: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """The parts of the workbook: by the id of the relation, and by its kind."""
    targets: dict[str, str] = {}
    kinds: dict[str, str] = {}

    def start(name: str, attributes: Attributes) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            target = attributes.get("Target", "")
            part = target[1:] if target.startswith("/") else f"xl/{target}"
            targets[attributes.get("Id", "")] = part
            kinds[attributes.get("Type", "").rpartition("/")[2]] = part

    _walk(xml, start, _no_end)
    return targets, kinds


def _shared_texts(xml: bytes) -> list[str]:
    texts: list[str] = []
    parts: list[str] = []
    spoken: list[str] = []
    """Reading aids beside a text (`rPh`) that are open: they are no part of it."""

    def start(name: str, attributes: Attributes) -> None:
        if name == "si":
            parts.clear()
        elif name == "rPh":
            spoken.append(name)

    def end(name: str, text: str) -> None:
        if name == "t" and not spoken:
            parts.append(text)
        elif name == "rPh":
            spoken.clear()
        elif name == "si":
            texts.append("".join(parts))

    _walk(xml, start, end)
    return texts


def _date_styles(xml: bytes) -> frozenset[int]:
    """Which styles show a number as a date or a time."""
    formats: dict[str, bool] = {str(number): True for number in _DATE_FORMATS}
    styles: list[bool] = []
    inside: list[str] = []

    def start(name: str, attributes: Attributes) -> None:
        if name == "numFmt":
            code = _LITERAL.sub("", attributes.get("formatCode", "")[:MAX_FORMAT])
            formats[attributes.get("numFmtId", "")] = _DATE_LETTERS.search(code) is not None
        elif name == "cellXfs":
            inside.append(name)
        elif name == "xf" and inside:
            styles.append(formats.get(attributes.get("numFmtId", ""), False))

    def end(name: str, text: str) -> None:
        if name == "cellXfs":
            inside.clear()

    _walk(xml, start, end)
    return frozenset(index for index, is_date in enumerate(styles) if is_date)


class _Cells:
    """The cells of a sheet, as its elements go by."""

    def __init__(self, shared: Sequence[str], dates: frozenset[int], *, from_1904: bool) -> None:
        self.shared = shared
        self.dates = dates
        self.from_1904 = from_1904
        self.rows: list[Row] = []
        self.problems: list[Problem] = []
        self.row = 0
        self.column = -1
        self.kind = ""
        self.style = 0
        self.parts: list[str] = []
        self.is_formula = False
        self.spoken = False
        self.characters = 0

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "row":
            self.row = int(attributes.get("r", self.row + 1))
            self.column = -1
        elif name == "c":
            self.column = _column_of(attributes["r"]) if "r" in attributes else self.column + 1
            self.kind = attributes.get("t", "n")
            self.style = int(attributes.get("s", 0))
            self.parts.clear()
            self.is_formula = False
        elif name == "f":
            self.is_formula = True
        elif name == "rPh":
            self.spoken = True

    def end(self, name: str, text: str) -> None:
        if name == "rPh":
            self.spoken = False
        elif name == "v" or (name == "t" and not self.spoken):
            self.parts.append(text)
        elif name == "c":
            self._close("".join(self.parts))

    def _close(self, text: str) -> None:
        if self.is_formula:
            self._note("is a formula: write its value, formulas are not computed here", "FORMULA")
        elif self.kind == "e":
            self._note(f"is an error value: {text[:_LONGEST_SHOWN]}", "FORMULA")
        elif text:
            self._add(self._shown(text))

    def _note(self, message: str, code: str) -> None:
        self.problems.append(Problem(cell_name(self.row, self.column), message, code))

    def _shown(self, text: str) -> str:
        match self.kind:
            case "s":
                return _unescaped(self.shared[_index(text, self.shared)])
            case "inlineStr" | "str":
                return _unescaped(text)
            case "b":
                return "true" if text.strip() == "1" else "false"
            case "d":
                return text
            case _:
                return _number_text(float(text), as_date=self.style in self.dates, from_1904=self.from_1904)

    def _add(self, text: str) -> None:
        if not text:
            return
        if not 0 < self.row <= MAX_ROW or self.column >= MAX_COLUMN:
            raise _Refused(f"has cells beyond row {MAX_ROW} or column {MAX_COLUMN}")
        self.characters += len(text)
        if len(text) > MAX_CELL or self.characters > MAX_TEXT:
            raise _Refused(f"holds more than {MAX_CELL} characters in a cell or {MAX_TEXT} in all")
        if not self.rows or self.rows[-1][0] != self.row:
            self.rows.append((self.row, []))
        cells = self.rows[-1][1]
        cells += [""] * (self.column + 1 - len(cells))
        cells[self.column] = text


def _column_of(cell: str) -> int:
    found = _CELL.fullmatch(cell)
    if found is None:
        raise ValueError(cell)
    column = 0
    for letter in found[1]:
        column = column * 26 + ord(letter) - ord("A") + 1
    return column - 1


def _index(text: str, shared: Sequence[str]) -> int:
    index = int(text)
    if not 0 <= index < len(shared):
        raise ValueError(text)
    return index


def _unescaped(text: str) -> str:
    """Signs that XML cannot hold are written as `_x000D_`."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def _number_text(number: float, *, as_date: bool, from_1904: bool) -> str:
    if number - number != 0:
        raise ValueError("no finite number")
    if as_date and 0 <= number < 3_000_000:
        return _date_text(number, from_1904=from_1904)
    whole = number.is_integer() and abs(number) < 2**53
    return encode(int(number) if whole else number).decode()


def _date_text(number: float, *, from_1904: bool) -> str:
    """ISO text of a count of days; a time alone when it is less than one day."""
    days, seconds = divmod(round(number * _SECONDS_IN_DAY), _SECONDS_IN_DAY)
    time = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if not days and not from_1904:
        return time
    if days < 60 and not from_1904:
        days += 1  # The calendar of 1900 has a 29 February 1900, which never was.
    date = _civil(days - _DAYS_TO_1970[from_1904])
    return f"{date}T{time}" if seconds else date


def _civil(days: int) -> str:
    """The date that many days after 1 January 1970. Counted in eras of 400 years that begin on 1 March."""
    era, day = divmod(days + 719_468, 146_097)
    year = (day - day // 1_460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5 - 1
    month += 3 if month < 10 else -9
    return f"{era * 400 + year + (month <= 2):04}-{month:02}-{day:02}"


# -- writing

_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_SHEETML = "application/vnd.openxmlformats-officedocument.spreadsheetml"

_PARTS: Final = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_SHEETML}.sheet.main+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_SHEETML}.styles+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_SHEETML}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
    '<sheets><sheet name="table" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
    "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><fonts count="1"><font/></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border/></borders>'
    '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2"><xf xfId="0"/>'
    '<xf numFmtId="49" quotePrefix="1" applyNumberFormat="1" xfId="0"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>',
}
"""Style 1 is text that stays text when somebody edits the cell, whatever it begins with."""


def write_sheet(rows: Iterable[Sequence[str]]) -> bytes:
    """A workbook with one sheet, every cell text. The same rows give the same bytes.

    Raises Invalid for a text that is longer than a cell can be.
    """
    memory = _Memory()
    with ZipFile(memory, "w") as archive:
        for name, xml in {**_PARTS, "xl/worksheets/sheet1.xml": _sheet_xml(rows)}.items():
            entry = ZipInfo(name)
            entry.compress_type = ZIP_DEFLATED
            archive.writestr(entry, (_HEAD + xml).encode())
    return bytes(memory.data)


def _sheet_xml(rows: Iterable[Sequence[str]]) -> str:
    lines = "".join(
        f'<row r="{number}">{"".join(_cell_xml(number, place, text) for place, text in enumerate(row))}</row>'
        for number, row in enumerate(rows, 1)
    )
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{lines}</sheetData></worksheet>'


def _cell_xml(row: int, column: int, text: str) -> str:
    if not text:
        return ""
    name = cell_name(row, column)
    if len(text) > MAX_CELL:
        raise Invalid(problems=(Problem(name, f"longer than {MAX_CELL} characters", "TOO_LARGE"),))
    text = _LIKE_ESCAPED.sub("_x005F_", text)
    text = _NOT_IN_XML.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
    return f'<c r="{name}" s="1" t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'


class _Memory:
    """A file of bytes that lives in memory, as far as an archive needs one: this room has no other files."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = bytearray(data)
        self.at = 0

    def read(self, size: int = -1) -> bytes:
        end = len(self.data) if size < 0 else self.at + size
        found = bytes(self.data[self.at : end])
        self.at += len(found)
        return found

    def write(self, data: bytes) -> int:
        self.data[self.at : self.at + len(data)] = data
        self.at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = offset + (0, self.at, len(self.data))[whence]
        if self.at < 0:
            raise ValueError("before the beginning")
        return self.at

    def tell(self) -> int:
        return self.at

    def seekable(self) -> bool:
        return True

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing to give back."""
