-- The index of one list's archive: everything here can be made again from the list's mbox, but for
-- the numbers of messages, which are kept in `known_number` while it is made again.

-- Single values: how far into the mbox the index reaches, and the like.
create table fact (
    name  text primary key,
    value text not null
) without rowid;

create table volume (
    id          integer primary key,
    name        text not null unique,
    label       text not null,
    -- Orders volumes in time, whatever their names.
    first_day   integer not null,
    messages    integer not null default 0,
    first_date  integer,
    last_date   integer,
    -- How much of the volume's text file is written.
    text_length integer not null default 0,
    is_gzipped  integer not null default 0
);

create table message (
    -- The number in its address, Pipermail's sequence.
    number      integer primary key,
    volume_id   integer not null references volume (id),
    mbox_start  integer not null,
    mbox_length integer not null,
    -- Of its bytes in the mbox: the same entry processed again is known by it.
    digest      blob not null,
    message_id  text not null,
    date        integer not null,
    subject     text not null,
    author      text not null,
    email       text not null,
    excerpt     text not null,
    parent      integer,
    stripped    text not null,
    thread_key  text not null,
    removed     integer not null default 0
);
create index message_by_message_id on message (message_id);
create index message_by_digest on message (digest);
create index message_by_mbox_start on message (mbox_start);
create index message_by_date on message (date);
create index message_by_parent on message (parent) where parent is not null;
create index message_by_subject on message (volume_id, stripped, date);

-- Where a message stands in a volume's index of a kind.
create table listing (
    volume_id integer not null,
    kind      integer not null,
    key       text not null,
    number    integer not null,
    primary key (volume_id, kind, key)
) without rowid;

-- The pages of a volume's index of a kind. A page holds the keys from its own up to the next page's.
create table page (
    volume_id integer not null,
    kind      integer not null,
    low       text not null,
    number    integer not null,
    entries   integer not null,
    -- Whether it has to be written: pages of indexes are written once for many messages.
    is_stale  integer not null default 1,
    primary key (volume_id, kind, low)
) without rowid;

create index page_stale on page (kind) where is_stale = 1;

-- Addresses given before the index was made again.
create table known_number (
    number     integer primary key,
    volume     text not null,
    message_id text not null,
    digest     blob
);
create index known_by_message_id on known_number (message_id);
create index known_by_digest on known_number (digest) where digest is not null;

create virtual table word using fts5 (
    subject, author, body,
    content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);
-- What one transaction adds is written at once, and merged less often.
insert into word (word, rank) values ('hashsize', 8388608);
insert into word (word, rank) values ('automerge', 8);
