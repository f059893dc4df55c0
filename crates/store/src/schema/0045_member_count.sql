-- How many members each list has. It changes together with the rows of `member`, so that nobody counts them
-- for a page. A list without a row never had any.
create table member_count (
    list_id  bigint primary key references list (id) on delete cascade,
    number   bigint not null
);

insert into member_count (list_id, number)
    select list_id, count(*) from member group by list_id;
