"""What the port promises of processes, steps, the queue and due rows, asked of every store."""

import threading

import pytest

from stepwell.model.codec import change
from stepwell.model.definition import ProcessType, TagValue
from stepwell.model.due import Due, DueKind
from stepwell.model.entry import EntryKind
from stepwell.model.errors import Conflict
from stepwell.model.process import Block, ProcessStatus, TriggerType
from stepwell.model.search import ProcessSearch
from stepwell.model.step import Children, HandOut, Phase, StepExecution, StepStatus
from stepwell.model.work import QueueName
from stepwell.store.port import BLOCK, Changes, SetAside, Store
from tests.store.records import NOW, QUEUE, audit, claim, entry, process, ready, step


def put(store: Store, **changes: object) -> None:
    with store.turn() as turn:
        assert not turn.save(Changes(**changes))  # type: ignore[arg-type]


def test_every_column_of_a_process_comes_back(store: Store) -> None:
    full = process(
        64,
        version=3,
        definition_id=9,
        priority=-2,
        input='{"a":"ä\\u0000 漢 😀"}'.encode(),
        output=b'{"b":1}',
        state=b'{"c":[]}',
        request_id="réq",
        correlation_id="c'or\"r",
        created=1,
        updated=2,
        ended=3,
        created_by="me",
        tags=(TagValue("k", "v"), TagValue("ü", "")),
        rerun_of=5,
        step_count=6,
        deadline=7,
        reason="because",
        marked=True,
        parent_id=10,
        parent_step_id=11,
        depth=12,
        paused=True,
        signals='[{"name":"ü"}]'.encode(),
        secret_state=b"\x00\xff\xfe",
        response=b"[null]",
        resumed=4,
        numbering=(3, 1, 2),
        compensating=b'{"status":"FAILED"}',
        revision=8,
    )
    put(store, new_processes=[full, process(128)])
    assert store.reads.process(64) == full
    with store.turn() as turn:
        assert turn.processes([128, 7, 64]) == [full, process(128)]
        assert turn.processes([]) == [] == turn.steps([])
        assert list(turn.lock([128, 7, 64]).items()) == [(64, 8), (128, 0)]
        assert turn.lock([]) == {} == turn.hand_outs([])


def test_every_column_of_a_step_comes_back(store: Store) -> None:
    hand_out = HandOut(4, 5, 6, 7, 8, 9, 10, 11, 12, "höst", "wörker")
    full = step(
        65,
        path=("child", 3, 0),
        parent_id=64,
        parent_execution_id=2,
        queue=7,
        priority=-3,
        policy_id=4,
        lease_ms=5,
        schedule=6,
        updated=7,
        execution=8,
        scheduled=9,
        container_runs=10,
        retries=11,
        phase=Phase.GATED,
        timers=12,
        input='{"in":"漢"}'.encode(),
        output=b'{"out":null}',
        warning="hm ü",
        children=Children(1, 2, 3, 4, 5),
        hand_out=hand_out,
    )
    put(store, new_steps=[full, step(66)])
    assert store.reads.step(65) == full
    assert store.reads.step(67) is None
    assert store.reads.steps_by_id([66, 99, 65]) == [full, step(66)]
    assert store.reads.steps_by_id([]) == []
    with store.turn() as turn:
        assert turn.steps([66, 65, 99]) == [full, step(66)]
        assert turn.hand_outs([65, 99]) == {65: (64, hand_out)}


@pytest.mark.parametrize("status", StepStatus)
def test_step_statuses_come_back(store: Store, status: StepStatus) -> None:
    put(store, new_steps=[step(65, status=status)])
    with store.turn() as turn:
        assert turn.steps([65])[0].status is status
        assert bool(turn.step_range(1, 99, 9, open_only=True)) is status.is_open


