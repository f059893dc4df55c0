-- Held posts with what a moderator's answer needs. A number is never given out twice, so that a
-- late decision cannot hit another post.
create table held_post (
    id        integer primary key autoincrement,
    list_id   bigint not null references list (id) on delete cascade,
    entry     text not null unique,
    sender    text not null,
    subject   text not null,
    reason    text not null,
    setting   text not null default '',
    cookie    text not null unique,
    held_at   double precision not null,
    content   blob not null
);

insert into held_post (id, list_id, entry, sender, subject, reason, cookie, held_at, content)
    select id, list_id, entry, sender, subject, reason, lower(hex(randomblob(20))), held_at, content
    from held;

drop table held;

create index held_post_list on held_post (list_id, held_at, id);

-- What signs links. Whoever knows it can decide on held posts.
create table secret (
    name   text primary key,
    value  blob not null
);

-- What has been done for a list in a period, so that nothing is done twice for it.
create table job_done (
    job      text not null,
    list_id  bigint not null references list (id) on delete cascade,
    period   text not null,
    primary key (job, list_id)
);
