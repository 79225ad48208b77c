"""Variables, secrets and the secret state in turns: what a worker gets, what the store holds."""

import pytest

from stepwell.engine.events import StepOrder, StepOrdered
from stepwell.model.codec import decode
from stepwell.model.entry import EntryKind
from stepwell.model.errors import Invalid, NotFound
from stepwell.runtime.entries import delete_entry, put_secret, put_variable
from stepwell.runtime.requests import Actor
from stepwell.runtime.secrets import BadSecretState, split_off
from stepwell.runtime.vault import Vault
from tests.runtime.lanes import Lanes, event_ask, worker


def secret(lanes, name, value, namespace="default"):
    return lanes.errand(lambda t, now: put_secret(t, now, lanes.vault, namespace, name, value, "tester"))


def variable(lanes, name, value, namespace="default"):
    return lanes.errand(lambda t, now: put_variable(t, now, namespace, name, value, "tester"))


def drop(lanes, kind, name, namespace="default"):
    lanes.errand(lambda t, now: delete_entry(t, now, kind, namespace, name, "tester"))


def stored_input(lanes, work):
    return decode(lanes.store.reads.step(work.step_id).input)


def everything_stored(lanes: Lanes) -> str:
    return repr(lanes.store.reads.dump())


# -- variables


def test_a_variable_keeps_its_kind_and_is_read_when_the_step_is_scheduled(lanes):
    variable(lanes, "v", {"url": "http://x", "list": [1, {"a": None}]})
    lanes.define(
        worker(
            "a", all="{{ variables.v }}", part="{{ variables.v.list[1] }}", text="-> {{ variables.v.url }}"
        ),
        worker("b", text="{{ variables.v }}"),
        outputMapping={"x": "{{ variables.v }}"},
    )
    process = lanes.start()
    (work,) = lanes.poll()
    assert decode(work.input) == {
        "all": {"url": "http://x", "list": [1, {"a": None}]},
        "part": {"a": None},
        "text": "-> http://x",
    }
    assert variable(lanes, "v", 7).version == 2
    lanes.report(work)
    (work,) = lanes.poll()
    assert decode(work.input) == {"text": 7}
    lanes.report(work)
    assert decode(lanes.process(process.id).output) == {"x": 7}


def test_the_namespace_goes_before_the_default_one(lanes):
    variable(lanes, "v", "default")
    secret(lanes, "s", "default secret")
    lanes.define(worker("a", v="{{ variables.v }}", s="{{ secrets.s }}"), namespace="here")
    lanes.start(namespace="here")
    (work,) = lanes.poll()
    assert decode(work.input) == {"v": "default", "s": "default secret"}
    variable(lanes, "v", "here", "here")
    secret(lanes, "s", "here secret", "here")
    lanes.start(namespace="here")
    (work,) = lanes.poll()
    assert decode(work.input) == {"v": "here", "s": "here secret"}


def test_a_variable_that_is_missing_is_null_with_a_warning(lanes):
    lanes.define(worker("a", v="{{ variables.v }}", t="<{{ variables.v.x }}>"))
    lanes.start()
    (work,) = lanes.poll()
    assert decode(work.input) == {"v": None, "t": "<>"}
    assert "nothing found for variables.v.x, variables.v" in lanes.store.reads.step(work.step_id).warning
    variable(lanes, "v", 1)
    drop(lanes, EntryKind.VARIABLE, "v")
    with pytest.raises(NotFound):
        drop(lanes, EntryKind.VARIABLE, "v")


def test_many_variables_in_one_decision_cost_few_rounds(lanes):
    for number in range(40):
        variable(lanes, f"v{number}", number)
    steps = [
        {"type": "NOOP", "ref": f"n{number}", "input": {"v": f"{{{{ variables.v{number} }}}}"}}
        for number in range(40)
    ]
    lanes.define(*steps)
    process = lanes.start()
    assert decode(lanes.process(process.id).output) == {"v": 39}


# -- secrets


def test_a_hand_out_holds_the_secret_and_nothing_else_does(lanes):
    secret(lanes, "s", "hunter2-hunter2")
    lanes.define(
        worker(
            "a",
            alone="{{ secrets.s }}",
            embedded="{{ input.who }}: {{ secrets.s }}, {{ secrets.s }}{{ secrets.t }}!",
            deep=[1, {"x": ["{{ secrets.s }}"]}],
            mask="*** {{ input.mask }}",
        )
    )
    secret(lanes, "t", "é😀")
    process = lanes.start(input={"who": "😀 *** you", "mask": "***"})
    (work,) = lanes.poll()
    assert decode(work.input) == {
        "alone": "hunter2-hunter2",
        "embedded": "😀 *** you: hunter2-hunter2, hunter2-hunter2é😀!",
        "deep": [1, {"x": ["hunter2-hunter2"]}],
        "mask": "*** ***",
    }
    assert stored_input(lanes, work) == {
        "alone": "***",
        "embedded": "😀 *** you: ***, ******!",
        "deep": [1, {"x": ["***"]}],
        "mask": "*** ***",
    }
    lanes.report(work, "FAILED", error="no")
    assert "hunter2" not in everything_stored(lanes)
    assert lanes.process(process.id).status == "FAILED"


