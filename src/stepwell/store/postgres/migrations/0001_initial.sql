-- The tables of Stepwell. Times are epoch milliseconds; statuses and types are the documented words.
--
-- Payloads (input, output, state) are JSON texts kept as bytes, so that nothing is decoded on the way through;
-- PostgreSQL moves large ones out of the row by itself. The views at the end show all payloads as text under the
-- documented names: read those.

create table process (
  id               bigint not null,
  namespace        text collate "C" not null,
  name             text collate "C" not null,
  version          bigint not null,
  definition       bigint not null,
  type             text collate "C" not null,
  trigger          text not null,
  status           text not null,
  priority         bigint not null,
  input            bytea not null,
  output           bytea not null,
  state            bytea not null,
  request_id       text,
  correlation_id   text,
  created          bigint not null,
  updated          bigint not null,
  ended            bigint not null,
  created_by       text not null,
  tags             text not null,
  rerun_of         bigint,
  step_count       bigint not null,
  deadline         bigint not null,
  reason           text not null,
  marked           boolean not null,
  parent_id        bigint,
  parent_step_id   bigint,
  depth            bigint not null,
  paused           boolean not null,
  signals          bytea,
  secret_state     bytea,
  response         bytea,
  resumed          bigint not null,
  revision         bigint not null,
  numbering        text,
  compensating     bytea,
  primary key (id)
) with (fillfactor = 60);

create index process_name on process (name, id);
create index process_status on process (status, id) where status <> 'COMPLETED';
create index process_correlation on process (correlation_id) where correlation_id is not null;
create index process_request on process (request_id) where request_id is not null;
create index process_parent on process (parent_id) where parent_id is not null;
create index process_ended on process (ended, id) where ended > 0;

-- A step's row is its queue entry too: it may be claimed while `ready`, its rank, is not null. The index is on `ready`
-- and not on the status, so that most updates leave every index alone; half a page is kept free for them.
-- `secrets` says where the input holds masks for secrets; no secret's value is ever in a table.
create table step (
  id               bigint not null,
  process          bigint not null,
  path             text not null,
  status           text not null,
  parent           bigint,
  parent_execution bigint not null,
  queue            bigint not null,
  priority         bigint not null,
  policy           bigint not null,
  lease_ms         bigint not null,
  schedule         bigint not null,
  updated          bigint not null,
  execution        bigint not null,
  scheduled        bigint not null,
  container_runs   bigint not null,
  retries          bigint not null,
  phase            text not null,
  timers           bigint not null,
  children         text,
  ready            bigint,
  token            bigint not null,
  claim            bigint,
  deadline         bigint not null,
  deliveries       bigint not null,
  runs             bigint not null,
  polled           bigint not null,
  start            bigint not null,
  first_start      bigint not null,
  executor         text not null,
  worker           text not null,
  warning          text not null,
  input            bytea not null,
  output           bytea not null,
  secrets          bytea,
  primary key (id)
) with (fillfactor = 50);

create index step_ready on step (queue, ready, id) where ready is not null;

create table execution (
  step             bigint not null,
  id               bigint not null,
  process          bigint not null,
  scheduled        bigint not null,
  polled           bigint not null,
  start            bigint not null,
  updated          bigint not null,
  executor         text not null,
  runs             bigint not null,
  output           bytea not null,
  primary key (step, id)
);

create table block (
  process          bigint not null,
  first            bigint not null,
  count            bigint not null,
  primary key (process, first)
);

create table due (
  process          bigint not null,
  step             bigint not null,
  kind             bigint not null,
  at               bigint not null,
  body             bytea not null,
  primary key (process, step, kind)
);

create index due_at on due (at);

create table claim (
  id               bigint not null,
  client           text not null,
  host             text not null,
  poll_id          text,
  created          bigint not null,
  deadline         bigint not null,
  steps            text not null,
  primary key (id)
);

create index claim_deadline on claim (deadline);
create index claim_poll on claim (client, poll_id) where poll_id is not null;

create table queue (
  id               bigint not null,
  namespace        text collate "C" not null,
  type             text collate "C" not null,
  name             text collate "C" not null,
  primary key (id),
  unique (namespace, type, name)
);

