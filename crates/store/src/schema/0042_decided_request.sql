-- Requests to join or leave on which somebody decided a moment ago, so that the decision can be taken
-- back: what it sent on its way (a queue and an entry a line), and what it changed.
create table decided_request (
    id          bigint primary key,
    list_id     bigint not null references list (id) on delete cascade,
    address     text not null,
    request     text not null,
    cookie      text not null,
    how         text not null,
    held_at     double precision not null,
    what        text not null,
    sent        text not null,
    changed     text not null,
    decided_at  double precision not null
);

create index decided_request_list on decided_request (list_id, decided_at);

-- The memberships that these decisions ended, as they were.
create table decided_member (
    request_id           bigint primary key references decided_request (id) on delete cascade,
    list_id              bigint not null,
    address_key          text not null,
    domain               text not null,
    address              text not null,
    real_name            text not null,
    digest               integer not null,
    options              bigint not null,
    delivery             integer not null,
    delivery_changed_at  double precision not null,
    language             text not null,
    password             text not null,
    topics               text not null,
    one_last_digest      integer not null,
    bounce_score         double precision not null,
    bounce_date          text not null,
    bounce_notices_left  integer not null,
    bounce_last_notice   text not null,
    bounce_cookie        text not null,
    joined_at            double precision not null,
    consent              text not null
);
