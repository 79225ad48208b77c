-- Every statement that does not depend on what is asked. `-- name:` starts one; `carray(?)` is an array of ids.

-- name: insert_process
insert into process (id, namespace, name, version, definition, type, trigger, status, priority, input, output, state,
                     request_id, correlation_id, created, updated, ended, created_by, tags, rerun_of, step_count,
                     deadline, reason, marked, parent_id, parent_step_id, depth, paused, signals, secret_state,
                     response, resumed, revision, numbering, compensating)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: update_process
update process set version = ?, definition = ?, numbering = ?, compensating = ?, priority = ?, output = ?, state = ?,
                   updated = ?, ended = ?, tags = ?, step_count = ?, deadline = ?, reason = ?, marked = ?, paused = ?, signals = ?,
                   secret_state = ?, response = ?, resumed = ?, revision = ?, status = ?
 where id = ?

-- A status that stays leaves its index alone, and most updates are of processes that go on running.
-- name: update_running_process
update process set version = ?, definition = ?, numbering = ?, compensating = ?, priority = ?, output = ?, state = ?,
                   updated = ?, ended = ?, tags = ?, step_count = ?, deadline = ?, reason = ?, marked = ?, paused = ?, signals = ?,
                   secret_state = ?, response = ?, resumed = ?, revision = ?
 where status = ? and id = ?

-- name: processes
select id, namespace, name, version, definition, type, trigger, status, priority, input, output, state,
       request_id, correlation_id, created, updated, ended, created_by, tags, rerun_of, step_count,
       deadline, reason, marked, parent_id, parent_step_id, depth, paused, signals, secret_state, response,
       resumed, revision, numbering, compensating
  from process where id in carray(?) order by id

-- name: revisions
select id, revision from process where id in carray(?) order by id

-- name: all_processes
select id, namespace, name, version, definition, type, trigger, status, priority, input, output, state,
       request_id, correlation_id, created, updated, ended, created_by, tags, rerun_of, step_count,
       deadline, reason, marked, parent_id, parent_step_id, depth, paused, signals, secret_state, response,
       resumed, revision, numbering, compensating
  from process order by id

-- From the newest on; read no further than is needed.
-- name: processes_of_name
select id, namespace, created from process where name = ? order by id desc

-- name: told
select id from process where id in carray(?) and (ended > 0 or response is not null) order by id

-- name: children
select id, namespace, name, version, definition, type, trigger, status, priority, input, output, state,
       request_id, correlation_id, created, updated, ended, created_by, tags, rerun_of, step_count,
       deadline, reason, marked, parent_id, parent_step_id, depth, paused, signals, secret_state, response,
       resumed, revision, numbering, compensating
  from process where parent_id = ? order by id limit ?

-- A child is needed by a parent that waits for it, unless its success has been told; see `Finished.is_free`.
-- name: finished
select p.id, p.namespace, p.name, p.definition, p.numbering, p.ended, p.revision,
       not p.marked
       and not exists (select 1 from due where process = p.id)
       and not exists (select 1 from process c where c.parent_id = p.id and c.ended = 0)
       and (p.parent_step_id is null
            or not exists (select 1 from process q where q.id = p.parent_id)
            or (p.status = 'COMPLETED'
                and not exists (select 1 from due where process = p.parent_id and step = p.parent_step_id)))
  from process p where (p.ended, p.id) > (?, ?) and p.ended > 0 and p.ended < ? order by p.ended, p.id limit ?

-- The kinds left out are mere deadlines; see `model.due.CLOCKS`.
-- name: open_processes
select p.id, p.definition, p.numbering, p.revision,
       p.paused or p.marked
       or exists (select 1 from due where process = p.id and kind not in (2, 4, 8))
       or exists (select 1 from process c join step s on s.id = c.parent_step_id
                   where c.parent_id = p.id and c.status = 'RUNNING'
                     and s.status in ('PENDING', 'SCHEDULED', 'RUNNING', 'PAUSED'))
  from process p where p.status = 'RUNNING' and p.status <> 'COMPLETED' and p.id > ? order by p.id limit ?

