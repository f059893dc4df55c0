-- What waits for somebody to confirm it; request is JSON, content whatever belongs to it.
create table pending (
    cookie      text primary key,
    list_id     bigint not null references list (id) on delete cascade,
    kind        text not null,
    address     text not null,
    request     text not null,
    content     blob not null,
    created_at  double precision not null,
    expires_at  double precision not null
);

create index pending_address on pending (list_id, kind, address);
