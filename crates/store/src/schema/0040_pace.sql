-- Receiving domains that put mail off: how often in a row, when they are tried next, and whether nothing
-- is sent there until then.
create table slow_domain (
    domain      text primary key,
    failures    bigint not null,
    next_at     double precision not null,
    is_held     bigint not null,
    since       double precision not null,
    reply       text not null
);

-- How many recipients a group of delivery.limits got in its current period, and when the last one.
create table paced (
    name        text primary key,
    sent        bigint not null,
    last_at     double precision not null
);
