"""Templates: which texts are references, and what comes out of a rendering."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepwell.definition.template import (
    MISSING,
    compile_template,
    find_problems,
    parse_reference,
)
from stepwell.model.codec import decode, raw

DATA = {
    "input.text": 'a "b" ü',
    "input.number": 1.5,
    "input.whole": 7,
    "input.yes": True,
    "input.null": None,
    "input.list": [1, {"a": "b"}],
    "input.raw": raw(b'{"k": [1,2]}'),
    "input.rawText": raw(b' "x\\ny" '),
    "input.rawNull": raw(b"null"),
    "input.evil": "{{ input.text }}",
}


def render(value):
    text, missing = compile_template(value).render(lambda reference: DATA.get(reference.text, MISSING))
    return decode(text), missing


@pytest.mark.parametrize(
    ("text", "root", "path"),
    [
        ("steps.charge.output.id", "steps", ("charge", "output", "id")),
        ("steps.child[3].output.x", "steps", ("child[3]", "output", "x")),
        ("steps.a[3][0].output.x[1]", "steps", ("a[3][0]", "output", "x", 1)),
        ("steps.charge", "steps", ("charge",)),
        ("input.a[0].b", "input", ("a", 0, "b")),
        ("input", "input", ()),
        ("input[2]", "input", (2,)),
        ("  state.x  ", "state", ("x",)),
        ("'context.id'", "context", ("id",)),
        ('" foreach.value.a "', "foreach", ("value", "a")),
        ("input.order id.content-type", "input", ("order id", "content-type")),
        ("input.größe", "input", ("größe",)),
        ("secrets.key", "secrets", ("key",)),
        ("secretState.key", "secretState", ("key",)),
        ("variables.n", "variables", ("n",)),
    ],
)
def test_paths(text, root, path):
    reference = parse_reference(text)
    assert (reference.root, reference.path) == (root, path)


@pytest.mark.parametrize(
    "text",
    [
        *("", "  ", "''", "nope.x", "Input.x", "inputs.x", "'input.x", "input. x", "input.x\ny"),
        *("input.", "input..x", "input.x.", "input.x[", "input.x[a]", "input.x[-1]"),
        *("steps", "steps[0]", "foreach", "secrets"),
    ],
)
def test_what_is_no_path(text):
    with pytest.raises(ValueError, match=r"."):
        parse_reference(text)


@pytest.mark.parametrize(
    ("written", "rendered"),
    [
        ("{{ input.text }}", 'a "b" ü'),
        ("{{input.number}}", 1.5),
        ("{{ input.yes }}", True),
        ("{{ input.null }}", None),
        ("{{ input.list }}", [1, {"a": "b"}]),
        ("{{ input.raw }}", {"k": [1, 2]}),
        ("{{ input.rawText }}", "x\ny"),
        ("{{ 'input.whole' }}", 7),
        ("n={{ input.whole }}", "n=7"),
        (" {{ input.whole }}", " 7"),
        ("{{ input.whole }}{{ input.whole }}", "77"),
        ("{{ input.text }}!", 'a "b" ü!'),
        ("{{ input.yes }}/{{ input.null }}/{{ input.rawNull }}/", "true///"),
        ("is {{ input.list }}", 'is [1,{"a":"b"}]'),
        ("is {{ input.raw }} {{ input.rawText }}", 'is {"k": [1,2]} x\ny'),
        ("{{{ input.whole }}}", "{7}"),
        ("{{ input.evil }}", "{{ input.text }}"),
        ("a {{ input.evil }}", "a {{ input.text }}"),
        ("{{ nope }}", "{{ nope }}"),
        ("{{ input.whole", "{{ input.whole"),
        ("}} {{", "}} {{"),
    ],
)
def test_rendering(written, rendered):
    assert render({"at": written}) == ({"at": rendered}, ())
    assert render({"deep": [{"er": [0, written, {}]}], "z": []}) == (
        {"deep": [{"er": [0, rendered, {}]}], "z": []},
        (),
    )


def test_missing_is_null_alone_empty_in_a_text_and_reported():
    assert render({"a": "{{ input.no }}", "b": ["<{{ state.no }}>"]}) == (
        {"a": None, "b": ["<>"]},
        ("input.no", "state.no"),
    )


def test_keys_are_never_templates():
    assert render({"{{ input.text }}": 1})[0] == {"{{ input.text }}": 1}


def test_without_a_reference_the_text_is_ready():
    template = compile_template({"a": [1, "x", None], "b": {}})
    assert template.constant == b'{"a":[1,"x",null],"b":{}}'
    assert template.references == ()
    assert compile_template({}).constant == b"{}"


def test_references_in_order():
    template = compile_template({"a": "{{ input.x }}", "b": ["{{ steps.s.output }} {{ input.x }}"]})
    assert [reference.text for reference in template.references] == ["input.x", "steps.s.output", "input.x"]
    assert template.constant is None


def test_problems_carry_their_path():
    value = {"a": ["ok {{ input.x }}", {"b": "{{ nope.x }} {{ }}"}], "c": "open {{ input.x"}
    problems = find_problems(value, "steps[0].input")
    assert [(p.path, p.warning) for p in problems] == [
        ("steps[0].input.a[1].b", False),
        ("steps[0].input.a[1].b", False),
        ("steps[0].input.c", True),
    ]


PIECES = st.sampled_from(
    [
        "{{",
        "}}",
        "{",
        "}",
        "{{ input.text }}",
        "{{ input.no }}",
        "{{input.list}}",
        "steps.a[0]",
        ".",
        "'",
        'ü\\"',
        " ",
    ]
)
TEXTS = st.one_of(st.lists(PIECES, max_size=8).map("".join), st.text(max_size=20))
VALUES = st.recursive(
    st.one_of(
        TEXTS, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_rendering_never_raises_and_keeps_what_is_no_template(value):
    template = compile_template(value)
    rendered = decode(template.render(lambda reference: DATA.get(reference.text, MISSING))[0])
    assert list(rendered) == list(value)
    if not template.references:
        assert rendered == json.loads(json.dumps(value))
    find_problems(value, "at")


# -- secrets: masked, and the places remembered


def places(value):
    template = compile_template(value)
    lookup = lambda reference: DATA.get(reference.text, MISSING)  # noqa: E731
    return decode(template.render(lookup)[0]), [
        (place.path, place.at, place.root.value, place.name, place.rest) for place in template.places(lookup)
    ]


@pytest.mark.parametrize(
    ("value", "rendered", "found"),
    [
        ({"a": "{{ secrets.s }}"}, {"a": "***"}, [(("a",), None, "secrets", "s", ())]),
        ({"a": " {{ secrets.s }}"}, {"a": " ***"}, [(("a",), 1, "secrets", "s", ())]),
        (
            {"a": [1, {"b.c": ["{{ input.text }}", "{{ secretState.k.x[2] }}"]}]},
            {"a": [1, {"b.c": [DATA["input.text"], "***"]}]},
            [(("a", 1, "b.c", 1), None, "secretState", "k", ("x", 2))],
        ),
        ({"a": "{{ context.secretState.k }}"}, {"a": "***"}, [(("a",), None, "secretState", "k", ())]),
        (
            {"a": "***{{ input.evil }}😀{{ secrets.s }}{{ input.no }}{{ secrets.t }}", "b": "***"},
            {"a": f"***{DATA['input.evil']}😀******", "b": "***"},
            [
                (("a",), 4 + len(DATA["input.evil"]), "secrets", "s", ()),
                (("a",), 7 + len(DATA["input.evil"]), "secrets", "t", ()),
            ],
        ),
        ({"a": "{{ input.text }}"}, {"a": DATA["input.text"]}, []),
    ],
)
def test_where_secrets_belong(value, rendered, found):
    assert places(value) == (rendered, found)


@pytest.mark.parametrize(
    "text", ["secrets", "secrets.a.b", "secrets.a[0]", "secretState", "context.secretState"]
)
def test_what_names_no_secret(text):
    with pytest.raises(ValueError, match="names no"):
        parse_reference(text)
