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

-- Passwords of the site itself: admin and creator.
create table site_password (
    role  text primary key,
    hash  text not null
);

-- The last article that came from the newsgroup; none means that it begins with the newest.
alter table list add column usenet_watermark bigint;

-- Requests to join or leave that wait for a moderator, one a kind and address; request is JSON as in
-- pending. A number is never given out twice, so that a late decision cannot hit another request.
create table if not exists held_request (
    id        integer primary key autoincrement,
    list_id   bigint not null references list (id) on delete cascade,
    kind      text not null,
    address   text not null,
    request   text not null,
    cookie    text not null unique,
    how       text not null,
    held_at   double precision not null,
    unique (list_id, kind, address)
);