-- Where each kind of number goes on. Nodes take them in runs.
create table number (
  name             text collate "C" not null,
  next             bigint not null,
  primary key (name)
);

insert into number values ('id', 64), ('claim', 0), ('queue', 0), ('definition', 0), ('policy', 0), ('set_aside', 0), ('audit', 0);

-- The last turn that each writer has committed: what a node reads that lost its connection in the middle of a commit. It
-- raises `fence` as it reads, and a commit that is under way with another fence fails.
create table writer (
  name             text collate "C" not null,
  turn             bigint not null,
  fence            bigint not null,
  at               timestamptz not null default now(),
  primary key (name)
);

create table definition (
  id               bigint not null,
  namespace        text collate "C" not null,
  name             text collate "C" not null,
  version          bigint not null,
  content          bytea not null,
  fingerprint      text not null,
  created          bigint not null,
  updated          bigint not null,
  created_by       text not null,
  updated_by       text not null,
  hidden           boolean not null,
  primary key (id),
  unique (namespace, name, version)
);

create table error_policy (
  id               bigint not null,
  namespace        text collate "C" not null,
  name             text collate "C" not null,
  version          bigint not null,
  current          boolean not null,
  body             text not null,
  primary key (id),
  unique (namespace, name, version)
);

create table client (
  client_id        text collate "C" not null,
  token_hash       text not null,
  permissions      text not null,
  created          bigint not null,
  expires          bigint not null,
  revoked          bigint not null,
  primary key (client_id)
);

create table namespace (
  name             text collate "C" not null,
  description      text not null,
  created          bigint not null,
  created_by       text not null,
  primary key (name)
);

create table set_aside (
  id               bigint not null,
  process          bigint not null,
  event            bytea not null,
  error            text not null,
  created          bigint not null,
  primary key (id)
);

create table entry (
  kind             text collate "C" not null,
  namespace        text collate "C" not null,
  name             text collate "C" not null,
  version          bigint not null,
  body             bytea not null,
  created          bigint not null,
  updated          bigint not null,
  updated_by       text not null,
  expires          bigint not null,
  primary key (kind, namespace, name)
);

create index entry_expires on entry (expires) where expires > 0;

create table audit (
  id               bigint not null,
  at               bigint not null,
  who              text not null,
  what             text not null,
  process          bigint not null,
  target           text not null,
  why              text not null,
  detail           bytea not null,
  primary key (id)
);

create index audit_process on audit (process, id) where process > 0;

create view processes as
select id, namespace, name, version, definition as "historyId", type, trigger as "triggerType", status, priority,
       request_id as "requestId", correlation_id as "correlationId", created, updated, ended,
       created_by as "createdBy", tags, rerun_of as "rerunOf", step_count as "stepIdCount", deadline, reason, marked,
       parent_id as "parentId", parent_step_id as "parentStepId", depth, paused, resumed, revision, numbering,
       convert_from(input, 'UTF8') as input, convert_from(output, 'UTF8') as output,
       convert_from(state, 'UTF8') as state, convert_from(signals, 'UTF8') as signals,
       convert_from(response, 'UTF8') as response
  from process;

create view steps as
select s.id, s.process as "processId", s.path as ref,
       case when s.status = 'SCHEDULED' and s.runs > 0 and s.ready is null then 'RUNNING'
            else s.status end as status,
       s.parent as "parentId", s.parent_execution as "parentExecutionId", s.execution as "executionId", s.priority,
       s.schedule, s.scheduled, s.polled, s.first_start as start, s.updated, s.executor, s.worker as "workerId",
       greatest(s.runs, s.container_runs) as runs, s.retries, s.phase, s.deliveries, s.deadline, s.warning,
       s.children, q.namespace as "queueNamespace", q.type as "queueType", q.name as "queueName",
       convert_from(s.input, 'UTF8') as input, convert_from(s.output, 'UTF8') as output
  from step s left join queue q on q.id = s.queue;

create view entries as
select kind, namespace, name, version, created, updated, updated_by as "updatedBy", expires,
       convert_from(body, 'UTF8') as body
  from entry;

create view audits as
select id, at, who, what, nullif(process, 0) as "processId", target, why, convert_from(detail, 'UTF8') as detail
  from audit;
