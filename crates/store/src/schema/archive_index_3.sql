-- The Message-IDs of a volume that messages answer and nobody has sent yet: when one of them comes,
-- the answers move below it. Lower ranks are better.
create table wanted (
    volume_id  integer not null,
    message_id text not null,
    number     integer not null,
    rank       integer not null,
    primary key (volume_id, message_id, number)
) without rowid;
create index wanted_by_number on wanted (number);
