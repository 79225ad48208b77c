-- Every statement that does not depend on what is asked. `-- name:` starts one. What a turn writes comes as one array
-- for each column, so that a table costs one statement however many rows there are.

-- name: insert_process
insert into process (
  id, namespace, name, version, definition, type, trigger, status, priority, input, output, state, request_id,
  correlation_id, created, updated, ended, created_by, tags, rerun_of, step_count, deadline, reason, marked,
  parent_id, parent_step_id, depth, paused, signals, secret_state, response, resumed, revision, numbering,
  compensating)
select * from unnest(
  $1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[],
  $9::bigint[], $10::bytea[], $11::bytea[], $12::bytea[], $13::text[], $14::text[], $15::bigint[], $16::bigint[],
  $17::bigint[], $18::text[], $19::text[], $20::bigint[], $21::bigint[], $22::bigint[], $23::text[], $24::boolean[],
  $25::bigint[], $26::bigint[], $27::bigint[], $28::boolean[], $29::bytea[], $30::bytea[], $31::bytea[],
  $32::bigint[], $33::bigint[], $34::text[], $35::bytea[])

-- name: update_process
update process p set
  version = u.version, definition = u.definition, numbering = u.numbering, compensating = u.compensating, priority =
  u.priority, output = u.output, state = u.state, updated = u.updated, ended = u.ended, tags = u.tags, step_count =
  u.step_count, deadline = u.deadline, reason = u.reason, marked = u.marked, paused = u.paused, signals = u.signals,
  secret_state = u.secret_state, response = u.response, resumed = u.resumed, revision = u.revision, status =
  u.status
  from unnest(
  $1::bigint[], $2::bigint[], $3::text[], $4::bytea[], $5::bigint[], $6::bytea[], $7::bytea[], $8::bigint[],
  $9::bigint[], $10::text[], $11::bigint[], $12::bigint[], $13::text[], $14::boolean[], $15::boolean[],
  $16::bytea[], $17::bytea[], $18::bytea[], $19::bigint[], $20::bigint[], $21::text[], $22::bigint[])
  as u (
    version, definition, numbering, compensating, priority, output, state, updated, ended, tags, step_count,
    deadline, reason, marked, paused, signals, secret_state, response, resumed, revision, status, id)
 where p.id = u.id

-- name: processes
select
  id, namespace, name, version, definition, type, trigger, status, priority, input, output, state, request_id,
  correlation_id, created, updated, ended, created_by, tags, rerun_of, step_count, deadline, reason, marked,
  parent_id, parent_step_id, depth, paused, signals, secret_state, response, resumed, revision, numbering,
  compensating
  from process where id = any($1::bigint[]) order by id

-- name: lock_processes
select id, revision from process where id = any($1::bigint[]) order by id for update

-- name: all_processes
select
  id, namespace, name, version, definition, type, trigger, status, priority, input, output, state, request_id,
  correlation_id, created, updated, ended, created_by, tags, rerun_of, step_count, deadline, reason, marked,
  parent_id, parent_step_id, depth, paused, signals, secret_state, response, resumed, revision, numbering,
  compensating
  from process order by id

-- From the newest on, in pages.
-- name: processes_of_name
select id, namespace, created from process where name = $1 and id < $2 order by id desc limit $3

-- name: told
select id from process where id = any($1::bigint[]) and (ended > 0 or response is not null) order by id

-- name: children
select
  id, namespace, name, version, definition, type, trigger, status, priority, input, output, state, request_id,
  correlation_id, created, updated, ended, created_by, tags, rerun_of, step_count, deadline, reason, marked,
  parent_id, parent_step_id, depth, paused, signals, secret_state, response, resumed, revision, numbering,
  compensating
  from process where parent_id = $1 order by id limit $2

