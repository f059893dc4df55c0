-- Which address took the place of which: links that name the old one go on meaning the membership
-- that came from it.
create table moved (
    list_id  bigint not null references list (id) on delete cascade,
    old_key  text not null,
    new_key  text not null,
    at       double precision not null,
    primary key (list_id, old_key)
);

create index moved_new on moved (new_key);