def test_enums_of_processes_steps_and_due_rows_come_back(store: Store) -> None:
    words = [
        *({"status": status} for status in ProcessStatus),
        *({"type": kind} for kind in ProcessType),
        *({"trigger": trigger} for trigger in TriggerType),
    ]
    rows = [process(64 * (at + 1), **word) for at, word in enumerate(words)]
    due = [Due(64, 65, kind, 1) for kind in sorted(DueKind)]
    steps = [step(64 + at, phase=phase) for at, phase in enumerate(Phase, 1)]
    put(store, new_processes=rows, new_steps=steps, due=due)
    assert [store.reads.process(row.id) for row in rows] == rows
    with store.turn() as turn:
        assert turn.due(1, 99) == due
        assert turn.step_range(65, 99, 99) == steps


def test_a_turn_that_raises_leaves_nothing(store: Store) -> None:
    put(
        store,
        new_processes=[process(64)],
        new_steps=[step(65)],
        due=[Due(64, 0, DueKind.GO_ON, 1)],
        entries=[entry("a"), entry("x", expires=1)],
    )
    before = store.reads.dump()
    with pytest.raises(ZeroDivisionError), store.turn() as turn:
        queue = turn.queue(QUEUE)
        turn.save(
            Changes(
                new_processes=[process(128)],
                processes=[process(64, status=ProcessStatus.FAILED)],
                new_steps=[ready(129, queue, 1, 128)],
                steps=[step(65, status=StepStatus.FAILED)],
                executions=[StepExecution(process_id=64, step_id=65, id=1)],
                blocks=[Block(256, 64, 64)],
                ended=[64],
                set_aside=[SetAside(process_id=64, event=b"{}", error="e", created=1)],
                entries=[entry("b"), entry("c")],
                dropped_entries=[(EntryKind.VARIABLE, "default", "a")],
                audit=[audit()],
            )
        )
        assert turn.drop_expired_entries(NOW, 9) == 1
        turn.claim(queue, 9, 1, NOW, 10, "h", "w")
        turn.add_claim(claim(1, poll_id="p"))
        raise ZeroDivisionError
    assert store.reads.dump() == before
    with store.turn() as turn:
        assert turn.claim_of_poll("app", "p") is None
        assert turn.next_claim_deadline() is None
        assert turn.next_due_at() == 1
        assert turn.claim(turn.queue(QUEUE), 9, 2, NOW, 10, "h", "w") == []


def test_readers_see_committed_rows_only(store: Store) -> None:
    put(store, new_processes=[process(64)], new_steps=[step(65)])
    with store.turn() as turn:
        turn.save(
            Changes(
                new_steps=[step(66)],
                steps=[step(65, status=StepStatus.COMPLETED)],
                processes=[process(64, status=ProcessStatus.COMPLETED)],
                new_processes=[process(128, parent_id=64)],
                entries=[entry("a")],
                audit=[audit()],
            )
        )
        assert turn.entry(EntryKind.VARIABLE, "default", "a") == entry("a")
        assert store.reads.entry(EntryKind.VARIABLE, "default", "a") is None
        assert (
            store.reads.entries(EntryKind.VARIABLE) == [] == store.reads.audit() == store.reads.children(64)
        )
        assert turn.steps([65])[0].status is StepStatus.COMPLETED
        assert [s.id for s in store.reads.steps(process(64), 64)] == [65]
        before = store.reads.step(65)
        assert before is not None and before.status is StepStatus.SCHEDULED
        unchanged = store.reads.process(64)
        assert unchanged is not None and unchanged.status is ProcessStatus.RUNNING
    after = store.reads.step(65)
    assert after is not None and after.status is StepStatus.COMPLETED


