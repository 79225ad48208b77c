-- The tables of Stepwell. Times are epoch milliseconds; statuses and types are the documented words.
--
-- Payloads (input, output, state) are JSON texts kept as bytes, so that nothing is decoded on the way through. A
-- payload over the store's threshold stands in `blob`, and its column then holds the hash as TEXT. The views at
-- the end show all payloads as text under the documented names: read those.

create table process (
  id               integer primary key,
  namespace        text    not null,
  name             text    not null,
  version          integer not null,
  definition       integer not null,
  type             text    not null,
  trigger          text    not null,
  status           text    not null,
  priority         integer not null,
  input            any     not null,
  output           any     not null,
  state            any     not null,
  request_id       text,
  correlation_id   text,
  created          integer not null,
  updated          integer not null,
  ended            integer not null,
  created_by       text    not null,
  tags             text    not null,
  rerun_of         integer,
  step_count       integer not null,
  deadline         integer not null,
  reason           text    not null,
  marked           integer not null,
  parent_id        integer,
  parent_step_id   integer,
  depth            integer not null,
  paused           integer not null,
  signals          any,
  secret_state     any,
  response         any,
  resumed          integer not null,
  revision         integer not null,
  numbering        text,
  compensating     any
) strict;

create index process_name on process (name, id);
create index process_status on process (status, id) where status <> 'COMPLETED';
create index process_correlation on process (correlation_id) where correlation_id is not null;
create index process_request on process (request_id) where request_id is not null;
create index process_parent on process (parent_id) where parent_id is not null;

-- A step's row is its queue entry too: it may be claimed while `ready`, its rank, is not null. No further index is
-- needed: the steps of a process are ranges of ids (its first run, and its rows of `block`).
-- `secrets` says where the input holds masks for secrets; no secret's value is ever in a table.
-- Rows stand in the order of their arrival (`seq`), not of `id`: ids come in blocks for each process, so by id every
-- running process would have a page of its own to write in every commit (3.6 KB of log per step against 1.7).
create table step (
  seq              integer primary key,
  id               integer not null unique,
  process          integer not null,
  path             text    not null,
  status           text    not null,
  parent           integer,
  parent_execution integer not null,
  queue            integer not null,
  priority         integer not null,
  policy           integer not null,
  lease_ms         integer not null,
  schedule         integer not null,
  updated          integer not null,
  execution        integer not null,
  scheduled        integer not null,
  container_runs   integer not null,
  retries          integer not null,
  phase            text    not null,
  timers           integer not null,
  children         text,
  ready            integer,
  token            integer not null,
  claim            integer,
  deadline         integer not null,
  deliveries       integer not null,
  runs             integer not null,
  polled           integer not null,
  start            integer not null,
  first_start      integer not null,
  executor         text    not null,
  worker           text    not null,
  warning          text    not null,
  input            any     not null,
  output           any     not null,
  secrets          blob
) strict;

create index step_ready on step (queue, ready, id) where ready is not null;

create table execution (
  step             integer not null,
  id               integer not null,
  process          integer not null,
  scheduled        integer not null,
  polled           integer not null,
  start            integer not null,
  updated          integer not null,
  executor         text    not null,
  runs             integer not null,
  output           any     not null,
  primary key (step, id)
) strict, without rowid;

create table blob (
  process          integer not null,
  hash             text    not null,
  body             blob    not null,
  primary key (process, hash)
) strict, without rowid;

create table block (
  process          integer not null,
  first            integer not null,
  count            integer not null,
  primary key (process, first)
) strict, without rowid;

create table due (
  process          integer not null,
  step             integer not null,
  kind             integer not null,
  at               integer not null,
  body             blob    not null,
  primary key (process, step, kind)
) strict, without rowid;

create index due_at on due (at);

create table claim (
  id               integer primary key,
  client           text    not null,
  host             text    not null,
  poll_id          text,
  created          integer not null,
  deadline         integer not null,
  steps            text    not null
) strict;

create index claim_deadline on claim (deadline);
create index claim_poll on claim (client, poll_id) where poll_id is not null;

create table queue (
  id               integer primary key,
  namespace        text    not null,
  type             text    not null,
  name             text    not null,
  unique (namespace, type, name)
) strict;