-- A child is needed by a parent that waits for it, unless its success has been told; see `Finished.is_free`.
-- The kinds left out are mere deadlines; see `model.due.CLOCKS`.
-- name: open_processes
select p.id, p.definition, p.numbering, p.revision,
       p.paused or p.marked
       or exists (select 1 from due where process = p.id and kind not in (2, 4, 8))
       or exists (select 1 from process c join step s on s.id = c.parent_step_id
                   where c.parent_id = p.id and c.status = 'RUNNING'
                     and s.status in ('PENDING', 'SCHEDULED', 'RUNNING', 'PAUSED'))
  from process p where p.status = 'RUNNING' and p.status <> 'COMPLETED' and p.id > $1 order by p.id limit $2

-- Each row is a run of ids of a process.
-- name: at_work
select distinct u.process
  from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as u (process, first, last)
 where exists (select 1 from step s where s.id between u.first and u.last and s.process = u.process
                  and (s.ready is not null or exists (select 1 from claim where id = s.claim)))

-- name: runs_of
select process, first, count from block where process = any($1::bigint[])

-- name: late
select count(*) from (select 1 from due where at < $1 limit $2) q

-- name: finished
select p.id, p.namespace, p.name, p.definition, p.numbering, p.ended, p.revision,
       not p.marked
       and not exists (select 1 from due where process = p.id)
       and not exists (select 1 from process c where c.parent_id = p.id and c.ended = 0)
       and (p.parent_step_id is null
            or not exists (select 1 from process q where q.id = p.parent_id)
            or (p.status = 'COMPLETED'
                and not exists (select 1 from due where process = p.parent_id and step = p.parent_step_id)))
  from process p where (p.ended, p.id) > ($1::bigint, $2::bigint) and p.ended > 0 and p.ended < $3
 order by p.ended, p.id limit $4

-- name: drop_process
delete from process where id = $1 and revision = $2 returning id

-- name: drop_blocks
delete from block where process = $1

-- Waits for whoever drops the same ones: "none left" must be true.
-- name: step_ids
select id from step where id between $1 and $2 order by id limit $3 for update

-- name: drop_executions
delete from execution where step between $1 and $2

-- name: drop_steps
delete from step where id = any($1::bigint[])

-- name: insert_step
insert into step (
  id, process, path, status, parent, parent_execution, queue, priority, policy, lease_ms, schedule, updated,
  execution, scheduled, container_runs, retries, phase, timers, children, ready, token, claim, deadline, deliveries,
  runs, polled, start, first_start, executor, worker, warning, input, output, secrets)
select * from unnest(
  $1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
  $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[],
  $16::bigint[], $17::text[], $18::bigint[], $19::text[], $20::bigint[], $21::bigint[], $22::bigint[],
  $23::bigint[], $24::bigint[], $25::bigint[], $26::bigint[], $27::bigint[], $28::bigint[], $29::text[],
  $30::text[], $31::text[], $32::bytea[], $33::bytea[], $34::bytea[])

-- The engine's half of steps that exist; `kind` says what becomes of the hand-out: 0 = nothing, 1 = withdrawn,
-- 2 = written whole.
-- name: update_steps
update step s set
  status = u.status, parent_execution = u.parent_execution, priority = u.priority, policy = u.policy, lease_ms =
  u.lease_ms, schedule = u.schedule, updated = u.updated, execution = u.execution, scheduled = u.scheduled,
  container_runs = u.container_runs, retries = u.retries, phase = u.phase, timers = u.timers, children = u.children,
  warning = u.warning, output = u.output, queue = case u.kind when 2 then u.queue else s.queue end, deliveries =
  case u.kind when 2 then u.deliveries else s.deliveries end, runs = case u.kind when 2 then u.runs else s.runs end,
  polled = case u.kind when 2 then u.polled else s.polled end, start = case u.kind when 2 then u.start else s.start
  end, first_start = case u.kind when 2 then u.first_start else s.first_start end, executor = case u.kind when 2
  then u.executor else s.executor end, worker = case u.kind when 2 then u.worker else s.worker end, ready = case
  u.kind when 0 then s.ready when 2 then u.ready end, claim = case u.kind when 0 then s.claim when 2 then u.claim
  end, deadline = case u.kind when 0 then s.deadline when 2 then u.deadline else 0 end
  from unnest(
  $1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
  $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::bigint[], $14::text[], $15::text[], $16::bytea[],
  $17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[],
  $24::bigint[], $25::bigint[], $26::bigint[], $27::bigint[], $28::bigint[], $29::text[], $30::text[])
  as u (
    status, parent_execution, priority, policy, lease_ms, schedule, updated, execution, scheduled, container_runs,
    retries, phase, timers, children, warning, output, id, token, kind, queue, ready, claim, deadline, deliveries,
    runs, polled, start, first_start, executor, worker)
 where s.id = u.id and s.token = u.token returning s.id

