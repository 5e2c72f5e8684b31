-- From which files an article was read.
CREATE TABLE seen (file TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (file, id)) WITHOUT ROWID;
CREATE INDEX seen_id ON seen (id);
