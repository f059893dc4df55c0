-- What a bounce says of its address, who says so, and what it led to: an entry that is processed
-- again after a crash leads to the same. Words stand in docs/bounces.md.
alter table bounce_event add column kind text not null default 'permanent';
alter table bounce_event add column status text not null default '';
alter table bounce_event add column source text not null default 'smtp';
alter table bounce_event add column outcome text not null default 'not-counted';

create index bounce_event_kind on bounce_event (list_id, kind, at);
create index bounce_event_at on bounce_event (at);