-- name: at_work
select 1 from step s
 where s.id between ? and ? and s.process = ?
   and (s.ready is not null or exists (select 1 from claim where id = s.claim)) limit 1

-- name: late
select count(*) from (select 1 from due where at < ? limit ?)

-- name: drop_process
delete from process where id = ? and revision = ?

-- name: drop_blocks
delete from block where process = ?

-- name: drop_executions
delete from execution where step between ? and ?

-- name: step_ids
select id from step where id between ? and ? order by id limit ?

-- name: drop_steps
delete from step where id in carray(?)

-- name: drop_blobs
delete from blob where process = ?1 and hash in (select hash from blob where process = ?1 limit ?2)

-- name: insert_step
insert into step (id, process, path, status, parent, parent_execution, queue, priority, policy, lease_ms, schedule,
                  updated, execution, scheduled, container_runs, retries, phase, timers, children,
                  ready, token, claim, deadline, deliveries, runs, polled, start, first_start, executor, worker,
                  warning, input, output, secrets)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: update_step
update step set status = ?, parent_execution = ?, priority = ?, policy = ?, lease_ms = ?, schedule = ?, updated = ?,
                execution = ?, scheduled = ?, container_runs = ?, retries = ?, phase = ?, timers = ?, children = ?,
                warning = ?, output = ?
 where id = ? and token = ?

-- What ends at a worker's hands is updated and withdrawn in one stroke.
-- name: close_step
update step set status = ?, parent_execution = ?, priority = ?, policy = ?, lease_ms = ?, schedule = ?, updated = ?,
                execution = ?, scheduled = ?, container_runs = ?, retries = ?, phase = ?, timers = ?, children = ?,
                warning = ?, output = ?, ready = null, claim = null, deadline = 0
 where id = ? and token = ?

-- name: offer_step
update step set status = ?, parent_execution = ?, priority = ?, policy = ?, lease_ms = ?, schedule = ?, updated = ?,
                execution = ?, scheduled = ?, container_runs = ?, retries = ?, phase = ?, timers = ?, children = ?,
                warning = ?, output = ?, queue = ?, ready = ?, claim = ?, deadline = ?, deliveries = ?, runs = ?,
                polled = ?, start = ?, first_start = ?, executor = ?, worker = ?
 where id = ? and token = ?

-- name: replace_input
update step set input = ?, secrets = ? where id = ?

-- name: steps
select id, process, path, status, parent, parent_execution, queue, priority, policy, lease_ms, schedule, updated,
       execution, scheduled, container_runs, retries, phase, timers, children,
       ready, token, claim, deadline, deliveries, runs, polled, start, first_start, executor, worker,
       warning, input, output, secrets
  from step where id in carray(?) order by id

-- name: step_range
select id, process, path, status, parent, parent_execution, queue, priority, policy, lease_ms, schedule, updated,
       execution, scheduled, container_runs, retries, phase, timers, children,
       ready, token, claim, deadline, deliveries, runs, polled, start, first_start, executor, worker,
       warning, input, output, secrets
  from step where id between ? and ? order by id limit ?

-- name: open_step_range
select id, process, path, status, parent, parent_execution, queue, priority, policy, lease_ms, schedule, updated,
       execution, scheduled, container_runs, retries, phase, timers, children,
       ready, token, claim, deadline, deliveries, runs, polled, start, first_start, executor, worker,
       warning, input, output, secrets
  from step where id between ? and ? and status in ('PENDING', 'SCHEDULED', 'RUNNING', 'PAUSED') order by id limit ?

-- name: hand_outs
select id, process, ready, token, claim, deadline, deliveries, runs, polled, start, first_start, executor, worker
  from step where id in carray(?) order by id

-- Answered by the index alone.
-- name: ready_ids
select id from step where queue = ? and ready is not null order by ready, id limit ?

-- Answered by the index alone, as far as it is counted.
-- name: queue_position
select count(*) from (
  select 1 from step where queue = ? and ready is not null and (ready, id) < (?, ?) limit ?)

-- name: take_step
update step set ready = null, token = ?, claim = ?, deadline = ?, deliveries = ?, runs = ?, polled = ?, start = ?,
                first_start = ?, executor = ?, worker = ?
 where id = ?

