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