def test_a_snapshot_shows_one_moment(store: Store) -> None:
    """A commit falls between two reads (SQLite), or waits until both are done (memory): neither read sees it."""
    put(store, new_processes=[process(64)], new_steps=[step(65)])
    ended = {
        "processes": [process(64, status=ProcessStatus.COMPLETED)],
        "steps": [step(65, status=StepStatus.COMPLETED)],
    }
    writer = threading.Thread(target=put, args=(store,), kwargs=ended)
    with store.reads.snapshot():
        before = store.reads.process(64)
        writer.start()
        writer.join(0.3)
        (unchanged,) = store.reads.steps(process(64), 64)
    writer.join()
    assert before is not None and before.status is ProcessStatus.RUNNING
    assert unchanged.status is StepStatus.SCHEDULED
    after, (changed,) = store.reads.process(64), store.reads.steps(process(64), 64)
    assert after is not None and after.status is ProcessStatus.COMPLETED
    assert changed.status is StepStatus.COMPLETED


def test_an_update_of_a_process_keeps_what_it_was_born_with(store: Store) -> None:
    born = {"created": 5, "parent_id": 7, "parent_step_id": 8, "depth": 1}
    put(store, new_processes=[process(64, input=b'{"a":1}', **born)])
    for status in (ProcessStatus.RUNNING, ProcessStatus.FAILED, ProcessStatus.RUNNING):
        new = process(64, status=status, input=b'{"a":2}', created=6, name="other", revision=3, resumed=1)
        put(store, processes=[new])
        assert store.reads.process(64) == change(new, input=b'{"a":1}', name="order", **born)


def test_what_changes_seldom_in_a_process_is_set_and_taken_back(store: Store) -> None:
    put(store, new_processes=[process(64)])
    followed = {"definition_id": 2, "version": 2, "numbering": (1,)}
    seldom = {
        **followed,
        "compensating": b"{}",
        "paused": True,
        "signals": b'[{"name":"a"}]',
        "secret_state": b"\xff",
        "response": b"{}",
    }
    for status in (ProcessStatus.RUNNING, ProcessStatus.FAILED):
        for new in (process(64, status=status, **seldom), process(64, status=status)):
            put(store, processes=[new])
            assert store.reads.process(64) == new


def test_steps_are_written_apart_from_their_hand_outs(store: Store) -> None:
    held = HandOut(ready=3, token=2, claim=4, deadline=5, deliveries=6, runs=7)
    old = step(65, input=b'{"a":1}', hand_out=held)
    put(store, new_steps=[old])
    new = step(
        65,
        status=StepStatus.PAUSED,
        queue=7,
        phase=Phase.HELD,
        input=b'{"a":2}',
        output=b'{"b":1}',
        hand_out=HandOut(token=2),
    )
    put(store, steps=[new])
    assert store.reads.step(65) == change(new, input=b'{"a":1}', queue=0, hand_out=held)
    done = change(new, status=StepStatus.COMPLETED, phase=Phase.WORK, output=b"[]")
    put(store, withdrawn=[done])
    assert store.reads.step(65) == change(done, input=b'{"a":1}', queue=0, hand_out=held.released())
    offer = HandOut(ready=1, token=2, first_start=9, executor="h")
    again = change(new, execution=2, phase=Phase.PREPARING, hand_out=offer, secrets=b"[1]")
    put(store, offered=[again])
    assert store.reads.step(65) == change(again, input=b'{"a":1}', secrets=b"")
    put(store, offered=[again], inputs=[again])
    assert store.reads.step(65) == again


@pytest.mark.parametrize("part", ["steps", "withdrawn", "offered"])
def test_another_token_writes_nothing_and_is_told(store: Store, part: str) -> None:
    old = step(65, hand_out=HandOut(ready=1, token=2))
    put(store, new_steps=[old, step(66, hand_out=HandOut(ready=1, token=2)), step(129, 128)])
    stale = step(65, status=StepStatus.FAILED, hand_out=HandOut(token=1))
    good = step(129, 128, status=StepStatus.FAILED, hand_out=HandOut(deadline=1))
    with store.turn() as turn:
        assert list(turn.save(Changes(**{part: [stale, good]}))) == [64]
        assert list(turn.save(Changes(**{part: [step(999, 192)]}))) == [192]
    assert store.reads.step(65) == old
    written = store.reads.step(129)
    assert written is not None and written.status is StepStatus.FAILED


