-- What became of links and codes that were good once, so that who follows one again reads what it
-- did. kind and item name a held post, whose links do not name their cookie.
create table settled (
    cookie   text primary key,
    list_id  bigint not null references list (id) on delete cascade,
    kind     text not null,
    item     bigint not null default 0,
    address  text not null,
    what     text not null,
    at       double precision not null
);

create index settled_item on settled (kind, item);
create index settled_at on settled (at);