-- name: replace_inputs
update step s set input = u.input, secrets = u.secrets
  from unnest($1::bytea[], $2::bytea[], $3::bigint[]) as u (input, secrets, id) where s.id = u.id

-- name: steps
select
  id, process, path, status, parent, parent_execution, queue, priority, policy, lease_ms, schedule, updated,
  execution, scheduled, container_runs, retries, phase, timers, children, ready, token, claim, deadline, deliveries,
  runs, polled, start, first_start, executor, worker, warning, input, output, secrets
  from step where id = any($1::bigint[]) order by id

-- name: step_range
select
  id, process, path, status, parent, parent_execution, queue, priority, policy, lease_ms, schedule, updated,
  execution, scheduled, container_runs, retries, phase, timers, children, ready, token, claim, deadline, deliveries,
  runs, polled, start, first_start, executor, worker, warning, input, output, secrets
  from step where id between $1 and $2 order by id limit $3

-- name: open_step_range
select
  id, process, path, status, parent, parent_execution, queue, priority, policy, lease_ms, schedule, updated,
  execution, scheduled, container_runs, retries, phase, timers, children, ready, token, claim, deadline, deliveries,
  runs, polled, start, first_start, executor, worker, warning, input, output, secrets
  from step where id between $1 and $2 and status in ('PENDING', 'SCHEDULED', 'RUNNING', 'PAUSED') order by id limit $3

-- name: hand_outs
select id, process, ready, token, claim, deadline, deliveries, runs, polled, start, first_start, executor, worker
  from step where id = any($1::bigint[]) order by id for update

-- The version of one entry (step 0), and the processes of some steps.
-- name: look_around
select 0::bigint, version from entry where kind = $1 and namespace = $2 and name = $3
union all
select id, process from step where id = any($4::bigint[])

-- Processes first, by id, then steps of theirs, by id. Rows that are waited for come back as they are then.
-- name: lock_with_steps
with l as materialized (
  select id, revision from process where id = any($1::bigint[]) order by id for update),
     h as materialized (
  select id, process, ready, token, claim, deadline, deliveries, runs, polled, start, first_start, executor, worker
    from step where id = any($2::bigint[]) and process = any(array(select id from l)) order by id for update)
select true, id, revision, null::bigint, null::bigint, null::bigint, null::bigint, null::bigint, null::bigint,
       null::bigint, null::bigint, null::bigint, null::text, null::text from l
union all
select false, id, process, ready, token, claim, deadline, deliveries, runs, polled, start, first_start, executor, worker
  from h

-- Which of these queues hold anything.
-- name: filled_queues
select q from unnest($1::bigint[]) q
 where exists (select 1 from step where queue = q and ready is not null)

-- Rows that another node has in its hands are left to it. $2 says for each place which of the takers it belongs to;
-- $3 to $5 are the takers: claim, executor, worker. The old rank comes first.
-- name: claim
with q as materialized (
  select id, ready from step where queue = $1 and ready is not null
   order by ready, id limit cardinality($2::bigint[]) for update skip locked),
     c as materialized (
  select id, ready, ($2::bigint[])[row_number() over (order by ready, id)] as taker from q)
update step s set ready = null, token = s.token + 1, claim = ($3::bigint[])[c.taker],
       deadline = $6::bigint + case when s.lease_ms > 0 then s.lease_ms else $7::bigint end,
       deliveries = s.deliveries + 1, runs = s.runs + 1, polled = $6::bigint,
       start = case when s.start = 0 then $6::bigint else s.start end,
       first_start = case when s.first_start = 0 then $6::bigint else s.first_start end,
       executor = ($4::text[])[c.taker], worker = ($5::text[])[c.taker]
  from c where s.id = c.id
