-- Passwords of the site itself: admin and creator.
create table site_password (
    role  text primary key,
    hash  text not null
);
