DROP TABLE search_progress;
DROP TABLE search_postings;
DROP TABLE search_words;
