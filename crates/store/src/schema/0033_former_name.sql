-- Names that lists had before. Mail to their addresses, links and entries in the queues that name one
-- go on meaning the list. host: that of the addresses it had then.
create table former_name (
    name     text primary key,
    list_id  bigint not null references list (id) on delete cascade,
    host     text not null,
    at       double precision not null
);

create index former_name_list on former_name (list_id);
