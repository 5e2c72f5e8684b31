-- An article with the text of another one has neither text nor passages of its own:
-- same_as is the key of the article whose text and passages stand for it.
ALTER TABLE article ADD COLUMN same_as INTEGER;
ALTER TABLE article ADD COLUMN text_hash BLOB;
CREATE INDEX article_same_as ON article (same_as) WHERE same_as IS NOT NULL;
CREATE INDEX article_text_hash ON article (text_hash) WHERE text_hash IS NOT NULL;
-- Hashes by which texts that may be nearly the same are found.
CREATE TABLE band (hash INTEGER, article INTEGER, PRIMARY KEY (hash, article)) WITHOUT ROWID;
CREATE INDEX band_article ON band (article);
-- Pairs of articles whose texts are nearly the same, each pair both ways round.
CREATE TABLE near (article INTEGER, other INTEGER, PRIMARY KEY (article, other)) WITHOUT ROWID;
CREATE INDEX near_other ON near (other);
