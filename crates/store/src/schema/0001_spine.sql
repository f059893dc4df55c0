-- Lists. What Mailman keeps as state stands here; what an owner sets stands in list_setting.
create table list (
    id                   integer primary key,
    name                 text not null unique,
    created_at           double precision not null,
    post_id              bigint not null default 1,
    last_post_time       double precision not null default 0,
    volume               bigint not null default 1,
    next_digest_number   bigint not null default 1,
    digest_last_sent_at  double precision not null default 0,
    next_request_id      bigint not null default 1
);

-- Only what differs from the default, so that defaults can change and imported names that this
-- program does not know are kept.
create table list_setting (
    list_id  bigint not null references list (id) on delete cascade,
    name     text not null,
    value    text not null,
    primary key (list_id, name)
);

-- An address key is the whole address in lower case; domain is its part behind the @, by which
-- deliveries are ordered.
create table member (
    list_id              bigint not null references list (id) on delete cascade,
    address_key          text not null,
    domain               text not null,
    address              text not null,
    real_name            text not null default '',
    digest               integer not null default 0,
    options              bigint not null default 256,
    delivery             integer not null default 0,
    delivery_changed_at  double precision not null default 0,
    language             text not null default '',
    password             text not null default '',
    topics               text not null default '[]',
    one_last_digest      integer not null default 0,
    bounce_score         double precision not null default 0,
    bounce_date          text not null default '',
    bounce_notices_left  integer not null default 0,
    bounce_last_notice   text not null default '',
    bounce_cookie        text not null default '',
    joined_at            double precision not null default 0,
    consent              text not null default '',
    primary key (list_id, address_key)
);

-- Streams the recipients of a post without touching the table.
create index member_recipient on member (list_id, domain, address_key, digest, delivery, address);

-- Posts that wait for a moderator; entry is the queue entry they came as.
create table held (
    id        integer primary key,
    list_id   bigint not null references list (id) on delete cascade,
    entry     text not null unique,
    sender    text not null,
    subject   text not null,
    reason    text not null,
    content   blob not null,
    held_at   double precision not null
);

create index held_list on held (list_id);

-- Refusals by the MTA; one for each recipient of a queue entry.
create table bounce_event (
    id       integer primary key,
    list_id  bigint not null references list (id) on delete cascade,
    address  text not null,
    entry    text not null,
    code     integer not null,
    text     text not null,
    at       double precision not null,
    unique (entry, address)
);

create index bounce_event_list on bounce_event (list_id, address);