def test_values_are_never_looked_at_for_templates(lanes):
    secret(lanes, "s", "{{ input.x }} {{ secrets.t }}")
    secret(lanes, "t", "the other")
    lanes.define(worker("a", s="{{ secrets.s }}", given="{{ input.x }}"))
    lanes.start(input={"x": "{{ secrets.t }}"})
    (work,) = lanes.poll()
    assert decode(work.input) == {"s": "{{ input.x }} {{ secrets.t }}", "given": "{{ secrets.t }}"}


def test_data_cannot_make_itself_a_place(lanes):
    """A mask that comes from the input is filled with nothing, wherever it stands."""
    secret(lanes, "s", "hunter2-hunter2")
    lanes.define(worker("a", x="{{ input.mask }}{{ secrets.s }}", y="{{ input.mask }}"))
    lanes.start(input={"mask": "***"})
    (work,) = lanes.poll()
    assert decode(work.input) == {"x": "***hunter2-hunter2", "y": "***"}


def test_redelivery_and_retry_get_it_again_and_a_new_version_at_once(lanes):
    secret(lanes, "s", "first value")
    lanes.define(worker("a", s="{{ secrets.s }}"))
    process = lanes.start()
    (work,) = lanes.poll()
    assert secret(lanes, "s", "second value").version == 2
    lanes.report(work, "RUNNING")
    (work,) = lanes.poll()
    assert decode(work.input) == {"s": "second value"}
    lanes.restart()
    lanes.clock.at += 601_000
    lanes.turn()
    (work,) = lanes.poll()
    assert decode(work.input) == {"s": "second value"}
    assert lanes.process(process.id).status == "RUNNING"


def test_a_secret_that_does_not_exist_fails_the_step_before_anybody_gets_it(lanes):
    lanes.define(worker("a", s="Bearer {{ secrets.absent }}"), worker("b"))
    process = lanes.start()
    assert lanes.poll() == []
    failed = lanes.process(process.id)
    assert failed.status == "FAILED"
    assert decode(failed.output)["error"] == "there is no secret 'absent'"


def test_a_secret_deleted_while_the_step_waits_fails_it_at_its_hand_out(lanes):
    secret(lanes, "s", "hunter2-hunter2")
    lanes.define(worker("a", s="{{ secrets.s }}"))
    process = lanes.start()
    drop(lanes, EntryKind.SECRET, "s")
    assert lanes.poll() == []
    lanes.turn()
    failed = lanes.process(process.id)
    assert failed.status == "FAILED"
    assert "there is no secret 's'" in decode(failed.output)["error"]


def test_a_secret_of_another_key_fails_the_step_and_not_the_turn(lanes):
    secret(lanes, "s", "hunter2-hunter2")
    lanes.define(worker("a", s="{{ secrets.s }}"))
    lanes.define(worker("a"), name="plain")
    process, plain = lanes.start(), lanes.start("plain")
    lanes.vault = Vault()
    lanes.restart()
    (work,) = lanes.poll()
    assert work.process_id == plain.id
    lanes.turn()
    assert lanes.process(process.id).status == "FAILED"


@pytest.mark.parametrize("value", ["", 1, None, ["x"], {"a": 1}, "x" * 70_000])
def test_what_is_no_secret(lanes, value):
    with pytest.raises(Invalid) as told:
        secret(lanes, "s", value)
    assert "xxxx" not in told.value.message


@pytest.mark.parametrize("name", ["", "a.b", "a b", "a[0]", "ä", "x" * 129, "{{a}}"])
def test_what_is_no_name(lanes, name):
    with pytest.raises(Invalid):
        secret(lanes, name, "value")
    with pytest.raises(Invalid):
        variable(lanes, name, "value")


# -- the secret state