-- name: extend_lease
update step set deadline = ? where id = ? and token = ? and claim is not null

-- name: release_step
update step set ready = ?, claim = null, deadline = 0, deliveries = deliveries - 1, runs = runs - 1
 where id = ? and token = ? and claim is not null

-- name: insert_blob
insert or ignore into blob (process, hash, body) values (?, ?, ?)

-- name: blob
select body from blob where process = ? and hash = ?

-- name: insert_execution
insert into execution (step, id, process, scheduled, polled, start, updated, executor, runs, output)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: newest_executions
select step, id, process, scheduled, polled, start, updated, executor, runs, output
  from execution where step = ? order by id desc limit ?

-- name: all_executions
select step, id, process, scheduled, polled, start, updated, executor, runs, output from execution order by step, id

-- name: insert_block
insert into block (process, first, count) values (?, ?, ?)

-- name: blocks
select first, count, process from block where process = ? order by first

-- name: all_blocks
select first, count, process from block order by process, first

-- name: sequence
select next from sequence

-- name: move_sequence
update sequence set next = ?

-- name: insert_due
insert or replace into due (process, step, kind, at, body) values (?, ?, ?, ?, ?)

-- name: delete_due
delete from due where process = ? and step = ? and kind = ?

-- name: delete_due_of_process
delete from due where process = ?

-- name: due
select process, step, kind, at, body from due where at <= ? order by at, process, step, kind limit ?

-- name: take_due
delete from due where process = ? and step = ? and kind = ? and at = ? returning process, step, kind, at, body

-- name: going_on
select process, step, kind, at, body from due where process in carray(?) and step = 0 and kind = ? order by process

-- name: next_due_at
select min(at) from due

-- name: all_due
select process, step, kind, at, body from due order by process, step, kind

-- name: due_of_process
select process, step, kind, at, body from due where process = ? order by step, kind

-- name: insert_set_aside
insert into set_aside (process, event, error, created) values (?, ?, ?, ?)

-- name: delete_set_aside
delete from set_aside where id = ?

-- name: set_aside_of_process
select id, process, event, error, created from set_aside where process = ? order by id

-- name: set_aside
select id, process, event, error, created from set_aside order by id

