-- How many digests a list has sent, and whether the next one has grown large enough to be sent.
alter table list add column digests_sent bigint not null default 0;
alter table list add column digest_due integer not null default 0;

-- A member's one_last_digest is the count of the digest that is the last to come, by
-- list.digests_sent; 0 is none. The digests of a list with few digest members are found at once.
create index member_digest on member (list_id, domain, address_key)
    where digest = 1 or one_last_digest > 0;

-- Whether bounces have left anything to do is known at once.
create index member_bouncing on member (list_id) where bounce_date <> '' or delivery = 4;

-- The period that each job of the site was last done for.
create table job_run (
    job     text primary key,
    period  text not null
);
