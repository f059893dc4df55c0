-- The limit of automatic answers is each list's own. What was counted today is counted anew.

drop table answered;

-- How many notices an address got from a list on a day, so that nobody is flooded through us.
create table answered (
    list_id  bigint not null references list (id) on delete cascade,
    address  text not null,
    day      text not null,
    number   bigint not null,
    primary key (list_id, address, day)
);