def test_the_secret_state_of_a_process(lanes):
    lanes.define(
        worker("a"),
        worker(
            "b", k="{{ secretState.k }}", deep="<{{ context.secretState.j.x[0] }}>", no="{{ secretState.no }}"
        ),
        worker("c", k="{{ secretState.k }}"),
    )
    process = lanes.start()
    lanes.report(lanes.poll()[0], x=1, __secretStatePut={"k": "hunter2-hunter2", "j": {"x": ["deep-secret"]}})
    (work,) = lanes.poll()
    assert decode(work.input) == {"k": "hunter2-hunter2", "deep": "<deep-secret>", "no": None}
    assert stored_input(lanes, work) == {"k": "***", "deep": "<***>", "no": "***"}
    assert lanes.store.reads.step(work.step_id).warning == "nothing found for secretState.no"
    lanes.report(work, __secretStateRemove=["k"])
    (work,) = lanes.poll()
    assert decode(work.input) == {"k": None}
    lanes.report(work)
    stored = everything_stored(lanes)
    assert "hunter2" not in stored and "deep-secret" not in stored
    assert set(decode(lanes.process(process.id).secret_state)) == {"j"}


def test_another_process_cannot_open_it(lanes):
    """What is encrypted is bound to its process and its key."""
    _, sealed = split_off(lanes.vault, 64, b'{"__secretStatePut": {"k": 1}}')
    assert lanes.vault.open(sealed.put["k"], "secretState", "64", "k") == b"1"
    for about in (("secretState", "128", "k"), ("secretState", "64", "j")):
        with pytest.raises(Exception, match="sealed with a key"):
            lanes.vault.open(sealed.put["k"], *about)


@pytest.mark.parametrize("status", ["COMPLETED", "RUNNING", "FAILED"])
@pytest.mark.parametrize(
    "output",
    [
        {"__secretStatePut": "hunter2-hunter2"},
        {"__secretStatePut": ["hunter2-hunter2"]},
        {"__secretStateRemove": {"hunter2-hunter2": 1}},
        {"__secretStateRemove": [1, "hunter2-hunter2"], "__secretStatePut": {"hunter2-hunter2": 1}},
    ],
)
def test_a_reserved_key_of_the_wrong_kind_fails_the_attempt_and_is_not_kept(lanes, status, output):
    lanes.define(worker("a"))
    process = lanes.start()
    lanes.report(lanes.poll()[0], status, **output)
    assert lanes.process(process.id).status == "FAILED"
    assert "__secretState" in decode(lanes.process(process.id).output)["error"]
    assert "hunter2" not in everything_stored(lanes)


def test_a_failed_attempt_changes_it_only_when_it_is_optional_and_the_last(lanes):
    lanes.define({**worker("a"), "optional": True}, worker("b", k="{{ secretState.k }}"))
    lanes.start()
    lanes.report(lanes.poll()[0], "FAILED", __secretStatePut={"k": "kept"})
    assert decode(lanes.poll()[0].input) == {"k": "kept"}
    lanes.define(worker("a"), name="q")
    process = lanes.start("q")
    lanes.report(lanes.poll()[0], "FAILED", __secretStatePut={"k": "not kept"})
    assert lanes.process(process.id).secret_state == b""


@pytest.mark.parametrize("key", [r"__\u0073ecretStatePut", r"\u005f\u005fsecretStatePut", "__secretStatePut"])
def test_a_key_written_with_escapes_is_the_same_key(key):
    output, sealed = split_off(Vault(), 64, f'{{"{key}": {{"k": "hunter2"}}, "x": 1}}'.encode())
    assert output == b'{"x":1}'
    assert set(sealed.put) == {"k"} and "hunter2" not in sealed.put["k"]


@pytest.mark.parametrize(
    "output", [b'{"x": "__secretStatePut"}', b'{"x": {"__secretStatePut": 1}}', rb'{"x": "\u00e9"}']
)
def test_only_the_top_level_is_looked_at(output):
    assert split_off(Vault(), 64, output) == (output, None)


def test_what_is_wrong_is_told_without_the_value():
    with pytest.raises(BadSecretState) as told:
        split_off(Vault(), 64, b'{"__secretStatePut": "hunter2"}')
    assert "hunter2" not in str(told.value) and told.value.__cause__ is None


def test_an_operator_who_completes_a_step_may_put_secrets_too(lanes):
    lanes.define(worker("a"), worker("b", k="{{ secretState.k }}"))
    process = lanes.start()
    order = StepOrdered(
        ref="a", order=StepOrder.COMPLETE, output=b'{"x":1,"__secretStatePut":{"k":"hunter2-hunter2"}}'
    )
    lanes.turn(event_ask(process.id, order, Actor("op", "because")))
    (work,) = lanes.poll()
    assert decode(work.input) == {"k": "hunter2-hunter2"}
    assert "hunter2" not in everything_stored(lanes)
    (line,) = lanes.store.reads.audit(process.id)
    assert (line.who, line.why) == ("op", "because")