def test_a_row_is_inserted_once(store: Store) -> None:
    put(store, new_processes=[process(64)], new_steps=[step(65)])
    for again in (Changes(new_processes=[process(64)]), Changes(new_steps=[step(65)])):
        with pytest.raises(Conflict), store.turn() as turn:
            turn.save(again)


def test_ranges_of_steps(store: Store) -> None:
    done = [step(id, status=StepStatus.COMPLETED) for id in (66, 68)]
    put(store, new_steps=[step(70), *done, step(65), step(67)])
    with store.turn() as turn:
        assert [s.id for s in turn.step_range(66, 70, 9)] == [66, 67, 68, 70]
        assert [s.id for s in turn.step_range(66, 69, 2)] == [66, 67]
        assert [s.id for s in turn.step_range(65, 70, 2, open_only=True)] == [65, 67]


def test_a_reader_pages_through_all_runs_of_a_process(store: Store) -> None:
    put(
        store,
        new_steps=[step(id) for id in (65, 66, 68, 200, 320)],
        blocks=[Block(320, 64, 64), Block(192, 64, 64), Block(384, 64, 1)],
    )
    mine = process(64)
    assert [s.id for s in store.reads.steps(mine, 4)] == [65, 66, 200, 320]
    assert [s.id for s in store.reads.steps(mine, 4, after=65, limit=2)] == [66, 200]
    assert [s.id for s in store.reads.steps(mine, 4, after=200)] == [320]
    with store.turn() as turn:
        assert turn.blocks(64) == [Block(192, 64, 64), Block(320, 64, 64)]


def test_executions_are_read_oldest_first_and_the_newest_of_many(store: Store) -> None:
    rows = [
        StepExecution(
            process_id=64,
            step_id=65,
            id=id,
            scheduled=1,
            polled=2,
            start=3,
            updated=4,
            executor="e",
            runs=5,
            output=b"[1]",
        )
        for id in (1, 2, 3)
    ]
    put(store, executions=rows)
    assert store.reads.executions([65, 66]) == {65: rows, 66: []}
    assert store.reads.executions([65], limit=2) == {65: rows[1:]}


def test_reserved_ids_are_never_handed_out_twice(store: Store) -> None:
    taken: list[int] = []
    for round in range(40):
        try:
            with store.turn() as turn:
                taken += [turn.reserve(100), turn.reserve(1)]
                if round % 3 == 0:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            continue
    assert taken == sorted(set(taken))
    assert taken[0] > 0 and all(first % BLOCK == 0 for first in taken)
    assert all(after - first >= 100 * BLOCK for first, after in zip(taken[::2], taken[1::2], strict=True))


def test_queues_are_numbered_from_one_and_keep_their_number(store: Store) -> None:
    other = QueueName("default", "HTTP", "charge")
    with store.turn() as turn:
        assert (turn.queue(QUEUE), turn.queue(other), turn.queue(QUEUE)) == (1, 2, 1)
    with pytest.raises(ZeroDivisionError), store.turn() as turn:
        lost = turn.queue(QueueName("n", "t", "x"))
        raise ZeroDivisionError
    with store.turn() as turn:
        assert turn.queue(QUEUE) == 1
        assert turn.queue(QueueName("n", "t", "y")) not in (1, 2, lost)