returning c.ready,
  s.id, s.process, s.path, s.status, s.parent, s.parent_execution, s.queue, s.priority, s.policy, s.lease_ms,
  s.schedule, s.updated, s.execution, s.scheduled, s.container_runs, s.retries, s.phase, s.timers, s.children,
  s.ready, s.token, s.claim, s.deadline, s.deliveries, s.runs, s.polled, s.start, s.first_start, s.executor,
  s.worker, s.warning, s.input, s.output, s.secrets

-- name: extend_leases
update step s set deadline = u.deadline from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as u (deadline, id, token)
 where s.id = u.id and s.token = u.token and s.claim is not null returning s.id

-- Waits for nothing: what another node is busy with is not given back, its lease ends.
-- name: release_steps
with c as materialized (
  select s.id, u.ready from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as u (ready, id, token)
    join step s on s.id = u.id and s.token = u.token and s.claim is not null order by s.id for update of s skip locked)
update step s set ready = c.ready, claim = null, deadline = 0, deliveries = s.deliveries - 1, runs = s.runs - 1
  from c where s.id = c.id

-- name: insert_execution
insert into execution (
  step, id, process, scheduled, polled, start, updated, executor, runs, output)
select * from unnest(
  $1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[],
  $9::bigint[], $10::bytea[])

-- name: newest_executions
select step, id, process, scheduled, polled, start, updated, executor, runs, output from execution where step = $1 order by id desc limit $2

-- name: all_executions
select step, id, process, scheduled, polled, start, updated, executor, runs, output from execution order by step, id

-- name: insert_block
insert into block (process, first, count) select * from unnest($1::bigint[], $2::bigint[], $3::bigint[])

-- name: blocks
select first, count, process from block where process = $1 order by first

-- name: all_blocks
select first, count, process from block order by process, first

-- Numbers are taken in a transaction of their own: they are lost with a rollback, and never given twice.
-- name: take_numbers
update number set next = greatest(next, $2::bigint) + $3::bigint where name = $1 returning next

-- name: put_due
insert into due (process, step, kind, at, body)
select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[])
    on conflict (process, step, kind) do update set at = excluded.at, body = excluded.body

-- name: drop_due
delete from due using unnest($1::bigint[], $2::bigint[], $3::bigint[]) as u (process, step, kind)
 where due.process = u.process and due.step = u.step and due.kind = u.kind

-- name: drop_due_of_processes
delete from due where process = any($1::bigint[])

-- name: due
select process, step, kind, at, body from due where at <= $1 order by at, process, step, kind limit $2

-- name: take_due
delete from due using unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) as u (process, step, kind, at)
 where due.process = u.process and due.step = u.step and due.kind = u.kind and due.at = u.at
returning due.process, due.step, due.kind, due.at, due.body

-- name: going_on
select process, step, kind, at, body from due
 where process = any($1::bigint[]) and step = 0 and kind = $2 order by process

-- name: next_due_at
select min(at) from due

-- name: all_due
select process, step, kind, at, body from due order by process, step, kind

-- name: due_of_process
select process, step, kind, at, body from due where process = $1 order by step, kind

-- name: insert_set_aside
insert into set_aside (id, process, event, error, created)
select * from unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::text[], $5::bigint[])

-- name: drop_set_aside
delete from set_aside where id = any($1::bigint[])

-- name: set_aside_of_process
select id, process, event, error, created from set_aside where process = $1 order by id

-- name: set_aside
select id, process, event, error, created from set_aside order by id

-- Whatever stands there.
-- name: put_entries
insert into entry (kind, namespace, name, version, body, created, updated, updated_by, expires)
select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::bigint[], $7::bigint[], $8::text[], $9::bigint[])
    on conflict (kind, namespace, name) do update set
       version = excluded.version, body = excluded.body, created = excluded.created, updated = excluded.updated,
       updated_by = excluded.updated_by, expires = excluded.expires

-- Where this turn has read that there is none. What another has put there meanwhile stays.
-- name: insert_entries
insert into entry (kind, namespace, name, version, body, created, updated, updated_by, expires)
select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::bigint[], $7::bigint[], $8::text[], $9::bigint[])
    on conflict (kind, namespace, name) do nothing
