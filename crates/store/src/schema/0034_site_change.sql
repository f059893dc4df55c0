-- Who changed which setting of the site, and when.
create table site_change (
    id          integer primary key autoincrement,
    name        text not null,
    old_value   text not null,
    new_value   text not null,
    who         text not null,
    via         text not null,
    changed_at  double precision not null
);