def test_claims_take_the_lowest_rank_then_the_lowest_id(store: Store) -> None:
    with store.turn() as turn:
        queue, other = turn.queue(QUEUE), turn.queue(QueueName("a", "b", "c"))
        rows = [
            ready(66, queue, 5),
            ready(65, queue, 5, lease_ms=7),
            ready(67, queue, -1),
            ready(68, queue, 9),
        ]
        turn.save(Changes(new_steps=[*rows, ready(69, other, 0), step(70, queue=queue)]))
    with store.turn() as turn:
        taken = turn.claim(queue, 3, 11, NOW, 1_000, "host", "app")
        assert [s.id for s in taken] == [67, 65, 66]
        assert taken[0].hand_out == HandOut(None, 1, 11, NOW + 1_000, 1, 1, NOW, NOW, NOW, "host", "app")
        assert taken[1].hand_out.deadline == NOW + 7
        assert turn.steps([65, 66, 67]) == sorted(taken, key=lambda s: s.id)
        assert [s.id for s in turn.claim(queue, 3, 12, NOW, 1_000, "host", "app")] == [68]
        assert turn.claim(queue, 3, 13, NOW, 1_000, "host", "app") == []


def test_a_second_hand_out_counts_on(store: Store) -> None:
    before = HandOut(7, 3, None, 0, 2, 1, 50, 40, 30, "old", "old")
    with store.turn() as turn:
        queue = turn.queue(QUEUE)
        turn.save(Changes(new_steps=[step(65, queue=queue, hand_out=before)]))
        assert turn.claim(queue, 1, 9, NOW, 5, "h", "w")[0].hand_out == before.taken(
            9, NOW, NOW + 5, "h", "w"
        )
    stored = store.reads.step(65)
    assert stored is not None and stored.hand_out == before.taken(9, NOW, NOW + 5, "h", "w")


def test_a_step_stands_in_the_queue_that_it_was_offered_to_last(store: Store) -> None:
    with store.turn() as turn:
        first, second = turn.queue(QUEUE), turn.queue(QueueName("a", "b", "c"))
        born = ready(65, first, 1)
        turn.save(Changes(new_steps=[born]))
        turn.save(Changes(offered=[change(born, queue=second, hand_out=HandOut(ready=2))]))
        assert turn.claim(first, 9, 1, NOW, 10, "h", "w") == []
    put(store, steps=[change(born, queue=first)])
    with store.turn() as turn:
        assert turn.claim(first, 9, 1, NOW, 10, "h", "w") == []
        assert [s.queue for s in turn.claim(second, 9, 1, NOW, 10, "h", "w")] == [second]


def test_what_a_turn_saved_last_is_what_its_claim_hands_out(store: Store) -> None:
    with store.turn() as turn:
        queue = turn.queue(QUEUE)
        born = ready(65, queue, 1, input=b"[1]")
        turn.save(Changes(new_steps=[born, ready(66, queue, 2), ready(67, queue, 3)]))
        turn.save(Changes(steps=[change(born, priority=4)], inputs=[change(born, input=b"[2]")]))
        assert not turn.save(Changes(new_steps=[ready(68, queue, 4)], withdrawn=[step(68), step(67)]))
        taken = turn.claim(queue, 9, 1, NOW, 5, "h", "w")
    assert [(s.id, s.priority, s.input) for s in taken] == [(65, 4, b"[2]"), (66, 0, b"{}")]
    assert [store.reads.step(s.id) for s in taken] == taken


def test_leases_are_extended_and_released_by_their_holder_only(store: Store) -> None:
    with store.turn() as turn:
        queue = turn.queue(QUEUE)
        turn.save(Changes(new_steps=[ready(65, queue, 1), ready(66, queue, 2), ready(67, queue, 3)]))
        turn.claim(queue, 2, 1, NOW, 10, "h", "w")
    with store.turn() as turn:
        wrong = [(65, 2, 99), (66, 1, 99), (67, 0, 99), (999, 1, 99)]
        assert turn.extend(wrong) == [False, True, False, False]
        turn.release([(65, 1, -5), (66, 0, -6), (67, 0, -7), (999, 1, 0)])
        hand_outs = turn.hand_outs([65, 66, 67])
    assert hand_outs[66][1].deadline == 99
    assert hand_outs[66][1].ready is None
    assert hand_outs[67][1] == HandOut(ready=3)
    back = hand_outs[65][1]
    assert (back.ready, back.token, back.claim, back.deadline) == (-5, 1, None, 0)
    assert (back.runs, back.deliveries, back.polled) == (0, 0, NOW)
    with store.turn() as turn:
        assert [s.id for s in turn.claim(queue, 9, 2, NOW, 10, "h", "w")] == [65, 67]


