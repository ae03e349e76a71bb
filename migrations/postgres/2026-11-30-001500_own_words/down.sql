DROP TABLE own_words;
DROP TABLE own_word_settings;
