-- Held posts on which somebody decided a moment ago, as they were held, so that the decision can be
-- taken back: what it sent on its way (a queue and an entry), and which settings of the list it changed.
create table decided_post (
    id          bigint primary key,
    list_id     bigint not null references list (id) on delete cascade,
    entry       text not null,
    sender      text not null,
    subject     text not null,
    reason      text not null,
    setting     text not null,
    cookie      text not null,
    held_at     double precision not null,
    content     blob not null,
    what        text not null,
    queue       text not null,
    output      text not null,
    changed     text not null,
    decided_at  double precision not null
);

create index decided_post_list on decided_post (list_id, decided_at);