create table sequence (
  one              integer primary key check (one = 1),
  next             integer not null
) strict;

insert into sequence values (1, 64);

create table definition (
  id               integer primary key,
  namespace        text    not null,
  name             text    not null,
  version          integer not null,
  content          blob    not null,
  fingerprint      text    not null,
  created          integer not null,
  updated          integer not null,
  created_by       text    not null,
  updated_by       text    not null,
  hidden           integer not null,
  unique (namespace, name, version)
) strict;

create table error_policy (
  id               integer primary key,
  namespace        text    not null,
  name             text    not null,
  version          integer not null,
  current          integer not null,
  body             text    not null,
  unique (namespace, name, version)
) strict;

create table client (
  client_id        text    primary key,
  token_hash       text    not null,
  permissions      text    not null,
  created          integer not null,
  expires          integer not null,
  revoked          integer not null
) strict, without rowid;

create table namespace (
  name             text    primary key,
  description      text    not null,
  created          integer not null,
  created_by       text    not null
) strict, without rowid;

create table set_aside (
  id               integer primary key,
  process          integer not null,
  event            blob    not null,
  error            text    not null,
  created          integer not null
) strict;

create table entry (
  kind             text    not null,
  namespace        text    not null,
  name             text    not null,
  version          integer not null,
  body             blob    not null,
  created          integer not null,
  updated          integer not null,
  updated_by       text    not null,
  expires          integer not null,
  primary key (kind, namespace, name)
) strict, without rowid;

create index entry_expires on entry (expires) where expires > 0;

create table audit (
  id               integer primary key,
  at               integer not null,
  who              text    not null,
  what             text    not null,
  process          integer not null,
  target           text    not null,
  why              text    not null,
  detail           blob    not null
) strict;

create index audit_process on audit (process) where process > 0;

create view processes as
select p.id, p.namespace, p.name, p.version, p.definition as historyId, p.type, p.trigger as triggerType,
       p.status, p.priority, p.request_id as requestId, p.correlation_id as correlationId,
       p.created, p.updated, p.ended, p.created_by as createdBy, p.tags, p.rerun_of as rerunOf,
       p.step_count as stepIdCount, p.deadline, p.reason, p.marked, p.parent_id as parentId,
       p.parent_step_id as parentStepId, p.depth, p.paused, p.resumed, p.revision, p.numbering,
       cast(case typeof(p.input) when 'text' then (select body from blob where process = p.id and hash = p.input)
            else p.input end as text) as input,
       cast(case typeof(p.output) when 'text' then (select body from blob where process = p.id and hash = p.output)
            else p.output end as text) as output,
       cast(case typeof(p.state) when 'text' then (select body from blob where process = p.id and hash = p.state)
            else p.state end as text) as state,
       cast(case typeof(p.signals) when 'text' then (select body from blob where process = p.id and hash = p.signals)
            else p.signals end as text) as signals,
       cast(case typeof(p.response) when 'text' then (select body from blob where process = p.id and hash = p.response)
            else p.response end as text) as response
  from process p;

create view steps as
select s.id, s.process as processId, s.path as ref,
       case when s.status = 'SCHEDULED' and s.runs > 0 and s.ready is null then 'RUNNING'
            else s.status end as status,
       s.parent as parentId, s.parent_execution as parentExecutionId, s.execution as executionId, s.priority,
       s.schedule, s.scheduled, s.polled, s.first_start as start, s.updated, s.executor, s.worker as workerId,
       max(s.runs, s.container_runs) as runs, s.retries, s.phase, s.deliveries, s.deadline, s.warning, s.children,
       q.namespace as queueNamespace, q.type as queueType, q.name as queueName,
       cast(case typeof(s.input) when 'text' then (select body from blob where process = s.process and hash = s.input)
            else s.input end as text) as input,
       cast(case typeof(s.output) when 'text' then (select body from blob where process = s.process and hash = s.output)
            else s.output end as text) as output
  from step s left join queue q on q.id = s.queue;

create view entries as
select kind, namespace, name, version, created, updated, updated_by as updatedBy, expires, cast(body as text) as body
  from entry;

create view audits as
select id, at, who, what, nullif(process, 0) as processId, target, why, cast(detail as text) as detail
  from audit;