returning name

-- Where this turn has read what stands there: only if it still does.
-- name: replace_entries
update entry e set version = u.version, body = u.body, created = u.created, updated = u.updated,
       updated_by = u.updated_by, expires = u.expires
  from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::bigint[], $7::bigint[], $8::text[], $9::bigint[],
              $10::bigint[], $11::bytea[])
    as u (kind, namespace, name, version, body, created, updated, updated_by, expires, old_version, old_body)
 where e.kind = u.kind and e.namespace = u.namespace and e.name = u.name
   and e.version = u.old_version and e.body = u.old_body
returning e.name

-- name: drop_entries
delete from entry e using unnest($1::text[], $2::text[], $3::text[]) as u (kind, namespace, name)
 where e.kind = u.kind and e.namespace = u.namespace and e.name = u.name

-- name: drop_seen_entries
delete from entry e using unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[])
    as u (kind, namespace, name, old_version, old_body)
 where e.kind = u.kind and e.namespace = u.namespace and e.name = u.name
   and e.version = u.old_version and e.body = u.old_body
returning e.name

-- In the order of their keys, and before anything else is read of them.
-- name: lock_entries
select 1 from entry e join unnest($1::text[], $2::text[], $3::text[]) as u (kind, namespace, name)
    on e.kind = u.kind and e.namespace = u.namespace and e.name = u.name
 order by e.kind, e.namespace, e.name for update of e

-- name: drop_expired_entries
delete from entry e using (
  select kind, namespace, name from entry where expires > 0 and expires <= $1
   order by expires, kind, namespace, name limit $2 for update skip locked) as u
 where e.kind = u.kind and e.namespace = u.namespace and e.name = u.name
returning e.kind, e.namespace, e.name

-- name: entry
select kind, namespace, name, version, body, created, updated, updated_by, expires
  from entry where kind = $1 and namespace = $2 and name = $3

-- name: entries
select kind, namespace, name, version, body, created, updated, updated_by, expires
  from entry where kind = $1 order by namespace, name

-- name: entries_with_prefix
select kind, namespace, name, version, body, created, updated, updated_by, expires
  from entry where kind = $1 and namespace = $2 and name >= $3 and left(name, length($3)) = $3
 order by name

-- name: all_entries
select kind, namespace, name, version, body, created, updated, updated_by, expires
  from entry order by kind, namespace, name

-- name: insert_audit
insert into audit (id, at, who, what, process, target, why, detail)
select * from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::bytea[])

-- name: audit
select id, at, who, what, process, target, why, detail
  from audit where id < $1 and process = coalesce($2::bigint, process) order by id desc limit $3

-- name: all_audit
select id, at, who, what, process, target, why, detail from audit order by id

-- name: audit_of_process
select id, at, who, what, process, target, why, detail
  from audit where process = $1 and process > 0 and id < $2 order by id desc limit $3

-- name: insert_queue
insert into queue (id, namespace, type, name) values ($1, $2, $3, $4) on conflict (namespace, type, name) do nothing returning id

-- name: queue
select id from queue where namespace = $1 and type = $2 and name = $3

-- name: queues
select id, namespace, type, name from queue

-- name: queue_position
select count(*) from (
  select 1 from step where queue = $1 and ready is not null and (ready, id) < ($2::bigint, $3::bigint) limit $4) q

-- Waits for nothing: a row that another node looks at goes when its deadline is looked at again.
-- name: save_claims
with c as materialized (select id from claim where id = any($8::bigint[]) order by id for update skip locked),
     d as (delete from claim using c where claim.id = c.id)
insert into claim (id, client, host, poll_id, created, deadline, steps)
select * from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[])

-- name: claim_of_poll
select id, client, host, poll_id, created, deadline, steps
  from claim where client = $1 and poll_id = $2 order by id desc limit 1

-- name: claims_due
select id, client, host, poll_id, created, deadline, steps
  from claim where deadline <= $1 order by deadline, id limit $2

