-- What was taken over from a Mailman site.

-- What has been brought over already: a file below the old site, or a part of one as `file#part`.
-- A source that has not changed is not read again, and what became of it here stays.
create table imported (
    source       text primary key,
    fingerprint  text not null,
    target       text not null default '',
    at           double precision not null
);

-- Attributes of a list that have no place of their own here, as pickles.
create table list_extra (
    list_id  bigint not null references list (id) on delete cascade,
    name     text not null,
    value    blob not null,
    primary key (list_id, name)
);

-- The last article that came from the newsgroup; none means that it begins with the newest.
alter table list add column usenet_watermark bigint;
