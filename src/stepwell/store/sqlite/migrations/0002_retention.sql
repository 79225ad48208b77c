-- Finished processes in the order of their ends: what retention goes through. Written once in a process's life.
create index process_ended on process (ended, id) where ended > 0;
