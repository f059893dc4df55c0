-- Requests to join or leave that wait for a moderator, one a kind and address; request is JSON as in
-- pending. A number is never given out twice, so that a late decision cannot hit another request.
create table held_request (
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

-- What was done for somebody to be a member or to be one no more, and how that is known.
create table consent (
    id        integer primary key autoincrement,
    list_id   bigint not null references list (id) on delete cascade,
    address   text not null,
    act       text not null,
    how       text not null,
    at        double precision not null
);

create index consent_address on consent (address, list_id);

-- How often something was asked for on a day, so that nobody is flooded through us.
create table asked (
    kind     text not null,
    subject  text not null,
    day      text not null,
    number   bigint not null,
    primary key (kind, subject, day)
);

-- What the commands of a mail came to: an entry that is processed again after a crash is answered
-- the same, and nothing is done twice.
create table outcome (
    entry    text primary key,
    content  blob not null,
    at       double precision not null
);

create index member_address on member (address_key);
