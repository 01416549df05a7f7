-- 1: a person wrote it by hand, or the relay to its operator. It goes by itself and before what gathers, in whatever lane
-- and however often; `alone` is what a digest's refusal made of a delivery, until a human redrives it.
alter table deliveries add column express integer not null default 0 check (express in (0, 1));

create index express on deliveries (receiver, rank, next_attempt_at, seq)
    where express = 1 and head = 1 and state = 'queued';
-- What is critical and takes others along.
create index critical on deliveries (receiver, next_attempt_at)
    where express = 0 and rank = 2 and head = 1 and state = 'queued';

-- What was kept before this. What is delivered never goes again.
update deliveries set express = 1, alone = 0 where source in ('_send', '_notice') and state <> 'delivered';

-- How what was told stood then, as JSON: a list of fingerprint, status and since of all that fires or is over. Null: what was
-- delivered could not be read.
alter table told add column seen text;

-- What was handed over was told about somebody else's alerts.
delete from told where delivery in (select seq from deliveries where fallback_of is not null);

-- What was told before this. A content of another version may say something else.
update told set seen = (
    select json_group_array(json_object(
        'fingerprint', i.value ->> 'fingerprint', 'status', i.value ->> 'status', 'since', i.value ->> 'since'
    ))
    from contents c, json_each(c.content, '$.items') i
    where c.delivery = told.delivery and i.value ->> 'status' <> 'notice'
)
where exists (
    select 1 from contents c
    where c.delivery = told.delivery and iif(json_valid(c.content), c.content ->> '$.v' = 1, 0)
);

-- How urgent a delivery is: as the worst of what was new in it to its receiver when it was accepted; all of it is new to whom
-- it is handed over or redriven. From now on a head's rank is the worst urgency among the open ones of its order key.
-- Of what is closed it says nothing.
alter table deliveries add column urgency integer not null default 0 check (urgency in (0, 1, 2));
update deliveries set urgency = severity where state in ('queued', 'sending');
drop index open_by_severity;
create index open_by_urgency on deliveries (receiver, order_key, urgency) where state in ('queued', 'sending');

-- What a fallback may take over where the month has calls left for what is critical, in the order of its lane.
create index mild_to_hand_over on deliveries (receiver, seq)
    where state = 'queued' and fallback_of is null and handed_to is null and rank < 2;
