-- Who is signed in on the web. Only hashes of what browsers and links carry are kept, so that a copy
-- of the database signs nobody in.
create table session (
    id          integer primary key autoincrement,
    token_hash  text not null unique,
    created_at  double precision not null,
    expires_at  double precision not null,
    network     text not null,
    agent       text not null
);

-- What somebody has proved, and when. subject: an address, a list's number, or both. fingerprint
-- changes with the password that proved it.
create table session_proof (
    session_id   bigint not null references session (id) on delete cascade,
    kind         text not null,
    subject      text not null,
    fingerprint  text not null,
    proved_at    double precision not null,
    primary key (session_id, kind, subject)
);

create index session_proof_subject on session_proof (kind, subject);

-- Links by mail that sign an address in, once.
create table sign_in (
    token_hash  text primary key,
    address     text not null,
    goal        text not null,
    created_at  double precision not null,
    expires_at  double precision not null
);
