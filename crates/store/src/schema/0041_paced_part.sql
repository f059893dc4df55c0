-- How many recipients a group of delivery.limits got in each part of the last period: when the part began, how
-- many were sent to or may be, how many of those have not been reported, and when the last one was sent to.
create table paced_part (
    name        text not null,
    began       double precision not null,
    sent        bigint not null,
    unreported  bigint not null,
    last_at     double precision not null,
    primary key (name, began)
);
insert into paced_part (name, began, sent, unreported, last_at)
    select name, last_at, sent, 0, last_at from paced;
drop table paced;
