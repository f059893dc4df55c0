-- How many posts, bounces, and people who came and went a list had on a day (UTC).
create table daily_count (
    list_id  bigint not null references list (id) on delete cascade,
    day      text not null,
    kind     text not null,
    number   bigint not null,
    primary key (list_id, day, kind)
);

create index daily_count_day on daily_count (day);
