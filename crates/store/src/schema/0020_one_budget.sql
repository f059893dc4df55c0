-- Automatic mail to an address is counted in one place, over all lists (asked).
drop table answered;