-- name: put_entry
insert or replace into entry (kind, namespace, name, version, body, created, updated, updated_by, expires)
values (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: drop_entry
delete from entry where kind = ? and namespace = ? and name = ?

-- name: drop_expired_entries
delete from entry where (kind, namespace, name) in (
  select kind, namespace, name from entry where expires > 0 and expires <= ?
   order by expires, kind, namespace, name limit ?)

-- name: entry
select kind, namespace, name, version, body, created, updated, updated_by, expires
  from entry where kind = ? and namespace = ? and name = ?

-- name: entries
select kind, namespace, name, version, body, created, updated, updated_by, expires
  from entry where kind = ? order by namespace, name

-- name: entries_with_prefix
select kind, namespace, name, version, body, created, updated, updated_by, expires
  from entry where kind = ?1 and namespace = ?2 and name >= ?3 and substr(name, 1, length(?3)) = ?3 order by name

-- name: all_entries
select kind, namespace, name, version, body, created, updated, updated_by, expires
  from entry order by kind, namespace, name

-- name: insert_audit
insert into audit (at, who, what, process, target, why, detail) values (?, ?, ?, ?, ?, ?, ?)

-- name: audit
select id, at, who, what, process, target, why, detail
  from audit where id < ?1 and process = coalesce(?2, process) order by id desc limit ?3

-- name: all_audit
select id, at, who, what, process, target, why, detail from audit order by id

-- name: audit_of_process
select id, at, who, what, process, target, why, detail
  from audit where process = ? and process > 0 and id < ? order by id desc limit ?

-- name: insert_queue
insert into queue (id, namespace, type, name) values (?, ?, ?, ?)

-- name: queues
select id, namespace, type, name from queue

-- name: insert_claim
insert into claim (id, client, host, poll_id, created, deadline, steps) values (?, ?, ?, ?, ?, ?, ?)

-- name: delete_claim
delete from claim where id = ?

-- name: claim_of_poll
select id, client, host, poll_id, created, deadline, steps
  from claim where client = ? and poll_id = ? order by id desc limit 1

-- name: claims_due
select id, client, host, poll_id, created, deadline, steps
  from claim where deadline <= ? order by deadline, id limit ?

-- name: claims_of
select id, client, host, poll_id, created, deadline, steps from claim where client = ? order by id

-- name: postpone_claim
update claim set deadline = ? where id = ?

-- name: next_claim_deadline
select min(deadline) from claim

-- name: all_claims
select id, client, host, poll_id, created, deadline, steps from claim order by id

-- name: last_numbers
select (select coalesce(max(id), 0) from claim), (select coalesce(max(id), 0) from queue),
       (select coalesce(max(id), 0) from definition), (select coalesce(max(id), 0) from error_policy)

-- name: insert_definition
insert into definition (id, namespace, name, version, content, fingerprint, created, updated, created_by, updated_by,
                        hidden)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: definition
select id, namespace, name, version, content, fingerprint, created, updated, created_by, updated_by, hidden
  from definition where id = ?

-- name: definition_version
select id, namespace, name, version, content, fingerprint, created, updated, created_by, updated_by, hidden
  from definition where namespace = ? and name = ? and version = ?

-- name: newest_definition
select id, namespace, name, version, content, fingerprint, created, updated, created_by, updated_by, hidden
  from definition where namespace = ? and name = ? and hidden <= ? order by version desc limit 1

-- name: hide_definition
update definition set hidden = 1 where namespace = ? and name = ? and version = ? and not hidden

-- name: hide_definitions
update definition set hidden = 1 where namespace = ? and name = ? and not hidden

-- name: show_definition
update definition set hidden = 0 where id = ?

-- name: newest_definitions
select id, namespace, name, version, content, fingerprint, created, updated, created_by, updated_by, hidden
  from definition d
 where not hidden and namespace = coalesce(?, namespace)
   and version = (select max(version) from definition
                   where namespace = d.namespace and name = d.name and not hidden)
 order by namespace, name

-- name: all_definitions
select id, namespace, name, version, content, fingerprint, created, updated, created_by, updated_by, hidden
  from definition order by id

-- name: versions
select version from definition where namespace = ? and name = ? and not hidden order by version

-- name: policy
select body from error_policy where namespace = ? and name = ? and current

-- name: policy_version
select body from error_policy where namespace = ? and name = ? and version = ?

-- name: policy_by_id
select body from error_policy where id = ?

-- name: latest_policy_version
select coalesce(max(version), 0) from error_policy where namespace = ? and name = ?

-- name: retire_policies
update error_policy set current = 0 where namespace = ? and name = ? and current

-- name: insert_policy
insert into error_policy (id, namespace, name, version, current, body) values (?, ?, ?, ?, 1, ?)

-- name: load_policy
insert into error_policy (id, namespace, name, version, current, body) values (?, ?, ?, ?, 0, ?)

-- name: make_policy_current
update error_policy set current = 1 where id = ?

-- name: load_set_aside
insert into set_aside (id, process, event, error, created) values (?, ?, ?, ?, ?)

-- name: load_audit
insert into audit (at, who, what, process, target, why, detail, id) values (?, ?, ?, ?, ?, ?, ?, ?)

-- name: current_policies
select body from error_policy where current and namespace = coalesce(?, namespace) order by namespace, name

-- name: all_policies
select body from error_policy order by id

-- name: client
select client_id, token_hash, permissions, created, expires, revoked from client where client_id = ?

-- name: clients
select client_id, token_hash, permissions, created, expires, revoked from client order by client_id

-- name: put_client
insert or replace into client (client_id, token_hash, permissions, created, expires, revoked)
values (?, ?, ?, ?, ?, ?)

-- name: namespace
select name, description, created, created_by from namespace where name = ?

-- name: namespaces
select name, description, created, created_by from namespace order by name

-- name: put_namespace
insert or ignore into namespace (name, description, created, created_by) values (?, ?, ?, ?)