-- name: claims_of
select id, client, host, poll_id, created, deadline, steps from claim where client = $1 order by id

-- name: postpone_claim
with c as materialized (select id from claim where id = $2 for update skip locked)
update claim set deadline = $1 from c where claim.id = c.id

-- name: next_claim_deadline
select min(deadline) from claim

-- name: all_claims
select id, client, host, poll_id, created, deadline, steps from claim order by id

-- name: insert_definition
insert into definition (id, namespace, name, version, content, fingerprint, created, updated, created_by, updated_by, hidden)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (namespace, name, version) do nothing returning id

-- name: definition
select id, namespace, name, version, content, fingerprint, created, updated, created_by, updated_by, hidden
  from definition where id = $1

-- name: definition_version
select id, namespace, name, version, content, fingerprint, created, updated, created_by, updated_by, hidden
  from definition where namespace = $1 and name = $2 and version = $3

-- name: newest_definition
select id, namespace, name, version, content, fingerprint, created, updated, created_by, updated_by, hidden
  from definition where namespace = $1 and name = $2 and (not hidden or $3) order by version desc limit 1

-- name: hide_definition
update definition set hidden = true where namespace = $1 and name = $2 and version = $3 and not hidden returning id

-- name: hide_definitions
update definition set hidden = true where namespace = $1 and name = $2 and not hidden returning id

-- name: show_definition
update definition set hidden = false where id = $1

-- name: newest_definitions
select id, namespace, name, version, content, fingerprint, created, updated, created_by, updated_by, hidden
  from definition d
 where not hidden and namespace = coalesce($1::text, namespace)
   and version = (select max(version) from definition
                   where namespace = d.namespace and name = d.name and not hidden)
 order by namespace, name

-- name: all_definitions
select id, namespace, name, version, content, fingerprint, created, updated, created_by, updated_by, hidden
  from definition order by id

-- name: versions
select version from definition where namespace = $1 and name = $2 and not hidden order by version

-- name: policy
select body from error_policy where namespace = $1 and name = $2 and current

-- name: policy_version
select body from error_policy where namespace = $1 and name = $2 and version = $3

-- name: policy_by_id
select body from error_policy where id = $1

-- name: latest_policy_version
select version from error_policy where namespace = $1 and name = $2 order by version desc limit 1 for update

-- name: retire_policies
update error_policy set current = false where namespace = $1 and name = $2 and current returning id

-- name: insert_policy
insert into error_policy (id, namespace, name, version, current, body) values ($1, $2, $3, $4, true, $5)
    on conflict (namespace, name, version) do nothing returning id

-- name: load_policies
insert into error_policy (id, namespace, name, version, body, current)
select u.*, false from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[]) as u

-- name: make_policies_current
update error_policy set current = true where id = any($1::bigint[])

-- name: raise_number
update number set next = greatest(next, $2::bigint) where name = $1

-- name: current_policies
select body from error_policy where current and namespace = coalesce($1::text, namespace)
 order by namespace, name

-- name: all_policies
select body from error_policy order by id

-- name: client
select client_id, token_hash, permissions, created, expires, revoked from client where client_id = $1

-- name: clients
select client_id, token_hash, permissions, created, expires, revoked from client order by client_id

-- name: put_client
insert into client (client_id, token_hash, permissions, created, expires, revoked) values ($1, $2, $3, $4, $5, $6)
    on conflict (client_id) do update set token_hash = excluded.token_hash, permissions = excluded.permissions,
       created = excluded.created, expires = excluded.expires, revoked = excluded.revoked

-- name: namespace
select name, description, created, created_by from namespace where name = $1

-- name: namespaces
select name, description, created, created_by from namespace order by name

-- name: put_namespace
insert into namespace (name, description, created, created_by) values ($1, $2, $3, $4) on conflict (name) do nothing

-- Waits for the end of a commit of this writer that is under way; one that arrives later finds another fence.
-- name: fence_writer
insert into writer (name, turn, fence) values ($1, 0, $2)
    on conflict (name) do update set fence = excluded.fence, at = now() returning turn

-- name: drop_old_writers
delete from writer where at < now() - interval '7 days'