def test_claims_are_found_by_poll_and_by_deadline(store: Store) -> None:
    with store.turn() as turn:
        first, second = turn.next_claim_id(), turn.next_claim_id()
        assert 0 < first < second
        turn.add_claim(claim(first, poll_id="p", deadline=20, steps=(65, 66)))
        turn.add_claim(claim(second, poll_id="p", deadline=10))
        turn.add_claim(claim(40, client="other", poll_id="p", deadline=30))
        turn.add_claim(claim(41, deadline=30))
    with store.turn() as turn:
        assert turn.next_claim_id() > 41
        assert turn.next_claim_deadline() == 10
        found = turn.claim_of_poll("app", "p")
        assert found == claim(second, poll_id="p", deadline=10)
        assert turn.claim_of_poll("app", "q") is None
        assert [c.id for c in turn.claims_due(30, 9)] == [second, first, 40, 41]
        assert turn.claims_due(20, 9)[1].steps == (65, 66)
        assert [c.id for c in turn.claims_due(29, 1)] == [second]
        turn.postpone_claim(second, 99)
        turn.postpone_claim(12345, 1)
        turn.drop_claims([40, 12345])
    with store.turn() as turn:
        assert [c.id for c in turn.claims_due(98, 9)] == [first, 41]
        assert turn.next_claim_deadline() == 20


def test_due_rows_are_read_in_order_and_taken_while_they_stand(store: Store) -> None:
    rows = [
        Due(64, 66, DueKind.READY, 5, b"x"),
        Due(64, 65, DueKind.COMPLETION_TIMEOUT, 5),
        Due(64, 65, DueKind.READY, 5),
        Due(128, 0, DueKind.PROCESS_TIMEOUT, 4),
        Due(128, 0, DueKind.GO_ON, 9),
    ]
    put(store, due=rows)
    with store.turn() as turn:
        assert turn.next_due_at() == 4
        assert turn.due(5, 9) == [rows[3], rows[2], rows[1], rows[0]]
        assert turn.due(5, 2) == [rows[3], rows[2]]
        moved = change(rows[0], at=7)
        assert turn.take_due([moved, rows[1], rows[1], rows[3]]) == [rows[1], rows[3]]
        assert turn.due(9, 9) == [rows[2], rows[0], rows[4]]
    put(store, due=[moved], undue=[(64, 65, DueKind.READY), (64, 99, DueKind.READY)])
    with store.turn() as turn:
        assert turn.due(99, 9) == [moved, rows[4]]
    start = Due(128, 0, DueKind.START_PROCESS, 3)
    put(store, ended=[128, 64], due=[start])
    with store.turn() as turn:
        assert turn.due(99, 9) == [start]
        assert turn.take_due([start]) == [start]
        assert turn.next_due_at() is None


def test_events_set_aside_are_kept_with_a_number(store: Store) -> None:
    event = SetAside(process_id=64, event=b'{"e":1}', error="boom", created=5)
    put(store, set_aside=[event, event])
    put(store, set_aside=[change(event, error="bang")])
    assert store.reads.set_aside() == [
        change(event, id=1),
        change(event, id=2),
        change(event, id=3, error="bang"),
    ]


