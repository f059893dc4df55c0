-- Up to which article a newsgroup has been passed on to its list.
create table news_watermark (
    list_id integer primary key references list (id) on delete cascade,
    article integer not null
);
