-- Properties of the archive: its model, its generation, the name of its present indexes.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
-- All revisions of the articles. Readers see the current one of each id.
CREATE TABLE article (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    current INTEGER NOT NULL,
    title TEXT NOT NULL, text TEXT NOT NULL, url TEXT, published TEXT, source TEXT, author TEXT,
    section TEXT, lang TEXT, extra TEXT NOT NULL,
    origin TEXT, source_key TEXT NOT NULL, stored TEXT NOT NULL
);
CREATE UNIQUE INDEX article_current ON article (id) WHERE current;
CREATE INDEX article_published ON article (published) WHERE current;
CREATE INDEX article_source ON article (source_key) WHERE current;
-- What is searched: a stretch of a revision's text and its vector (float16). Ids are never used twice.
CREATE TABLE passage (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    article INTEGER NOT NULL REFERENCES article (key),
    start INTEGER NOT NULL, end INTEGER NOT NULL, vector BLOB NOT NULL
);
CREATE INDEX passage_article ON passage (article);
