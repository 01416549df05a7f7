-- Times (*_at) are milliseconds since 1970, UTC. Rows refer to each other by seq; ids are what the outside sees.
-- An index on what is open is partial, so its size, and the cost of a claim, follow the queue and not the history.

create table events (
    seq integer primary key autoincrement,
    id text not null unique,
    source text not null,
    kind text not null,
    title text not null,
    url text,
    received_at integer not null,
    payload blob not null -- as received
) strict;

create index events_by_age on events (received_at); -- retention

create table dedup (
    source text not null,
    path text not null,
    key_hash blob not null, -- SHA-256 of the dedup key
    state text not null, -- what the sender said of it: a twin says the same, another word takes this one's place
    event integer not null references events (seq) on delete cascade,
    expires_at integer not null,
    primary key (source, path, key_hash)
) strict, without rowid;

create index dedup_of_event on dedup (event);

create table deliveries (
    seq integer primary key autoincrement, -- the order of a lane, and of the list
    id text not null unique,
    event integer not null references events (seq) on delete cascade,
    source text not null, -- the event's; the list is filtered by it
    receiver text not null,
    order_key text not null, -- source, a slash, the event's order key
    state text not null check (state in ('queued', 'sending', 'delivered', 'dead', 'cancelled', 'handed_over')),
    severity integer not null check (severity in (0, 1, 2)), -- info, warning, critical
    head integer not null check (head in (0, 1)), -- 1: the earliest open one of its receiver and order key
    rank integer not null check (rank in (0, 1, 2)), -- of a head: the worst severity among the open ones of its key
    tried_at integer, -- of a head: when its order key was tried last; null: never. Probes go round by it
    next_attempt_at integer, -- null: it may go now
    title text not null,
    created_at integer not null,
    delivered_at integer,
    attempts integer not null default 0,
    failures integer not null default 0, -- the attempts that count against retry.max_attempts
    reason text, -- why it is dead
    possibly_duplicate integer not null default 0 check (possibly_duplicate in (0, 1)),
    alone integer not null default 0 check (alone in (0, 1)), -- 1: a digest with it was refused, it goes by itself
    -- The ids of the delivery this one took over, and of the one that took it over. No foreign keys: both bring the
    -- same event and are forgotten with it.
    fallback_of text,
    handed_to text,
    check (head = 0 or state in ('queued', 'sending'))
) strict;

create unique index head_of_key on deliveries (receiver, order_key) where head = 1;
create index ready on deliveries (receiver, rank desc, seq)
    where head = 1 and state = 'queued' and next_attempt_at is null;
create index waiting on deliveries (receiver, next_attempt_at)
    where head = 1 and state = 'queued' and next_attempt_at is not null;
create index probes on deliveries (receiver, tried_at, seq) where head = 1 and state = 'queued';
create index open_in_order on deliveries (receiver, order_key, seq) where state in ('queued', 'sending');
create index open_by_severity on deliveries (receiver, order_key, severity) where state in ('queued', 'sending');

create index deliveries_of_event on deliveries (event);
create index deliveries_of_receiver on deliveries (receiver, seq);
create index deliveries_of_source on deliveries (source, seq);
create index not_delivered on deliveries (state, seq) where state <> 'delivered'; -- most are, and need no index

-- A table of its own, because SQLite writes a row anew whenever one column of it changes.
create table contents (
    delivery integer primary key references deliveries (seq) on delete cascade,
    content text not null -- JSON
) strict;

create table messages (
    seq integer primary key autoincrement,
    id text not null unique,
    app text not null,
    epoch integer not null, -- of the ownership that claimed it
    hold integer not null check (hold in (0, 1)), -- 1: if nobody knows whether it arrived, a human decides
    msg_key text, -- null until its first attempt has ended
    msg_param text,
    process_query_key text,
    send_status text, -- what DingTalk last said when asked who has read it
    ask_receipts_at integer, -- when it is asked next; null: never
    receipts_asked_at integer, -- when it answered last
    receipts_complete integer not null default 0 check (receipts_complete in (0, 1)), -- 1: nothing more will be asked
    check (ask_receipts_at is null or (process_query_key is not null and receipts_complete = 0))
) strict;

create index receipts_due on messages (app, ask_receipts_at) where ask_receipts_at is not null;

create table message_deliveries (
    message integer not null references messages (seq) on delete cascade,
    delivery integer not null references deliveries (seq) on delete cascade,
    primary key (message, delivery)
) strict, without rowid;

create index messages_of_delivery on message_deliveries (delivery, message);

create table attempts (
    seq integer primary key autoincrement,
    id text not null unique,
    message integer not null references messages (seq) on delete cascade,
    channel text not null,
    organisation text not null, -- whose month paid, and which one: a unit that is given back goes there
    month text not null,
    started_at integer not null,
    outcome text check (outcome in ('sent', 'throttled', 'unavailable', 'blocked', 'refused')), -- null: under way
    code text,
    http_status integer,
    msg_key text,
    duration_ms integer,
    may_have_arrived integer not null default 0 check (may_have_arrived in (0, 1)),
    hint text
) strict;

create index attempts_of_message on attempts (message);
create index attempts_of_channel on attempts (channel, started_at);
create index under_way on attempts (message) where outcome is null;

create table receipts (
    message integer not null references messages (seq) on delete cascade,
    user_id text not null,
    seen_at integer not null, -- when we learned of it; DingTalk does not say when it was read
    primary key (message, user_id)
) strict, without rowid;

create table apps (
    app text primary key,
    owner text not null,
    epoch integer not null,
    health text not null -- JSON
) strict, without rowid;

create table channels (
    channel text primary key,
    health text not null, -- JSON
    rate integer -- messages a minute; null: the configured rate
) strict, without rowid;

create table quota (
    organisation text not null,
    month text not null, -- 2026-11
    api text not null, -- receipts may use their own share of the month only
    calls integer not null check (calls >= 0),
    primary key (organisation, month, api)
) strict, without rowid;
