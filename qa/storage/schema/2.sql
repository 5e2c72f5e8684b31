CREATE INDEX article_id ON article (id);
-- What the next publication changes: the new revision of an article, or NULL where it is removed.
CREATE TABLE staged (id TEXT PRIMARY KEY, article INTEGER) WITHOUT ROWID;
-- How many articles each source has, and how many of them are dated.
CREATE TABLE source (
    key TEXT PRIMARY KEY, name TEXT, articles INTEGER NOT NULL, dated INTEGER NOT NULL
) WITHOUT ROWID;