def test_large_payloads_come_back_whole(store: Store) -> None:
    big, bigger = b'"' + b"x" * 9_000 + b'"', b'"' + b"y" * 300_000 + b'"'
    execution = StepExecution(process_id=64, step_id=65, id=1, output=bigger)
    born = process(64, input=big, output=bigger, state=big)
    put(store, new_processes=[born], new_steps=[step(65, input=big)], executions=[execution])
    put(store, steps=[step(65, output=bigger)])
    assert store.reads.process(64) == born
    assert store.reads.step(65) == step(65, input=big, output=bigger)
    assert store.reads.executions([65]) == {65: [execution]}
    large = process(64, state=bigger, signals=big, secret_state=bigger, response=big)
    put(store, inputs=[step(65, input=bigger)], processes=[large])
    with store.turn() as turn:
        assert turn.steps([65]) == [step(65, input=bigger, output=bigger)]
        assert turn.processes([64]) == [change(large, input=big)]
    fellow = change(large, id=128)
    put(store, new_processes=[fellow], entries=[entry("big", body=bigger)])
    assert store.reads.process(128) == fellow
    assert store.reads.entries(EntryKind.VARIABLE) == [entry("big", body=bigger)]


def test_open_steps_are_read_by_id_through_all_runs_of_ids(store: Store) -> None:
    rows = [step(65), step(66, status=StepStatus.COMPLETED), step(640), step(641, status=StepStatus.PAUSED)]
    put(store, new_processes=[process(64)], new_steps=rows, blocks=[Block(640, BLOCK, 64)])
    reads = store.reads
    assert reads.open_steps(process(64), 4) == [rows[0], rows[2], rows[3]]
    assert reads.open_steps(process(64), 4, limit=2) == [rows[0], rows[2]]
    assert reads.open_steps(process(64), 4, after=640) == [rows[3]]
    assert reads.open_steps(process(64), 4, after=65, limit=1) == [rows[2]]
    assert reads.open_steps(process(128), 4) == []


def test_due_rows_of_a_process_are_read_by_step_and_kind(store: Store) -> None:
    rows = [
        Due(64, 0, DueKind.PROCESS_TIMEOUT, 5),
        Due(64, 65, DueKind.READY, 9),
        Due(64, 65, DueKind.WAKE, 1),
    ]
    put(store, due=[*rows[::-1], Due(128, 0, DueKind.READY, 1)])
    assert store.reads.due(64) == rows
    assert store.reads.due(65) == []


def test_the_place_of_a_step_in_its_queue(store: Store) -> None:
    rows = [ready(65, 1, 5), ready(66, 1, 5), ready(67, 1, 3), ready(68, 2, 1), step(69, queue=1)]
    put(store, new_steps=rows)
    places = [store.reads.queue_position(1, rank, id) for rank, id in ((3, 67), (5, 65), (5, 66), (9, 1))]
    assert places == [0, 1, 2, 3]
    assert store.reads.queue_position(2, 1, 68) == 0 == store.reads.queue_position(7, 9, 9)
    assert store.reads.queue_position(1, 9, 1, limit=2) == 2


def test_processes_are_paged_by_id(store: Store) -> None:
    rows = [process(64 * number) for number in range(1, 6)]
    put(store, new_processes=rows)
    first = store.reads.find_processes(ProcessSearch(limit=2))
    assert [row.id for row in first] == [320, 256]
    rest = store.reads.find_processes(ProcessSearch(limit=9, before_id=first[-1].id))
    assert [row.id for row in rest] == [192, 128, 64]


def test_events_that_are_done_with_go(store: Store) -> None:
    rows = [SetAside(process_id=id, event=b"{}", error="e", created=1) for id in (64, 128, 64)]
    put(store, set_aside=rows)
    with store.turn() as turn:
        assert [row.id for row in turn.set_aside(64)] == [1, 3]
        assert turn.set_aside(192) == []
        turn.save(Changes(settled=[1, 9], set_aside=[rows[1]]))
        assert [row.id for row in turn.set_aside(64)] == [3]
    assert [(row.id, row.process_id) for row in store.reads.set_aside()] == [(2, 128), (3, 64), (4, 128)]
