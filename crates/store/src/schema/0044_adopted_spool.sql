-- The spools of dead hosts that other hosts have adopted. A host asks for its own before it takes
-- anything from it, and gives up the entries that are named here.

create table adopted_spool (
    id text primary key,
    -- The spool that has its entries now, and the name of that spool's machine.
    adopter text not null,
    host text not null,
    adopted_at double precision not null,
    -- One line each: the queue, a slash, the entry's name.
    entries text not null
);
