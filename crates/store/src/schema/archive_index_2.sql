-- Messages whose pages have to be written: once for all that happened to and around them.
create table stale_message (
    number integer primary key
);

-- The digests of posts that stand in the mbox where the index does not reach yet.
create table waiting (
    digest blob primary key
) without rowid;
