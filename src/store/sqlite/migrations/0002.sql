-- What a human says of a lane. A lane nobody said anything of has no row.
create table lanes (
    receiver text primary key,
    paused_until integer -- it takes nothing before then; null, or in the past: it is not paused
) strict, without rowid;

-- What a fallback may take over, in the order of its lane.
create index to_hand_over on deliveries (receiver, seq)
    where state = 'queued' and fallback_of is null and handed_to is null;

-- Calls a second, as lowered by throttling; null: the configured rate.
alter table apps add column rate integer;

-- How plain a delivery has become because DingTalk refused richer forms of it: JSON; null: it goes in its full form.
alter table deliveries add column form text;

-- What the operator was told last of what lasts. `subject` is the teller's key.
create table notices (
    subject text primary key,
    since integer not null,
    told_at integer not null,
    is_over integer not null check (is_over in (0, 1)) -- 1: that it is over was told
) strict, without rowid;

-- How many deliveries have entered a state which nobody asked for, and of how many the operator knows.
create table tolls (
    receiver text not null,
    state text not null check (state in ('dead', 'handed_over')),
    count integer not null,
    told integer not null default 0,
    last text not null, -- the latest of them
    reason text not null, -- and why it did
    primary key (receiver, state)
) strict, without rowid;

-- When the last of these calls was taken; null: before this was written down.
alter table quota add column last_at integer;

-- 1: it waits for company until next_attempt_at, and not for a retry: whatever goes in its lane may take it along.
alter table deliveries add column gathers integer not null default 0 check (gathers in (0, 1));
create index gathering on deliveries (receiver, next_attempt_at) where gathers = 1 and head = 1 and state = 'queued';

-- Whether something critical waits is asked before each message.
drop index waiting;
create index waiting on deliveries (receiver, rank, next_attempt_at)
    where head = 1 and state = 'queued' and next_attempt_at is not null;
-- What waits in an order key, to be freed by a newcomer.
create index waiting_in_key on deliveries (receiver, order_key) where state = 'queued' and next_attempt_at is not null;
-- What is overdue, and where what is late ends.
create index ready_by_age on deliveries (receiver, created_at)
    where head = 1 and state = 'queued' and next_attempt_at is null;

-- What a receiver was told last under an order key. It goes with its delivery.
create table told (
    receiver text not null,
    order_key text not null,
    delivery integer not null references deliveries (seq) on delete cascade,
    primary key (receiver, order_key)
) strict, without rowid;

create index told_by on told (delivery);

-- 1: it told of something critical, which is counted by itself: a unit that is given back goes there.
alter table attempts add column critical integer not null default 0 check (critical in (0, 1));

-- Of what was never tried a probe takes the worst, and of equals the newest.
drop index probes;
create index probes on deliveries (receiver, tried_at, rank desc, seq desc) where head = 1 and state = 'queued';
