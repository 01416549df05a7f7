-- What a human says of a lane. A lane nobody said anything of has no row.
create table lanes (
    receiver text primary key,
    paused_until integer -- it takes nothing before then; null, or in the past: it is not paused
) strict, without rowid;
