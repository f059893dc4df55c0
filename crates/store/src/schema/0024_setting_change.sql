-- Who changed which setting of a list, and when. Values are as they are kept; those of passwords are
-- left out. What belongs to a list goes with it.
create table setting_change (
    id         integer primary key autoincrement,
    list_id    bigint not null references list (id) on delete cascade,
    name       text not null,
    old_value  text not null,
    new_value  text not null,
    who        text not null,
    via        text not null,
    changed_at double precision not null
);

create index setting_change_list on setting_change (list_id, id);
