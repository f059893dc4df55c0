-- What the posting pipeline remembers between posts.

-- Until when a sender gets no second automatic answer; kind is postings, requests or admin.
create table autoresponse (
    list_id  bigint not null references list (id) on delete cascade,
    kind     text not null,
    address  text not null,
    until    double precision not null,
    primary key (list_id, kind, address)
);

-- How many notices an address got on a day, so that nobody is flooded through us.
create table answered (
    address  text not null,
    day      text not null,
    number   bigint not null,
    primary key (address, day)
);

-- Posts for the next digest; entry is the queue entry they came as.
create table digest_post (
    id         integer primary key autoincrement,
    list_id    bigint not null references list (id) on delete cascade,
    entry      text not null unique,
    posted_at  double precision not null,
    size       bigint not null,
    content    blob not null
);

create index digest_post_list on digest_post (list_id, id);

-- When senders posted, as long as it counts for member_verbosity_threshold.
create table recent_post (
    list_id  bigint not null references list (id) on delete cascade,
    address  text not null,
    entry    text not null,
    until    double precision not null,
    primary key (list_id, address, entry)
);

-- Patterns that cannot be used, and when the owners were told so.
create table pattern_problem (
    list_id  bigint not null references list (id) on delete cascade,
    setting  text not null,
    pattern  text not null,
    problem  text not null,
    told_at  double precision not null,
    primary key (list_id, setting, pattern)
);

-- Answers of the domain name system, as long as they are good.
create table dns_answer (
    name        text primary key,
    answer      text not null,
    expires_at  double precision not null
);
